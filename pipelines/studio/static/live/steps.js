// The steps of a run: each with a bar, its time, and the latest line of its log.

import { isUnfinished } from "../client/state.js";
import { h } from "../elements/dom.js";
import { formatClock, formatSeconds } from "../elements/format.js";
import { elapsedSeconds, newestMessage, partsText, secondsLeft, shareDone } from "./progress.js";
import { STEP_NAMES } from "./step_names.js";

/** @import { LiveView, StepView } from "../client/types.js" */

/**
 * @param {LiveView} live
 * @param {string} log The end of the log.
 * @param {number} now In seconds since 1970.
 */
export function stepList({ steps, state }, log, now) {
  const message = isUnfinished({ state }) ? newestMessage(log) : "";
  if (!steps?.length) return message ? h("p", { class: "now soft" }, message) : "";
  return h(
    "ol",
    { class: "stepper card" },
    steps.map((step) => stepItem(step, newestMessage(log, [step.name, ...step.parts.map(({ name }) => name)]), now)),
  );
}

/**
 * @param {StepView} step
 * @param {string} message
 * @param {number} now
 */
function stepItem(step, message, now) {
  const isRunning = step.state === "running";
  const name = STEP_NAMES[step.name] ?? step.name;
  const parts = isRunning || step.state === "failed" ? partsText(step) : "";
  return h(
    "li",
    { class: step.state, "aria-current": isRunning ? "step" : null },
    h("span", { class: "mark", "aria-hidden": "true" }),
    h("b", {}, name),
    h("span", { class: "soft small time" }, timeText(step, now)),
    isRunning ? stepBar(step, name, now) : null,
    parts ? h("p", { class: "now soft small" }, parts) : null,
    isRunning ? h("p", { class: "now soft small" }, message || "Loading the libraries …") : null,
  );
}

/**
 * @param {StepView} step
 * @param {string} name
 * @param {number} now
 */
function stepBar(step, name, now) {
  return h("progress", { max: 1, "aria-label": name, value: shareDone(step, now) });
}

/** @param {number | null} seconds The remaining time, if known. */
export const leftText = (seconds) => (seconds === null ? "" : ` · about ${formatSeconds(Math.max(1, seconds))} left`);

/**
 * @param {StepView} step
 * @param {number} now
 */
function timeText(step, now) {
  if (step.state === "running") {
    return formatClock(elapsedSeconds(step, now)) + leftText(secondsLeft(step, now));
  }
  if (step.state === "waiting") {
    return step.expected_seconds ? `about ${formatSeconds(Math.max(1, step.expected_seconds))}` : "";
  }
  const duration = step.seconds ? formatSeconds(step.seconds) : "";
  if (step.state === "done") return duration;
  return duration ? `${step.state} after ${duration}` : step.state;
}
