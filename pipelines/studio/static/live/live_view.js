// The parts of the screen Live: the steps of a run, its figures, its curves and its trials.

import { get, post } from "../client/api.js";
import { findJob, isUnfinished } from "../client/state.js";
import { lineChart } from "../elements/chart.js";
import { actionButton, figure, h, showProblem, tableHead } from "../elements/dom.js";
import { formatCount, formatDateTime, formatPercent, formatSeconds, pluralize, roundTo } from "../elements/format.js";
import { bestEpoch, curve, plannedEpochs } from "./progress.js";

/** @import { JobState, JobWithOutput, Json, LiveView, Trial } from "../client/types.js" */

/** @type {{ [step: string]: string }} */
const STEP_NAMES = {
  preprocess: "Prepare photos",
  tune: "Search",
  train: "Train",
  evaluate: "Evaluate",
  deploy: "Build the service",
};

/** @type {Record<JobState, string>} */
export const STATE_SENTENCES = {
  waiting: "It waits for the jobs before it.",
  running: "It runs.",
  done: "Done.",
  failed: "It failed.",
  stopped: "It was stopped.",
  lost: "It was cut off.",
};

/**
 * Whether a model learns at the moment.
 * @param {LiveView} live
 */
const isLearning = (live) =>
  (live.steps ?? []).some((step) => ["train", "tune"].includes(step.name) && step.state === "running");

/**
 * The title of a job, its state, and what can be done with it.
 * @param {LiveView} live
 */
export function liveHead(live) {
  const lead = h("p", { class: "lead" }, STATE_SENTENCES[live.state] ?? "", times(live));
  return h(
    "div",
    { class: "row between head" },
    h("div", {}, h("h1", {}, live.title), lead),
    h("div", { class: "row" }, finishButton(live), stopButton(live), againButton(live), nextLinks(live)),
  );
}

/**
 * @param {LiveView} live
 * @param {"stop" | "finish" | "again"} action
 * @returns {Promise<{ id: string }>}
 */
const act = (live, action) => post(`/api/jobs/${live.id}`, { action });

/** @param {LiveView} live */
function finishButton(live) {
  if (!isLearning(live)) return null;
  if (live.finishing) return h("span", { class: "soft small" }, "It ends after this epoch.");
  if (live.state !== "running" || !live.run_id) return null;
  return actionButton("Finish now, keep the best", () => act(live, "finish"), { class: "button", id: "finish" });
}

/** @param {LiveView} live */
function stopButton(live) {
  if (!isUnfinished(live)) return null;
  const label = live.state === "waiting" ? "Take out" : "Stop";
  return actionButton(label, () => act(live, "stop"), { class: "button", id: "stop" });
}

/** @param {LiveView} live */
function againButton(live) {
  if (!["failed", "stopped", "lost"].includes(live.state)) return null;
  const again = async () => {
    const job = await act(live, "again");
    location.hash = `#live/${job.id}`;
  };
  return actionButton(live.kind === "run" ? "Resume" : "Again", again, { class: "button main", id: "again" });
}

/** @param {LiveView} live */
function nextLinks(live) {
  const isDone = live.state === "done";
  const tryHref = `#try/${findJob(live.id)?.about.model}`;
  return [
    live.kind === "submit" ? clusterLink(live) : null,
    live.kind === "package" && isDone ? h("a", { class: "button main", href: tryHref, id: "to-try" }, "Try it") : null,
    isDone && live.run_id
      ? h("a", { class: "button main", href: `#results/${live.run_id}`, id: "to-results" }, "See the results")
      : null,
  ];
}

/**
 * The link to a run on a cluster, as soon as the cluster has accepted it.
 * @param {LiveView} live
 */
function clusterLink(live) {
  const slot = h("span", {});
  /** @param {JobWithOutput<{ url: string }>} job */
  const showLink = ({ output }) => {
    if (!output) return;
    const attributes = { class: "button", id: "elsewhere", href: output.url, target: "_blank", rel: "noopener" };
    slot.replaceChildren(h("a", attributes, "See it on Kubeflow"));
  };
  /** @type {Promise<JobWithOutput<{ url: string }>>} */
  const answer = get(`/api/jobs/${live.id}`);
  answer.then(showLink).catch(showProblem);
  return slot;
}

