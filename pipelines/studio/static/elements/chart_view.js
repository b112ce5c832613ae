// The view of a chart: the range of epochs that the user zoomed to, and the smoothing of its lines.

/**
 * @typedef {object} ChartView
 * @property {number} first The first visible position, from 0.
 * @property {number | null} last The last visible position; null for the end.
 * @property {number} smoothing From 0, which means none, to below 1.
 */

export const MIN_SHOWN = 2;

/** @type {Map<string, ChartView>} */
const views = new Map(); // a redrawn chart keeps its view

/**
 * The view of the chart with this title.
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
 * @param {number} numEpochs The number of epochs on the axis.
 * @returns {[first: number, last: number]}
 */
export function shownRange({ first, last }, numEpochs) {
  const end = Math.max(MIN_SHOWN, numEpochs) - 1;
  const start = Math.min(first, end - MIN_SHOWN + 1);
  return [start, Math.max(start + MIN_SHOWN - 1, Math.min(last ?? end, end))];
}

/**
 * The exponential moving average of values; values that are not finite are left unchanged.
 * @param {number[]} values
 * @param {number} smoothing The weight of the earlier values, from 0 to below 1.
 */
export function smooth(values, smoothing) {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    mean = smoothing * mean + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    return mean / weight; // without the division, the first values would be biased toward 0
  });
}
