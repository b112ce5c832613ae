// Functions that edit `train.phases`; each returns a new list.

/** @import { Phase } from "../client/types.js" */

/** @type {Phase[]} */
export const TWO_PHASES = [
  { trainable: "head", epochs: 3 },
  { trainable: "last 20", epochs: 8, optimizer: "adamw", learning_rate: 0.0003, warmup_epochs: 1 },
];

const ESSENTIAL_KEYS = ["trainable", "epochs", "optimizer", "learning_rate", "warmup_epochs"];

/**
 * Reduces a complete phase to the values that the user can edit.
 * @param {Phase} phase
 * @returns {Phase}
 */
export const essentials = (phase) =>
  Object.fromEntries(ESSENTIAL_KEYS.flatMap((key) => (phase[key] === undefined ? [] : [[key, phase[key]]])));

/**
 * Adds a phase at the end.
 * @param {Phase[]} phases
 * @returns {Phase[]}
 */
export const withAnotherPhase = (phases) => [...phases, { trainable: "all", epochs: 5, learning_rate: 0.0001 }];

/**
 * Removes the phase at a position.
 * @param {Phase[]} phases
 * @param {number} position
 */
export const withoutPhase = (phases, position) => phases.filter((_, candidate) => candidate !== position);

/**
 * Sets a value of one phase from user input; empty text removes it.
 * @param {Phase[]} phases
 * @param {number} position
 * @param {string} key
 * @param {string} text The input, trimmed.
 * @param {boolean} isNumber
 */
export function withPhaseValue(phases, position, key, text, isNumber) {
  const newPhases = structuredClone(phases);
  if (text === "") delete newPhases[position][key];
  else newPhases[position][key] = isNumber ? Number(text) : text;
  return newPhases;
}
