// What a chart shows of its epochs: the range that a person zoomed to, and how smooth its lines are.

/**
 * @typedef {object} ChartView
 * @property {number} first The first position that is shown, from 0.
 * @property {number | null} last The last one; null for the end.
 * @property {number} smoothing From 0, as measured, to below 1.
 */

export const MIN_SHOWN = 2;

/** @type {Map<string, ChartView>} */
const views = new Map(); // a chart that is drawn again keeps its view

/**
 * The view of the chart with a title.
 * @param {string} title
 * @returns {ChartView}
 */
export function viewOf(title) {
  const view = views.get(title) ?? { first: 0, last: null, smoothing: 0 };
  views.set(title, view);
  return view;
}

/**
 * The positions that a chart shows.
 * @param {ChartView} view
 * @param {number} numEpochs For which there is room.
 * @returns {[first: number, last: number]}
 */
export function shownRange({ first, last }, numEpochs) {
  const end = Math.max(MIN_SHOWN, numEpochs) - 1;
  const start = Math.min(first, end - MIN_SHOWN + 1);
  return [start, Math.max(start + MIN_SHOWN - 1, Math.min(last ?? end, end))];
}

/**
 * The running mean of values that weighs earlier ones less; what is no number is left as it is.
 * @param {number[]} values
 * @param {number} smoothing The weight of what came before, from 0 to below 1.
 */
export function smooth(values, smoothing) {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    mean = smoothing * mean + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    return mean / weight; // without the division the first values would be drawn toward 0
  });
}
