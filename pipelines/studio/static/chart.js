// Lines over epochs, as SVG: two colours and two dash patterns, so that neither eyes nor paper need the colours.

import { h, svg } from "./dom.js";

const WIDTH = 560;
const HEIGHT = 240;
const EDGE = { left: 62, right: 12, top: 12, bottom: 30 };

// series: [{name, values, kind: "train" | "validation"}]; low and high: fixed ends of the axis, or null.
export function lines(title, series, { low = null, high = null, planned = 0, format = null, best = null } = {}) {
  const all = series.flatMap((one) => one.values).filter((value) => Number.isFinite(value));
  const longest = Math.max(planned, 2, ...series.map((one) => one.values.length));
  const bottom = low ?? Math.min(...all, Infinity);
  const top = high ?? Math.max(...all, -Infinity);
  const flat = high === null ? [bottom, bottom + 1] : [top - 1, top];
  const [from, to] = !all.length ? [0, 1] : top > bottom ? [bottom, top] : flat;
  const told = format ?? ((value) => value.toFixed(Math.min(6, Math.max(2, 1 - Math.floor(Math.log10(to - from))))));
  return drawn(title, series, { from, to, longest, best, format: told });
}

function drawn(title, series, { from, to, longest, best, format }) {
  const x = (place) => EDGE.left + (WIDTH - EDGE.left - EDGE.right) * (longest > 1 ? place / (longest - 1) : 0);
  const y = (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - (value - from) / (to - from));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words(title, series, format), class: "chart" });
  for (let tick = 0; tick <= 4; tick += 1) {
    const value = from + ((to - from) * tick) / 4;
    picture.append(svg("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value), class: "grid" }),
      svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)));
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
