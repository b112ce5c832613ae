// The list of jobs, which a button in the header opens.

import { post } from "../client/api.js";
import { isUnfinished, state } from "../client/state.js";
import { actionButton, byId, child, h } from "../elements/dom.js";
import { formatDateTime, formatSeconds } from "../elements/format.js";

/** @import { Job, JobState } from "../client/types.js" */

/** @type {Record<JobState, string>} */
const STATE_NAMES = {
  waiting: "waiting",
  running: "running",
  done: "done",
  failed: "failed",
  stopped: "stopped",
  lost: "interrupted",
};
const NUM_SHOWN = 30;

/**
 * Whether a job runs until it is stopped.
 * @param {Job} job
 */
const isService = (job) => job.kind === "serve" || job.kind === "ui";

/**
 * The text of the button that opens the list.
 * @param {Job[]} jobs
 * @param {boolean} online
 */
export function queueText(jobs, online) {
  const runningJob = jobs.find((job) => job.state === "running" && !isService(job));
  const numWaiting = jobs.filter((job) => job.state === "waiting").length;
  const waitingText = `${numWaiting} waiting`;
  if (!online) return runningJob && numWaiting ? `Not connected · ${waitingText}` : "Not connected";
  if (!runningJob) return numWaiting ? waitingText : "Idle";
  return numWaiting ? `${runningJob.title} · ${waitingText}` : runningJob.title;
}

/** Shows the current jobs. */
export function showJobs() {
  const isRunning = state.jobs.some((job) => job.state === "running" && !isService(job));
  byId("queue-text").textContent = queueText(state.jobs, state.online);
  byId("queue-dot").className = `dot ${!state.online ? "off" : isRunning ? "on" : ""}`;
  const close = h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: toggleJobs }, "×");
  byId("queue").replaceChildren(
    h("div", { class: "row between" }, h("h2", {}, "Jobs"), close),
    h(
      "p",
      { class: "soft small" },
      "Jobs run one at a time. The others wait here, and keep waiting if the studio is restarted.",
    ),
    state.jobs.length
      ? h("ol", { class: "jobs" }, state.jobs.slice(0, NUM_SHOWN).map(jobItem))
      : h("p", { class: "soft" }, "No jobs yet."),
  );
}

/** @param {Job} job */
function jobItem(job) {
  const duration = job.started && job.ended ? ` · ${formatSeconds(job.ended - job.started)}` : "";
  return h(
    "li",
    { class: `job ${job.state}` },
    h(
      "div",
      { class: "row between" },
      h("a", { href: `#live/${job.id}`, onclick: toggleJobs }, job.title),
      h("span", { class: `tag ${job.state}` }, STATE_NAMES[job.state]),
    ),
    h("p", { class: "soft small" }, formatDateTime(job.created) + duration),
    job.error ? h("p", { class: "small fault" }, job.error.split("\n")[0]) : null,
    h("div", { class: "row" }, jobAction(job)),
  );
}

/** @param {Job} job */
function jobAction(job) {
  /** @param {string} name */
  const act = (name) => () => post(`api/jobs/${job.id}`, { action: name });
  if (isUnfinished(job)) {
    return actionButton(job.state === "waiting" ? "Remove" : "Stop", act("stop"), { class: "link" });
  }
  if (job.state === "done" || isService(job)) return null;
  return actionButton("Run again", act("again"), { class: "link" });
}

/** Opens or closes the list. */
export function toggleJobs() {
  const queue = byId("queue");
  queue.hidden = !queue.hidden;
  byId("queue-button").setAttribute("aria-expanded", String(!queue.hidden));
  if (!queue.hidden) child(queue, "button").focus();
}
