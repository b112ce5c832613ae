// A line chart over epochs, with zoom, smoothing, and the values of the epoch under the pointer.

import { drawPicture, EDGE, HEIGHT, WIDTH } from "./chart_picture.js";
import { MIN_SHOWN, shownRange, smooth, viewOf } from "./chart_view.js";
import { h, svg } from "./dom.js";

/** @import { Picture } from "./chart_picture.js" */
/** @import { ChartView } from "./chart_view.js" */
/** @import { Formats } from "./scale.js" */

/**
 * @typedef {object} Series A line of a chart.
 * @property {string} name
 * @property {string} kind The style of the line: `train`, `validation`, or `run-` and a number.
 * @property {number[]} values One value for each epoch.
 */

/**
 * @typedef {object} ChartOptions
 * @property {boolean} [isShare] Whether the values are shares; if so, the axis ends at 100 %, otherwise it starts at 0.
 * @property {number} [numPlanned] The minimum number of epochs on the axis.
 * @property {number | null} [bestEpoch] The number of the best epoch, from 1.
 * @property {string} [note] The text below the chart while no epoch is selected.
 */

/** @typedef {{ position: number | null, dragFrom: number | null }} Pointer */

const NUM_MEASURED_FOR_CONTROLS = 3;
const MAX_SMOOTHING = 0.95;
const HELP = "Arrow keys move through the epochs; to zoom in, drag over a range or press +; Escape shows all epochs.";

/**
 * A chart of values over epochs. Charts with the same title share their zoom and smoothing, so that a redrawn chart
 * keeps them.
 * @param {string} title
 * @param {Series[]} series
 * @param {ChartOptions} [options]
 */
export function lineChart(title, series, { isShare = false, numPlanned = 0, bestEpoch = null, note = "" } = {}) {
  const view = viewOf(title);
  const numMeasured = Math.max(0, ...series.map((line) => line.values.length));
  const numEpochs = Math.max(numPlanned, MIN_SHOWN, numMeasured);
  const svgElement = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img" });
  const hover = h("p", { class: "hover small", role: "status" }, note);
  const reset = h("button", { type: "button", class: "link", onclick: () => zoom(0, null) }, "Show all epochs");
  /** @type {Pointer} */
  const pointer = { position: null, dragFrom: null };
  const draw = () => {
    const lines = series.map((line) => {
      return { series: line, values: view.smoothing ? smooth(line.values, view.smoothing) : line.values };
    });
    const picture = drawPicture(lines, shownRange(view, numEpochs), { isShare, bestEpoch });
    svgElement.replaceChildren(...picture.parts, ...pointerMarks(pointer, picture, series));
    reset.hidden = view.first === 0 && view.last === null;
    hover.textContent = pointer.position === null ? note : epochText(pointer.position, series, picture.formats);
    return picture;
  };
  /**
   * @param {number} first
   * @param {number | null} last
   */
  const zoom = (first, last) => {
    Object.assign(view, { first: Math.max(0, first), last });
    draw();
  };
  followPointer(svgElement, pointer, () => shownRange(view, numEpochs), draw, zoom);
  const { formats } = draw();
  svgElement.setAttribute("aria-label", summary(title, series, formats));
  if (numMeasured) {
    svgElement.setAttribute("tabindex", "0");
    svgElement.setAttribute("aria-description", HELP);
  }
  const controls = numMeasured >= NUM_MEASURED_FOR_CONTROLS ? [smoothingControl(title, view, draw), reset] : [];
  return h(
    "figure",
    { class: numMeasured ? "plot" : "plot skeleton" },
    caption(title, series, formats, bestEpoch ?? numMeasured),
    svgElement,
    h("div", { class: "row between" }, hover, h("div", { class: "row" }, controls)),
  );
}

/**
 * @param {string} title
 * @param {ChartView} view
 * @param {() => unknown} draw
 */
function smoothingControl(title, view, draw) {
  const input = h("input", {
    type: "range",
    min: 0,
    max: MAX_SMOOTHING,
    step: 0.05,
    value: view.smoothing,
    "aria-label": `Smoothing of ${title}`,
    oninput: ({ currentTarget }) => {
      view.smoothing = Number(currentTarget.value);
      draw();
    },
  });
  return h("label", { class: "row small soft smoothing" }, "Smooth", input);
}

