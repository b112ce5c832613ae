// The Results screen: the runs for each data set, best first, and a recommendation.

import { get, post } from "../client/api.js";
import { findJob, isReady, isUnfinished, on, state } from "../client/state.js";
import { actionButton, card, h, ignoreFailure, showProblem, tableHead } from "../elements/dom.js";
import {
  formatCount,
  formatDateTime,
  formatPercent,
  formatSeconds,
  formatShareWithRange,
  pluralize,
} from "../elements/format.js";
import { showComparison } from "./comparison.js";
import { showRun } from "./run.js";
import { canCompare, isFinished, isUnfinishedRun, runTitle, standingStyle, verdictText } from "./runs.js";

/** @import { Job, JobWithOutput } from "../client/types.js" */
/** @import { FinishedRun, OtherRun, PickOutput, RunsAnswer } from "./types.js" */

const FIGURES = ["Validation", "Test", "Verdict", "Weights", "Duration", "Started"];

/** @type {string | null} */
let shownRunId = null;

/** The command-line equivalents of this screen. */
export const commands = () => [
  shownRunId ? `darkroom trace ${shownRunId}` : "darkroom compare RUN RUN",
  "darkroom runs",
  "darkroom ui",
];

/**
 * Fills the page; the returned function cleans up when the user leaves the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts The parts of the address: the id of a run, or `compare` and the ids of several runs.
 * @returns {Promise<(() => void) | null>}
 */
export async function show(page, [part, ...runIds]) {
  /** @type {RunsAnswer} */
  const answer = await get("api/runs");
  shownRunId = part && part !== "compare" ? part : null;
  if (part === "compare") await showComparison(page, runIds);
  else if (shownRunId) await showRun(page, shownRunId);
  else return showAll(page, answer);
  return null;
}

/**
 * @param {HTMLElement} page
 * @param {RunsAnswer} answer
 */
function showAll(page, { runs, boards }) {
  page.append(h("h1", {}, "Results"));
  if (!runs.length) {
    page.append(
      h("p", { class: "lead" }, "The results of training runs appear here: metrics and misclassified photos."),
      h("a", { class: "button main", href: "#training" }, "Train a model"),
    );
    return null;
  }
  /** @type {Set<string>} */
  const chosenIds = new Set();
  const buttons = comparisonButtons(chosenIds);
  const pick = h("div", {});
  const lead = "Sorted by validation accuracy. Select two to six runs to compare them.";
  page.append(
    h(
      "div",
      { class: "row between" },
      h("p", { class: "lead" }, lead),
      h("div", { class: "row" }, buttons, mlflowButton()),
    ),
    pick,
  );
  const runsById = new Map(runs.filter(isFinished).map((run) => [run.run_id, run]));
  for (const board of boards) {
    const boardRuns = board.runs.map((id) => /** @type {FinishedRun} */ (runsById.get(id)));
    page.append(card(board.data, h("p", {}, board.sentence), runTable(boardRuns, chosenIds, buttons)));
  }
  const unfinishedRuns = runs.filter(isUnfinishedRun);
  if (unfinishedRuns.length) page.append(otherRuns(unfinishedRuns));
  showPick(pick).catch(showProblem);
  return on("jobs", () => showPick(pick).catch(ignoreFailure));
}

/** @param {Set<string>} chosenIds */
function comparisonButtons(chosenIds) {
  const compare = () => {
    location.hash = `#results/compare/${[...chosenIds].map(encodeURIComponent).join("/")}`;
  };
  const pick = () => post("api/compare", { runs: [...chosenIds] });
  return [
    actionButton("Side by side", compare, { class: "button", disabled: true, id: "compare" }),
    actionButton("Recommend one", pick, { class: "button", disabled: true, id: "take" }),
  ];
}

/**
 * @param {FinishedRun[]} runs
 * @param {Set<string>} chosenIds Modified in place.
 * @param {HTMLButtonElement[]} buttons The buttons for the chosen runs.
 */
