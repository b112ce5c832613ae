// The confusion matrix of a run or, if the run has many classes, a list of the confused pairs of classes.

import { h, tableHead } from "../elements/dom.js";
import { formatCount, formatPercent, pluralize } from "../elements/format.js";
import { pages } from "../elements/pages.js";
import { colorLevels } from "./runs.js";

/** @import { Matrix } from "./types.js" */

/** @typedef {{ class_names: string[], test: Pick<Matrix, "confusions"> }} Confusions The part of a run to show. */

/** @typedef {{ label: number, predicted: number, number: number, share: number }} Pair */
/** @typedef {(label: number, predicted: number) => unknown} ShowCell */

const MAX_MATRIX = 30;

/**
 * The confusion matrix or the list of confused pairs, with a button for each number of photos.
 * @param {Confusions} run
 * @param {ShowCell} showCell
 */
export function confusions(run, showCell) {
  return run.class_names.length > MAX_MATRIX ? pairTable(run, showCell) : matrix(run, showCell);
}

/**
 * The full matrix, including the cells without photos.
 * @param {[label: number, predicted: number, number: number][]} cells The cells with photos.
 * @param {number} numClasses
 */
export function matrixOf(cells, numClasses) {
  const rows = Array.from({ length: numClasses }, () => new Array(numClasses).fill(0));
  for (const [label, predicted, number] of cells) rows[label][predicted] = number;
  return rows;
}

/**
 * The pairs of a true class and a different predicted class, most common first.
 * @param {[label: number, predicted: number, number: number][]} cells
 * @returns {Pair[]}
 */
export function confusedPairs(cells) {
  /** @type {Map<number, number>} */
  const totals = new Map();
  for (const [label, , number] of cells) totals.set(label, (totals.get(label) ?? 0) + number);
  return cells
    .filter(([label, predicted]) => label !== predicted)
    .map(([label, predicted, number]) => ({ label, predicted, number, share: number / (totals.get(label) ?? 1) }))
    .sort((one, other) => other.number - one.number || other.share - one.share);
}

/**
 * @param {Confusions} run
 * @param {ShowCell} showCell
 */
function pairTable(run, showCell) {
  const names = run.class_names;
  const pairs = confusedPairs(run.test.confusions);
  if (!pairs.length) return h("p", {}, "All test photos were classified correctly.");
  const body = h("tbody", {});
  const bar = pages(
    pairs,
    "Search the confused classes",
    ({ label, predicted }) => `${names[label]} ${names[predicted]}`,
    (shown) => body.replaceChildren(...shown.map((pair) => pairRow(pair, names, showCell))),
  );
  const head = tableHead(["Photos of", "predicted as", "Photos", "Share of the class"]);
  return h("div", {}, bar, h("div", { class: "scroll" }, h("table", {}, head, body)));
}

/**
 * @param {Pair} pair
 * @param {string[]} names
 * @param {ShowCell} showCell
 */
function pairRow({ label, predicted, number, share }, names, showCell) {
  const name = `${pluralize(number, "photo")} of ${names[label]} classified as ${names[predicted]}`;
  const onclick = () => showCell(label, predicted);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, names[label]),
    h("td", {}, names[predicted]),
    h("td", {}, h("button", { type: "button", class: "link", "aria-label": name, onclick }, formatCount(number))),
    h("td", {}, formatPercent(share)),
  );
}

/**
 * @param {Confusions} run
 * @param {ShowCell} showCell
 */
function matrix(run, showCell) {
  const names = run.class_names;
  const numbersOf = matrixOf(run.test.confusions, names.length);
  const levels = colorLevels(numbersOf);
  const rows = numbersOf.map((numbers, label) => {
    const cells = numbers.map((number, predicted) => {
      if (!number) return h("td", {}, h("span", { class: "cell" }, ""));
      const onclick = () => showCell(label, predicted);
      const kind = label === predicted ? "right" : "wrong";
      const name = `${pluralize(number, "photo")} of ${names[label]} classified as ${names[predicted]}`;
      const style = `cell ${kind} level-${levels[label][predicted]}`;
      const attributes = { type: /** @type {const} */ ("button"), class: style, "aria-label": name, onclick };
      return h("td", {}, h("button", attributes, formatCount(number)));
    });
    return h("tr", {}, h("th", { scope: "row" }, names[label]), cells);
  });
  const columns = names.map((name) => h("th", { scope: "col" }, h("span", {}, name)));
  const table = h(
    "table",
    { class: "matrix" },
    h("caption", { class: "away" }, "Confusion matrix of the test photos"),
    h("thead", {}, h("tr", {}, h("td", {}), columns)),
    h("tbody", {}, rows),
  );
  return h("div", { class: "scroll" }, table);
}