/**
 * Shows the values of the epoch under the pointer, and zooms to a dragged range; the keys in HELP do the same.
 * @param {SVGSVGElement} element
 * @param {Pointer} pointer Modified in place.
 * @param {() => [first: number, last: number]} range
 * @param {() => unknown} draw
 * @param {(first: number, last: number | null) => void} zoom
 */
function followPointer(element, pointer, range, draw, zoom) {
  /** @param {PointerEvent} event */
  const positionAt = (event) => {
    const box = element.getBoundingClientRect();
    const [first, last] = range();
    const share = (((event.clientX - box.left) / box.width) * WIDTH - EDGE.left) / (WIDTH - EDGE.left - EDGE.right);
    return Math.min(last, Math.max(first, Math.round(first + share * (last - first))));
  };
  element.addEventListener("pointermove", (event) => {
    pointer.position = positionAt(event);
    draw();
  });
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) pointer.dragFrom = positionAt(event);
  });
  element.addEventListener("pointerup", (event) => {
    const [start, end] = [pointer.dragFrom, positionAt(event)];
    pointer.dragFrom = null;
    if (start !== null && start !== end) zoom(Math.min(start, end), Math.max(start, end));
  });
  element.addEventListener("pointerleave", () => {
    Object.assign(pointer, { position: null, dragFrom: null });
    draw();
  });
  element.addEventListener("keydown", (event) => {
    const [first, last] = range();
    const position = pointer.position ?? first;
    const quarter = Math.max(1, Math.round((last - first) / 4));
    if (event.key === "ArrowRight") pointer.position = Math.min(last, position + 1);
    else if (event.key === "ArrowLeft") pointer.position = Math.max(first, position - 1);
    else if (event.key === "+") zoom(Math.max(first, position - quarter), Math.min(last, position + quarter));
    else if (event.key === "-" || event.key === "Escape") zoom(0, null);
    else return;
    event.preventDefault();
    draw();
  });
}

/**
 * The line through the epoch under the pointer, its points, and the range that is being dragged.
 * @param {Pointer} pointer
 * @param {Picture} picture
 * @param {Series[]} series
 */
function pointerMarks({ position, dragFrom }, { x, y }, series) {
  if (position === null) return [];
  const edges = { y1: EDGE.top, y2: HEIGHT - EDGE.bottom };
  const line = svg("line", { x1: x(position), x2: x(position), ...edges, class: "cursor" });
  const points = series
    .filter(({ values }) => Number.isFinite(values[position]))
    .map(({ values, kind }) => {
      return svg("circle", { cx: x(position), cy: y(values[position]), r: 4, class: `point ${kind}` });
    });
  if (dragFrom === null || dragFrom === position) return [line, ...points];
  const [left, right] = [x(Math.min(dragFrom, position)), x(Math.max(dragFrom, position))];
  const box = { x: left, width: right - left, y: EDGE.top, height: HEIGHT - EDGE.top - EDGE.bottom };
  return [svg("rect", { ...box, class: "dragged" }), line, ...points];
}

/**
 * @param {number} position
 * @param {Series[]} series
 * @param {Formats} formats
 */
function epochText(position, series, formats) {
  const figures = series
    .filter((line) => Number.isFinite(line.values[position]))
    .map((line) => `${line.name} ${formats.value(line.values[position])}`);
  return figures.length ? `Epoch ${position + 1}: ${figures.join(", ")}` : "";
}

/**
 * @param {string} title
 * @param {Series[]} series
 * @param {Formats} formats
 * @param {number} epoch The epoch, from 1, whose values are shown.
 */
function caption(title, series, formats, epoch) {
  const keys = series.map((line) => {
    const value = line.values[epoch - 1] ?? line.values.at(-1);
    return h(
      "span",
      { class: "row" },
      h("span", { class: `key ${line.kind}` }),
      `${line.name} `,
      h("b", {}, value === undefined ? "–" : formats.value(value)),
    );
  });
  return h("figcaption", { class: "row between" }, h("b", {}, title), h("span", { class: "row small" }, keys));
}

/**
 * The content of a chart as text, for users who cannot see it.
 * @param {string} title
 * @param {Series[]} series
 * @param {Formats} formats
 */
export function summary(title, series, formats) {
  const lines = series
    .filter((line) => line.values.length)
    .map((line) => {
      const [first, last] = [line.values[0], line.values[line.values.length - 1]];
      return `${line.name} from ${formats.value(first)} to ${formats.value(last)} by epoch ${line.values.length}`;
    });
  return `${title}: ${lines.join("; ") || "nothing yet"}`;
}
