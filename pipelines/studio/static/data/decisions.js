// The user's decisions about audited photos: to move a photo to another class, or to leave it out.

/** @import { DecisionLog } from "../photos/decision_log.js" */
/** @import { AuditInfo, SplitName } from "./types.js" */

/** @type {SplitName[]} */
export const SPLITS = ["train", "validation", "test"];
const KEEP = "";
const LEAVE_OUT = "-";
/** The number of choices that choicesFor returns before those for the classes. */
export const NUM_GENERAL_CHOICES = 2;

/**
 * The decision about a photo, as the key of one of the choices from choicesFor.
 * @param {DecisionLog} decisions
 * @param {string} path
 */
export function choiceOf(decisions, path) {
  const className = decisions.get(path);
  if (className === undefined) return KEEP;
  return className === null ? LEAVE_OUT : `=${className}`;
}

/**
 * Stores the decision about a photo.
 * @param {DecisionLog} decisions Modified in place.
 * @param {string} path
 * @param {string} choice The key of one of the choices from choicesFor.
 */
export function decide(decisions, path, choice) {
  decisions.decide([path], choice === KEEP ? undefined : choice === LEAVE_OUT ? null : choice.slice(1));
}

/**
 * The possible decisions about a photo.
 * @param {string[]} classNames
 * @param {string | null} className The current class of the photo.
 * @returns {[key: string, text: string][]}
 */
export function choicesFor(classNames, className) {
  const otherClasses = classNames.filter((name) => name !== className);
  return [
    [KEEP, "Keep as is"],
    [LEAVE_OUT, "Remove"],
    ...otherClasses.map((name) => /** @type {[string, string]} */ ([`=${name}`, `Move to ${name}`])),
  ];
}

/**
 * The number of photos in each split.
 * @param {AuditInfo} info
 * @returns {number[]} In the order of SPLITS.
 */
export const splitTotals = (info) => SPLITS.map((split) => sum(Object.values(info.counts[split])));

/**
 * The number of photos in each class, per split and in total.
 * @param {AuditInfo} info
 */
export function classTotals(info) {
  return Object.keys(info.counts.train).map((name) => {
    const counts = SPLITS.map((split) => info.counts[split][name]);
    return { name, counts, total: sum(counts) };
  });
}

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