/** @param {LiveView} live */
function times(live) {
  if (!live.started) return "";
  const start = ` It began ${formatDateTime(live.started)}`;
  return live.ended ? `${start}, and took ${formatSeconds(live.ended - live.started)}.` : `${start}.`;
}

/**
 * The steps of a run; a bar for other jobs while they run.
 * @param {LiveView} live
 */
export function stepper(live) {
  if (!live.steps?.length) return isUnfinished(live) ? h("progress", { "aria-label": live.title }) : "";
  const items = live.steps.map((step) => {
    const isRunning = step.state === "running";
    const duration = isRunning ? "now" : step.seconds ? formatSeconds(step.seconds) : step.state;
    return h(
      "li",
      { class: step.state, "aria-current": isRunning ? "step" : null },
      h("span", { class: "mark", "aria-hidden": "true" }),
      h("b", {}, STEP_NAMES[step.name]),
      h("span", { class: "soft small" }, duration),
    );
  });
  return h("ol", { class: "stepper" }, items);
}

/**
 * The figures of the newest epoch.
 * @param {LiveView} live
 */
export function epochFigures(live) {
  const { epochs, part } = live;
  if (!epochs.length && !part) return "";
  const lastEpoch = epochs.at(-1);
  const progress = part ?? (lastEpoch?.epoch ? lastEpoch : null);
  const epoch = progress ? `${progress.epoch} of ${progress.planned}` : "–";
  const speed = lastEpoch?.images_per_second ? formatCount(Math.round(lastEpoch.images_per_second)) : "–";
  const accuracy = epochs.length ? formatPercent(epochs[bestEpoch(epochs) - 1].val_accuracy) : "–";
  const rate = lastEpoch?.learning_rate === undefined ? "–" : String(roundTo(lastEpoch.learning_rate, 2));
  const isGoing = live.state === "running" && isLearning(live);
  const figures = h(
    "dl",
    { class: "figures" },
    figure("Epoch", epoch),
    figure("Phase", String(lastEpoch?.phase ?? 1)),
    figure("Photos a second", speed),
    figure("Best validation", accuracy),
    isGoing ? figure("At most left", formatSeconds(lastEpoch?.seconds_left ?? part?.seconds_left)) : null,
    figure("Learning rate", rate),
  );
  const bar = part ? h("progress", { value: part.done, max: 1, "aria-label": `Epoch ${part.epoch}` }) : null;
  return h("div", { class: "card" }, figures, bar);
}

/**
 * Loss and accuracy over the epochs.
 * @param {LiveView} live
 */
export function learningCharts({ epochs }) {
  if (!epochs.length) return "";
  const options = { numPlanned: plannedEpochs(epochs), bestEpoch: bestEpoch(epochs) };
  const loss = [
    { name: "training", kind: "train", values: curve(epochs, "loss") },
    { name: "validation", kind: "validation", values: curve(epochs, "val_loss") },
  ];
  const accuracy = [
    { name: "training", kind: "train", values: curve(epochs, "accuracy") },
    { name: "validation", kind: "validation", values: curve(epochs, "val_accuracy") },
  ];
  return h(
    "div",
    { class: "plots" },
    lineChart("Loss", loss, options),
    lineChart("Accuracy", accuracy, { ...options, isShare: true }),
  );
}

/**
 * The trials of a search.
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
    h("div", { class: "scroll" }, h("table", { class: "small" }, head, h("tbody", {}, rows))),
  );
}

/**
 * @param {Trial} trial
 * @param {string[]} keys
 * @param {boolean} isBest
 */
function trialRow(trial, keys, isBest) {
  return h(
    "tr",
    { class: isBest ? "first" : "" },
    h("th", { scope: "row" }, trial.number + 1),
    h("td", {}, trial.state),
    h("td", {}, trial.accuracy ? formatPercent(trial.accuracy) : "–"),
    keys.map((key) => h("td", {}, trialValue(trial.values[key]))),
  );
}

/** @param {Json | undefined} value */
const trialValue = (value) => (typeof value === "number" ? roundTo(value, 3) : String(value ?? ""));
