// Several runs side by side: their metrics, their curves, and the params that differ.

import { get, query } from "../client/api.js";
import { lineChart } from "../elements/chart.js";
import { card, h, tableHead } from "../elements/dom.js";
import { formatCount, formatSeconds, formatShareWithRange } from "../elements/format.js";
import { confusions } from "./confusion.js";
import { haveSameData, keyParts, plainValue, runTitle, verdictText } from "./runs.js";

/** @import { Child } from "../elements/dom.js" */
/** @import { CurveName } from "../client/types.js" */
/** @import { RunComparison } from "./types.js" */

const COLUMN_REM = 6.6;

/**
 * Fills the page with a comparison.
 * @param {HTMLElement} page
 * @param {string[]} runIds
 */
export async function showComparison(page, runIds) {
  /** @type {RunComparison} */
  const comparison = await get(`api/compare?${query({ runs: runIds.join(",") })}`);
  const { runs, histories } = comparison;
  const warning = "These runs were validated on different photos, so their results cannot be compared.";
  /** @param {CurveName} name */
  const curvesOf = (name) =>
    runs.map((run, position) => ({
      name: runTitle(run),
      kind: `run-${position}`,
      values: histories[position]?.[name] ?? [],
    }));
  page.append(
    h("p", {}, h("a", { href: "#results" }, "← All results")),
    h("h1", {}, "Side by side"),
    haveSameData(runs) ? "" : h("p", { class: "notice" }, warning),
    card("Metrics", figuresTable(comparison)),
    h(
      "div",
      { class: "plots" },
      lineChart("Validation loss", curvesOf("val_loss")),
      lineChart("Validation accuracy", curvesOf("val_accuracy"), { isShare: true }),
    ),
    card("Params that differ", paramsTable(comparison)),
    matricesCard(comparison),
  );
}

/**
 * The confusion matrices of the runs, side by side.
 * @param {RunComparison} comparison
 */
function matricesCard({ runs, matrices }) {
  const parts = runs.map((run, position) => {
    const openRun = () => {
      location.hash = `#results/${run.run_id}`;
    };
    const { class_names, confusions: cells } = matrices[position];
    return h("div", {}, h("h3", {}, runTitle(run)), confusions({ class_names, test: { confusions: cells } }, openRun));
  });
  return card("Confusion matrix", h("div", { class: "plots" }, parts));
}

/** @param {RunComparison} comparison */
const columns = ({ runs }) => ["", ...runs.map((run) => `${runTitle(run)} · ${run.run_id.slice(0, 15)}`)];

/**
 * @param {Child} name
 * @param {string[]} values
 * @param {boolean} [isFirst]
 */
function row(name, values, isFirst = false) {
  const cells = values.map((value) => h("td", {}, value));
  return h("tr", { class: isFirst ? "first" : "" }, h("th", { scope: "row" }, name), cells);
}

/** @param {RunComparison} comparison */
function figuresTable(comparison) {
  const { runs } = comparison;
  const validation = runs.map((run) => formatShareWithRange(run.validation.accuracy));
  const test = runs.map((run) => formatShareWithRange(run.test.accuracy));
  const body = h(
    "tbody",
    {},
    row("Validation", validation, true),
    row("Test", test),
    row(
      "Verdict",
      runs.map((run) => verdictText(run)),
    ),
    row(
      "Weights",
      runs.map((run) => formatCount(run.num_parameters)),
    ),
    row(
      "Duration",
      runs.map((run) => formatSeconds(run.seconds)),
    ),
  );
  return h("div", { class: "scroll" }, h("table", {}, tableHead(columns(comparison)), body));
}

/** @param {RunComparison} comparison */
function paramsTable(comparison) {
  if (!comparison.params.length) return h("p", {}, "All params are the same.");
  const names = columns(comparison);
  const rows = comparison.params.map(({ key, values }) => row(breakable(key), values.map(plainValue)));
  const attributes = { class: "small settings", style: { minWidth: `${COLUMN_REM * names.length}rem` } };
  return h("div", { class: "scroll" }, h("table", attributes, tableHead(names), h("tbody", {}, rows)));
}

/** @param {string} key */
const breakable = (key) => keyParts(key).map((part) => [part, h("wbr", {})]);
