// Lines over epochs, as SVG: two colors and two dash patterns, so that neither eyes nor paper need the colors.

import { h, svg } from "./dom.js";
import { formatsOf, place, roundScale, valueRange } from "./scale.js";

/** @import { Formats } from "./scale.js" */

/**
 * @typedef {object} Series A line of a chart.
 * @property {string} name
 * @property {string} kind Its style: train, validation, or the number of a run.
 * @property {number[]} values One for each epoch.
 */

/**
 * @typedef {object} ChartOptions
 * @property {boolean} [isShare] Whether the values are shares: drawn up to 100 %; others are drawn from 0.
 * @property {number} [numPlanned] Epochs for which there is room, at least.
 * @property {number | null} [bestEpoch] From 1.
 */

const WIDTH = 560;
const HEIGHT = 240;
const EDGE = { left: 62, right: 12, top: 12, bottom: 30 };
const NUM_EPOCH_MARKS = 8;

/**
 * A chart of figures over epochs.
 * @param {string} title
 * @param {Series[]} series
 * @param {ChartOptions} [options]
 */
export function lineChart(title, series, { isShare = false, numPlanned = 0, bestEpoch = null } = {}) {
  const values = series.flatMap((line) => line.values).filter(Number.isFinite);
  const numEpochs = Math.max(numPlanned, 2, ...series.map((line) => line.values.length));
  const { ticks, step } = roundScale(...valueRange(values, isShare));
  const formats = formatsOf(step, isShare);
  const x = (/** @type {number} */ position) => place(position, [0, numEpochs - 1], [EDGE.left, WIDTH - EDGE.right]);
  const y = (/** @type {number} */ value) =>
    place(value, [ticks[0], ticks[ticks.length - 1]], [HEIGHT - EDGE.bottom, EDGE.top]);
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary(title, series, formats), class: "chart" },
    ...ticks.flatMap((tick) => gridLine(y(tick), formats.tick(tick))),
    ...epochMarks(numEpochs, x),
    ...(bestEpoch ? [bestMark(x(bestEpoch - 1))] : []),
    ...series.flatMap((line) => linePath(line, x, y)),
  );
  const hover = hoverText(picture, series, formats, (share) => {
    return Math.round((share * WIDTH - EDGE.left) / (x(1) - x(0)));
  });
  return h("figure", { class: "plot" }, caption(title, series, formats), picture, hover);
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
 * @param {number} numEpochs
 * @param {(position: number) => number} x
 */
function epochMarks(numEpochs, x) {
  const step = Math.max(1, Math.ceil(numEpochs / NUM_EPOCH_MARKS));
  return Array.from({ length: Math.ceil(numEpochs / step) }, (_, mark) => {
    const position = mark * step;
    return svg("text", { x: x(position), y: HEIGHT - 8, "text-anchor": "middle" }, String(position + 1));
  });
}

/** @param {number} x */
const bestMark = (x) => svg("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "best" });

/**
 * @param {Series} line
 * @param {(position: number) => number} x
 * @param {(value: number) => number} y
 */
function linePath(line, x, y) {
  const points = line.values.flatMap((value, position) =>
    Number.isFinite(value) ? [[x(position).toFixed(1), y(value).toFixed(1)]] : [],
  );
  const last = points.at(-1);
  if (!last) return [];
  const end = svg("circle", { cx: last[0], cy: last[1], r: 3.5, class: `point ${line.kind}` });
  if (points.length < 2) return [end];
  const path = points.map((point) => point.join(",")).join(" ");
  return [svg("polyline", { points: path, class: `line ${line.kind}` }), end];
}

/**
 * @param {string} title
 * @param {Series[]} series
 * @param {Formats} formats
 */
function caption(title, series, formats) {
  const keys = series.map((line) => {
    const last = line.values.at(-1);
    return h(
      "span",
      { class: "row" },
      h("span", { class: `key ${line.kind}` }),
      `${line.name} `,
      h("b", {}, last === undefined ? "–" : formats.value(last)),
    );
  });
  return h("figcaption", { class: "row between" }, h("b", {}, title), h("span", { class: "row small" }, keys));
}

/**
 * The figures of the epoch under the pointer.
 * @param {SVGSVGElement} picture
 * @param {Series[]} series
 * @param {Formats} formats
 * @param {(share: number) => number} positionAt The position of the epoch at a share of the picture's width.
 */
function hoverText(picture, series, formats, positionAt) {
  const text = h("p", { class: "hover small", "aria-hidden": "true" });
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const position = positionAt((event.clientX - box.left) / box.width);
    const figures = series
      .filter((line) => Number.isFinite(line.values[position]))
      .map((line) => `${line.name} ${formats.value(line.values[position])}`);
    text.textContent = figures.length ? `Epoch ${position + 1}: ${figures.join(", ")}` : "";
  });
  picture.addEventListener("pointerleave", () => {
    text.textContent = "";
  });
  return text;
}

/**
 * What a chart shows, for people who cannot see it.
 * @param {string} title
 * @param {Series[]} series
 * @param {Formats} formats
 */
export function summary(title, series, formats) {
  const lines = series
    .filter((line) => line.values.length)
    .map((line) => {
      const [first, last] = [line.values[0], line.values[line.values.length - 1]];
      return `${line.name} from ${formats.value(first)} to ${formats.value(last)} in ${line.values.length} epochs`;
    });
  return `${title}: ${lines.join("; ") || "nothing yet"}`;
}
