// The head of the Live screen: the title of a job, and the possible actions.

import { get, post } from "../client/api.js";
import { findJob, isUnfinished } from "../client/state.js";
import { actionButton, h, showProblem } from "../elements/dom.js";
import { isLearning } from "./progress.js";

/** @import { JobWithOutput, LiveView } from "../client/types.js" */

/**
 * The title of a job, the possible actions, and links to its results.
 * @param {LiveView} live
 */
export function liveHead(live) {
  return h(
    "div",
    { class: "row between head" },
    h("h1", {}, live.title),
    h("div", { class: "row" }, finishButton(live), stopButton(live), againButton(live), nextLinks(live)),
  );
}

/**
 * @param {LiveView} live
 * @param {"stop" | "finish" | "again"} action
 * @returns {Promise<{ id: string }>}
 */
const act = (live, action) => post(`api/jobs/${live.id}`, { action });

/** @param {LiveView} live */
function finishButton(live) {
  if (!isLearning(live)) return null;
  if (live.finishing) return h("span", { class: "soft small" }, "Training ends after this epoch.");
  if (live.state !== "running" || !live.run_id) return null;
  return actionButton("Finish now with the best epoch", () => act(live, "finish"), { class: "button", id: "finish" });
}

/** @param {LiveView} live */
function stopButton(live) {
  if (!isUnfinished(live)) return null;
  const label = live.state === "waiting" ? "Remove" : "Stop";
  return actionButton(label, () => act(live, "stop"), { class: "button", id: "stop" });
}

/** @param {LiveView} live */
function againButton(live) {
  if (!["failed", "stopped", "lost"].includes(live.state)) return null;
  const again = async () => {
    const job = await act(live, "again");
    location.hash = `#live/${job.id}`;
  };
  return actionButton(live.kind === "run" ? "Resume" : "Run again", again, { class: "button main", id: "again" });
}

/** @param {LiveView} live */
function nextLinks(live) {
  const isDone = live.state === "done";
  const tryHref = `#try/${findJob(live.id)?.about.model}`;
  return [
    live.kind === "submit" ? clusterLink(live) : null,
    live.kind === "package" && isDone ? h("a", { class: "button main", href: tryHref, id: "to-try" }, "Try it") : null,
    isDone && live.run_id
      ? h("a", { class: "button main", href: `#results/${live.run_id}`, id: "to-results" }, "Show the results")
      : null,
  ];
}

/**
 * The link to a run on a cluster; it appears when the cluster has accepted the run.
 * @param {LiveView} live
 */
function clusterLink(live) {
  const slot = h("span", {});
  /** @param {JobWithOutput<{ url: string }>} job */
  const showLink = ({ output }) => {
    if (!output) return;
    const attributes = { class: "button", id: "elsewhere", href: output.url, target: "_blank", rel: "noopener" };
    slot.replaceChildren(h("a", attributes, "Show in Kubeflow"));
  };
  /** @type {Promise<JobWithOutput<{ url: string }>>} */
  const answer = get(`api/jobs/${live.id}`);
  answer.then(showLink).catch(showProblem);
  return slot;
}
