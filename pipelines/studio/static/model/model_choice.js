// The ways to choose a model, and the one that the params use.

/** @import { ModelParams } from "../client/types.js" */

/** @typedef {"auto" | "pretrained" | "layers" | "upload" | "bundle"} ModelWay */

/** @type {ModelWay[]} */
export const WAYS = ["auto", "pretrained", "layers", "upload", "bundle"];

/**
 * The way in which the params choose a model.
 * @param {ModelParams} model
 * @returns {ModelWay}
 */
export function wayOf(model) {
  if (model.layers) return "layers";
  if (model.path) return "upload";
  if (model.from) return "bundle";
  return model.name ? "pretrained" : "auto";
}

/**
 * The tab that an arrow key selects; undefined for other keys.
 * @param {string} key
 * @param {ModelWay} way The tab with the focus.
 * @returns {ModelWay | undefined}
 */
export function wayByArrow(key, way) {
  /** @type {{ [key: string]: number }} */
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const step = steps[key];
  if (!step) return undefined;
  const position = WAYS.indexOf(way);
  return WAYS[(position + step + WAYS.length) % WAYS.length];
}
