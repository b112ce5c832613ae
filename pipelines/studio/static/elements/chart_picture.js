// The picture of a chart as SVG. Lines differ in color and dash pattern, so that they can be told apart without colors.

import { svg } from "./dom.js";
import { formatsOf, place, roundScale, valueRange } from "./scale.js";

/** @import { Series } from "./chart.js" */
/** @import { Formats } from "./scale.js" */

export const WIDTH = 560;
export const HEIGHT = 240;
export const EDGE = { left: 62, right: 12, top: 12, bottom: 30 };
const NUM_EPOCH_MARKS = 8;

/**
 * @typedef {object} Picture
 * @property {SVGElement[]} parts
 * @property {Formats} formats
 * @property {(position: number) => number} x
 * @property {(value: number) => number} y
 */

/**
 * @typedef {object} Line A drawn line of a chart.
 * @property {Series} series
 * @property {number[]} values The values, smoothed or as measured.
 */

/**
 * @param {Line[]} lines
 * @param {[first: number, last: number]} range The visible positions.
 * @param {{ isShare: boolean, bestEpoch: number | null }} options
 * @returns {Picture}
 */
export function drawPicture(lines, [first, last], { isShare, bestEpoch }) {
  const isShown = (/** @type {number} */ position) => position >= first && position <= last;
  const values = lines
    .flatMap((line) => [line.series.values, line.values])
    .flatMap((drawn) => drawn.filter((_, position) => isShown(position)));
  const { ticks, step } = roundScale(...valueRange(values.filter(Number.isFinite), isShare));
  const formats = formatsOf(step, isShare);
  const x = (/** @type {number} */ position) => place(position, [first, last], [EDGE.left, WIDTH - EDGE.right]);
  const y = (/** @type {number} */ value) =>
    place(value, [ticks[0], ticks[ticks.length - 1]], [HEIGHT - EDGE.bottom, EDGE.top]);
  const best = bestEpoch && isShown(bestEpoch - 1) ? [bestMark(x(bestEpoch - 1))] : [];
  const parts = [
    ...ticks.flatMap((tick) => gridLine(y(tick), formats.tick(tick))),
    ...epochMarks(first, last, x),
    ...best,
    ...lines.flatMap(({ series, values: drawn }) => {
      const isSmooth = drawn !== series.values;
      const measured = isSmooth ? linePath(series.values, `line faint ${series.kind}`, isShown, x, y) : [];
      return [
        ...measured,
        ...linePath(drawn, `line ${series.kind}`, isShown, x, y),
        ...endPoint(drawn, series.kind, isShown, x, y),
      ];
    }),
  ];
  return { parts, formats, x, y };
}

/**
 * @param {number} y
 * @param {string} label
 */
function gridLine(y, label) {
  return [
    svg("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y, y2: y, class: "grid" }),
    svg("text", { x: EDGE.left - 6, y: y + 4, "text-anchor": "end" }, label),
  ];
}

/**
 * @param {number} first
 * @param {number} last
 * @param {(position: number) => number} x
 */
function epochMarks(first, last, x) {
  const step = Math.max(1, Math.ceil((last - first + 1) / NUM_EPOCH_MARKS));
  return Array.from({ length: Math.ceil((last - first + 1) / step) }, (_, mark) => {
    const position = first + mark * step;
    return svg("text", { x: x(position), y: HEIGHT - 8, "text-anchor": "middle" }, String(position + 1));
  });
}

/** @param {number} x */
const bestMark = (x) => svg("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "best" });

/**
 * @param {number[]} values
 * @param {(position: number) => boolean} isShown
 * @param {(position: number) => number} x
 * @param {(value: number) => number} y
 */
function pointsOf(values, isShown, x, y) {
  return values.flatMap((value, position) =>
    Number.isFinite(value) && isShown(position) ? [[x(position).toFixed(1), y(value).toFixed(1)]] : [],
  );
}

/**
 * @param {number[]} values
 * @param {string} style
 * @param {(position: number) => boolean} isShown
 * @param {(position: number) => number} x
 * @param {(value: number) => number} y
 */
function linePath(values, style, isShown, x, y) {
  const points = pointsOf(values, isShown, x, y);
  if (points.length < 2) return [];
  return [svg("polyline", { points: points.map((point) => point.join(",")).join(" "), class: style })];
}

/**
 * @param {number[]} values
 * @param {string} kind
 * @param {(position: number) => boolean} isShown
 * @param {(position: number) => number} x
 * @param {(value: number) => number} y
 */
function endPoint(values, kind, isShown, x, y) {
  const last = pointsOf(values, isShown, x, y).at(-1);
  return last ? [svg("circle", { cx: last[0], cy: last[1], r: 3.5, class: `point ${kind}` })] : [];
}