function runTable(runs, chosenIds, buttons) {
  const rows = runs.map((run) => {
    /** @param {boolean} isChosen */
    const choose = (isChosen) => {
      if (isChosen) chosenIds.add(run.run_id);
      else chosenIds.delete(run.run_id);
      for (const button of buttons) button.disabled = !canCompare(chosenIds.size);
    };
    return runRow(run, choose);
  });
  const head = tableHead(["", "Run", ...FIGURES]);
  return h("div", { class: "scroll" }, h("table", { class: "stacked" }, head, h("tbody", {}, rows)));
}

/**
 * @param {FinishedRun} run
 * @param {(isChosen: boolean) => void} choose
 */
function runRow(run, choose) {
  const box = h("input", {
    type: "checkbox",
    "aria-label": `Compare ${runTitle(run)}, ${run.run_id}`,
    onchange: ({ currentTarget }) => choose(currentTarget.checked),
  });
  const link = h("a", { href: `#results/${run.run_id}` }, runTitle(run));
  const model = run.name ? h("span", { class: "soft small" }, ` ${run.model}`) : null;
  const figures = [
    formatShareWithRange(run.validation.accuracy),
    formatPercent(run.test.accuracy.value),
    verdictText(run),
    formatCount(run.num_parameters),
    formatSeconds(run.seconds),
    formatDateTime(run.started),
  ];
  const standing = h("span", { class: standingStyle(run) }, run.standing);
  return h(
    "tr",
    {},
    h("td", {}, box),
    h("th", { scope: "row" }, link, model, run.standing === "not promoted" ? null : standing),
    figures.map((text, position) => h("td", { dataset: { label: FIGURES[position] } }, text)),
  );
}

/** @param {OtherRun[]} runs */
function otherRuns(runs) {
  const items = runs.map((run) => {
    const error = run.error ? h("span", { class: "fault" }, ` ${run.error.split("\n")[0]}`) : "";
    return h("li", {}, h("b", {}, run.run_id), ` ${run.status}`, error);
  });
  const summary = h("summary", {}, `${pluralize(runs.length, "run")} without a result`);
  return h("details", { class: "card fold" }, summary, h("ul", { class: "plain small" }, items));
}

/**
 * Shows the recommendation from the newest comparison, which uses the same photos for all runs.
 * @param {HTMLElement} slot
 */
async function showPick(slot) {
  const job = state.jobs.find(({ kind }) => kind === "compare");
  if (!job) return;
  if (isUnfinished(job)) {
    slot.replaceChildren(card(job.title, h("progress", { "aria-label": job.title })));
    return;
  }
  /** @type {JobWithOutput<PickOutput>} */
  const { output, error } = await get(`api/jobs/${job.id}`);
  const failure = h("p", { class: "notice fault" }, error ?? "The runs could not be compared.");
  slot.replaceChildren(job.state === "done" && output ? pickCard(job, output) : failure);
}

/**
 * @param {Job} job
 * @param {PickOutput} output
 */
function pickCard(job, output) {
  const href = `comparisons/${job.about.page}`;
  return card(
    `Recommended: ${output.pick}`,
    h("p", {}, output.reason),
    output.left_out.map((reason) => h("p", { class: "soft small" }, reason)),
    h("a", { href, target: "_blank", rel: "noopener" }, "Full comparison"),
  );
}

/** Starts MLflow's UI, and shows a link to it as soon as it answers. */
function mlflowButton() {
  return actionButton("Open MLflow", async (button) => {
    /** @type {Job} */
    const { id, about } = await post("api/mlflow");
    button.textContent = "Starting MLflow …";
    while (!(await isReady(id))) {
      if (!button.isConnected) return;
      const job = findJob(id);
      if (job && !isUnfinished(job)) throw new Error(job.error ?? "MLflow did not start.");
    }
    const href = `${about.url}/#/experiments?workflowType=machine_learning`;
    const attributes = { class: "button", id: "to-mlflow", href, target: "_blank", rel: "noopener" };
    button.replaceWith(h("a", attributes, "MLflow is ready: open it"));
  });
}
