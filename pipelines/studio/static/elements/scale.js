// Scales for charts: round values on an axis, the number of digits to show, and positions in a picture.

import { formatPercent } from "./format.js";

/**
 * @typedef {object} Scale
 * @property {number[]} ticks Round values that enclose the lowest and the highest value.
 * @property {number} step The distance between two ticks.
 */

const NUM_STEPS = 5;
const MAX_DIGITS = 6;

/**
 * Round values that enclose a range.
 * @param {number} low
 * @param {number} high Greater than `low`.
 * @returns {Scale}
 */
export function roundScale(low, high) {
  const roughStep = (high - low) / NUM_STEPS;
  const unit = 10 ** Math.floor(Math.log10(roughStep));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * unit > roughStep * 0.999) ?? 10;
  const step = factor * unit;
  const [first, last] = [Math.floor(low / step + 1e-6), Math.ceil(high / step - 1e-6)];
  return { step, ticks: Array.from({ length: last - first + 1 }, (_, position) => (first + position) * step) };
}

/**
 * The range of an axis: from the lowest value to 1 for shares, from 0 to the highest value otherwise.
 * @param {number[]} values
 * @param {boolean} isShare
 * @returns {[low: number, high: number]}
 */
export function valueRange(values, isShare) {
  const [low, high] = isShare ? [Math.min(...values, 1), 1] : [0, Math.max(...values, 0)];
  return low < high ? [low, high] : [0, 1];
}

/**
 * The number of decimal places that a step needs.
 * @param {number} step
 */
export const digitsOf = (step) => Math.max(0, -Math.floor(Math.log10(step) + 1e-9));

/**
 * @typedef {object} Formats
 * @property {(value: number) => string} value
 * @property {(value: number) => string} tick
 */

/**
 * The formats for values and ticks in a chart.
 * @param {number} step The distance between two ticks.
 * @param {boolean} isShare
 * @returns {Formats}
 */
export function formatsOf(step, isShare) {
  if (isShare) {
    const digits = digitsOf(100 * step);
    return { value: (value) => formatPercent(value), tick: (value) => formatPercent(value, digits) };
  }
  const digits = Math.min(MAX_DIGITS, Math.max(2, digitsOf(step) + 1));
  return { value: (value) => value.toFixed(digits), tick: (value) => value.toFixed(digitsOf(step)) };
}

/**
 * Maps a value to a position between two edges of a picture.
 * @param {number} value
 * @param {[from: number, to: number]} range The range of the values.
 * @param {[start: number, end: number]} edges
 */
export function place(value, [from, to], [start, end]) {
  return to === from ? start : start + (end - start) * ((value - from) / (to - from));
}
