// Lines over epochs, as SVG: two colours and two dash patterns, so that neither eyes nor paper need the colours.

import { h, percent, svg } from "./dom.js";

const WIDTH = 560;
const HEIGHT = 240;
const EDGE = { left: 62, right: 12, top: 12, bottom: 30 };

// series: [{name, values, kind: "train" | "validation"}]; share: values are shares, drawn up to 100 %; others from 0.
export function lines(title, series, { share = false, planned = 0, best = null } = {}) {
  const all = series.flatMap((one) => one.values).filter((value) => Number.isFinite(value));
  const longest = Math.max(planned, 2, ...series.map((one) => one.values.length));
  const [low, high] = share ? [Math.min(...all, 1), 1] : [0, Math.max(...all, 0)];
  const { ticks, step } = round(...(low < high ? [low, high] : [0, 1]));
  const digits = (size) => Math.max(0, -Math.floor(Math.log10(size) + 1e-9));
  return drawn(title, series, { longest, best, ticks,
    format: share ? (value) => percent(value) : (value) => value.toFixed(Math.min(6, Math.max(2, digits(step) + 1))),
    mark: share ? (value) => percent(value, digits(100 * step)) : (value) => value.toFixed(digits(step)) });
}

// Ticks at round values around all from low to high.
function round(low, high) {
  const rough = (high - low) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((times) => times * unit > rough * 0.999) * unit;
  const [first, last] = [Math.floor(low / step + 1e-6), Math.ceil(high / step - 1e-6)];
  return { step, ticks: Array.from({ length: last - first + 1 }, (_, place) => (first + place) * step) };
}

function drawn(title, series, { longest, best, ticks, format, mark }) {
  const [from, to] = [ticks[0], ticks.at(-1)];
  const x = (place) => EDGE.left + (WIDTH - EDGE.left - EDGE.right) * (longest > 1 ? place / (longest - 1) : 0);
  const y = (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - (value - from) / (to - from));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words(title, series, format), class: "chart" });
  for (const value of ticks) {
    picture.append(svg("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value), class: "grid" }),
      svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, mark(value)));
  }
  const step = Math.max(1, Math.ceil(longest / 8));
  for (let place = 0; place < longest; place += step) picture.append(svg("text", { x: x(place), y: HEIGHT - 8, "text-anchor": "middle" }, String(place + 1)));
  if (best) picture.append(svg("line", { x1: x(best - 1), x2: x(best - 1), y1: EDGE.top, y2: HEIGHT - EDGE.bottom, class: "best" }));
  for (const one of series) {
    const points = one.values.map((value, place) => Number.isFinite(value) ? `${x(place).toFixed(1)},${y(value).toFixed(1)}` : null).filter(Boolean);
    if (points.length > 1) picture.append(svg("polyline", { points: points.join(" "), class: `line ${one.kind}` }));
    const last = points.at(-1)?.split(",");
    if (last) picture.append(svg("circle", { cx: last[0], cy: last[1], r: 3.5, class: `point ${one.kind}` }));
  }
  const figure = h("figure", { class: "plot" }, h("figcaption", { class: "row between" }, h("b", {}, title), h("span", { class: "row small" }, series.map((one) => h("span", { class: "row" }, h("span", { class: `key ${one.kind}` }), `${one.name} `, h("b", {}, one.values.length ? format(one.values.at(-1)) : "–"))))));
  const told = h("p", { class: "hover small", "aria-hidden": "true" });
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const place = Math.round((((event.clientX - box.left) / box.width) * WIDTH - EDGE.left) / (x(1) - x(0)));
    const shown = series.filter((one) => Number.isFinite(one.values[place])).map((one) => `${one.name} ${format(one.values[place])}`);
    told.textContent = shown.length ? `Epoch ${place + 1}: ${shown.join(", ")}` : "";
  });
  picture.addEventListener("pointerleave", () => { told.textContent = ""; });
  figure.append(picture, told);
  return figure;
}

function words(title, series, format) {
  const said = series.filter((one) => one.values.length).map((one) => `${one.name} from ${format(one.values[0])} to ${format(one.values.at(-1))} in ${one.values.length} epochs`);
  return `${title}: ${said.join("; ") || "nothing yet"}`;
}
