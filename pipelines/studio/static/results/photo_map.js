// The map of a run's photos: photos that the network sees as similar are close together.

import { get } from "../client/api.js";
import { card, field, h, photo, select, svg } from "../elements/dom.js";
import { pluralize } from "../elements/format.js";

/** @import { MapPhoto } from "./types.js" */

/** @typedef {{ label: string, show: string }} MapFilter `label` is the number of a class, or empty for all classes. */

/** @typedef {"all" | "wrong" | "label error" | "outlier"} Shown */

const WIDTH = 1000;
const HEIGHT = 560;
const EDGE = 16;
const RADIUS = 6;
const NUM_COLORS = 8;
/** A map of more classes has no color key; users can select a class to see where its photos are. */
const MAX_KEYS = 16;
/** The pointer selects the nearest photo within this distance, in units of the map's viewBox. */
const REACH = 30;
const HELP = "The arrow keys move through the photos; Home and End select the first and the last photo.";

/** @type {[key: Shown, text: string][]} */
const CHOICES = [
  ["all", "All photos"],
  ["wrong", "Misclassified photos"],
  ["label error", "Probable label errors"],
  ["outlier", "Outliers"],
];

/** @param {MapPhoto} photo */
const isWrong = ({ label, predicted }) => label !== predicted;

/**
 * Whether a photo passes a filter.
 * @param {MapPhoto} photo
 * @param {MapFilter} filter
 */
export function passes(photo, { label, show }) {
  if (label !== "" && photo.label !== Number(label)) return false;
  if (show === "wrong") return isWrong(photo);
  return show === "all" || photo.findings.includes(show);
}

/**
 * The index of the shown photo that is nearest to a place in the picture; -1 if all are too far away.
 * @param {MapPhoto[]} photos
 * @param {{ x: number, y: number }} place
 * @param {(photo: MapPhoto) => boolean} isShown
 */
export function findNearest(photos, place, isShown) {
  let [nearest, distance] = [-1, REACH];
  photos.forEach((photo, index) => {
    const { x, y } = placeOf(photo);
    const away = Math.hypot(x - place.x, y - place.y);
    if (away < distance && isShown(photo)) [nearest, distance] = [index, away];
  });
  return nearest;
}

/**
 * The index of the next shown photo in the direction of a step; the current index if there is none.
 * @param {MapPhoto[]} photos
 * @param {number} index The index of the current photo; -1 to start before the first.
 * @param {1 | -1} step
 * @param {(photo: MapPhoto) => boolean} isShown
 */
export function findNext(photos, index, step, isShown) {
  for (let next = index + step; next >= 0 && next < photos.length; next += step) {
    if (isShown(photos[next])) return next;
  }
  return index;
}

/** @param {MapPhoto} photo */
function placeOf({ x, y }) {
  return { x: EDGE + x * (WIDTH - 2 * EDGE), y: EDGE + (1 - y) * (HEIGHT - 2 * EDGE) };
}

/**
 * A card with the map of a run, or nothing if the run has none.
 * @param {string} id
 * @param {string[]} names The names of the classes.
 */
