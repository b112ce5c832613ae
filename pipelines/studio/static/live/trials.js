// The trials of a search.

import { h, tableHead } from "../elements/dom.js";
import { formatPercent, pluralize, roundTo } from "../elements/format.js";

/** @import { Json, LiveView, Trial } from "../client/types.js" */

/**
 * A table of the trials in a search.
 * @param {LiveView} live
 */
export function trialsTable({ trials }) {
  if (!trials.length) return "";
  const maxAccuracy = Math.max(...trials.map((trial) => trial.accuracy ?? 0));
  const keys = [...new Set(trials.flatMap((trial) => Object.keys(trial.values)))];
  const rows = trials.map((trial) => trialRow(trial, keys, Boolean(maxAccuracy) && trial.accuracy === maxAccuracy));
  const head = tableHead(["Trial", "State", "Validation", ...keys]);
  return h(
    "section",
    { class: "card" },
    h("h2", {}, pluralize(trials.length, "trial")),
    h("div", { class: "scroll" }, h("table", { class: "small stacked" }, head, h("tbody", {}, rows))),
  );
}

/** @type {{ [state: string]: string }} */
const STATE_TEXTS = { pruned: "stopped early", interrupted: "interrupted; repeated when the search resumes" };

/**
 * @param {Trial} trial
 * @param {string[]} keys
 * @param {boolean} isBest
 */
function trialRow(trial, keys, isBest) {
  return h(
    "tr",
    { class: isBest ? "first" : "" },
    h("th", { scope: "row", dataset: { label: "Trial" } }, trial.number + 1),
    h("td", { dataset: { label: "State" } }, STATE_TEXTS[trial.state] ?? trial.state, trialReason(trial)),
    h(
      "td",
      { dataset: { label: "Validation" } },
      typeof trial.accuracy === "number" ? formatPercent(trial.accuracy) : "–",
    ),
    keys.map((key) => h("td", { dataset: { label: key } }, trialValue(trial.values[key]))),
  );
}

/** @param {Trial} trial */
const trialReason = ({ reason }) => (reason ? h("div", { class: "soft" }, reason) : null);

/** @param {Json | undefined} value */
const trialValue = (value) => (typeof value === "number" ? roundTo(value, 3) : String(value ?? ""));