export async function mapCard(id, names) {
  /** @type {{ photos: MapPhoto[] }} */
  const { photos } = await get(`api/runs/${encodeURIComponent(id)}/map`);
  if (!photos.length) return null;
  photos.sort((one, other) => one.label - other.label || one.x - other.x);
  const filter = { label: "", show: "all" };
  /** @param {MapPhoto} each */
  const isShown = (each) => passes(each, filter);
  const details = h("div", { class: "map-photo", role: "status" });
  const { picture, dim } = drawMap(photos, isShown, (each) =>
    details.replaceChildren(...describePhoto(id, each, names)),
  );
  picture.setAttribute("aria-label", `Map of ${pluralize(photos.length, "photo")} of ${names.length} classes`);
  const count = h("p", { class: "soft small", role: "status" });
  /** @param {Partial<MapFilter>} change */
  const setFilter = (change) => {
    Object.assign(filter, change);
    dim();
    count.textContent = `${pluralize(photos.filter(isShown).length, "photo")} shown`;
  };
  setFilter({});
  /** @type {[key: string, text: string][]} */
  const classes = names.map((name, label) => [String(label), name]);
  const text = "Photos that the network sees as similar are close together. Colors mark classes, and rings mark";
  return card(
    "Map of the photos",
    h("p", { class: "soft" }, `${text} misclassified photos. The map covers all splits; large data sets are sampled.`),
    h(
      "div",
      { class: "row filters" },
      field(
        "Class",
        select([["", "All classes"], ...classes], "", (label) => setFilter({ label })),
      ),
      field(
        "Show",
        select(CHOICES, "all", (show) => setFilter({ show })),
      ),
    ),
    h("div", { class: "map-frame" }, picture, details),
    count,
    names.length <= MAX_KEYS ? h("ul", { class: "row small keys" }, names.map(colorKey)) : null,
  );
}

/**
 * The map; the pointer and the arrow keys choose a photo.
 * @param {MapPhoto[]} photos
 * @param {(photo: MapPhoto) => boolean} isShown
 * @param {(photo: MapPhoto) => unknown} show Called with each photo that is chosen.
 * @returns {{ picture: SVGSVGElement, dim: () => void }} `dim` dims the photos that are not shown.
 */
function drawMap(photos, isShown, show) {
  const dots = photos.map(dotOf);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "map", role: "img", tabindex: 0 }, ...dots);
  picture.setAttribute("aria-description", HELP);
  let current = -1;
  /** @param {number} index */
  const choose = (index) => {
    if (index === current || index < 0) return;
    dots[current]?.classList.remove("chosen");
    current = index;
    dots[index].classList.add("chosen");
    picture.append(dots[index]);
    show(photos[index]);
  };
  picture.addEventListener("pointermove", (event) => {
    choose(findNearest(photos, pointerPlace(picture, event), isShown));
  });
  picture.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight" || event.key === "ArrowDown") choose(findNext(photos, current, 1, isShown));
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") choose(findNext(photos, current, -1, isShown));
    else if (event.key === "Home") choose(findNext(photos, -1, 1, isShown));
    else if (event.key === "End") choose(findNext(photos, photos.length, -1, isShown));
    else return;
    event.preventDefault();
  });
  const dim = () => photos.forEach((each, index) => void dots[index].classList.toggle("dimmed", !isShown(each)));
  return { picture, dim };
}

/**
 * @param {string} name
 * @param {number} label
 */
const colorKey = (name, label) => h("li", {}, h("span", { class: `key group-${label % NUM_COLORS}` }), ` ${name}`);

/** @param {MapPhoto} photo */
function dotOf(photo) {
  const { x, y } = placeOf(photo);
  const style = `dot group-${photo.label % NUM_COLORS} ${isWrong(photo) ? "wrong" : ""}`;
  return svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: RADIUS, class: style });
}

/**
 * @param {SVGSVGElement} picture
 * @param {PointerEvent} event
 */
function pointerPlace(picture, event) {
  const box = picture.getBoundingClientRect();
  const scale = WIDTH / box.width;
  return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
}

/**
 * @param {string} id
 * @param {MapPhoto} shown
 * @param {string[]} names
 */
function describePhoto(id, shown, names) {
  const [label, predicted] = [names[shown.label], names[shown.predicted]];
  const notes = [isWrong(shown) ? `classified as ${predicted}` : "classified correctly", ...shown.findings];
  return [
    photo(`api/runs/${encodeURIComponent(id)}/photos/${shown.split}/${shown.image_id}`, `A photo of ${label}`),
    h("div", {}, h("b", {}, label), h("p", {}, notes.join(", ")), h("p", { class: "soft small path" }, shown.path)),
  ];
}
