// The state of a job in a sentence, with the elapsed and the remaining time.

import { isUnfinished } from "../client/state.js";
import { h } from "../elements/dom.js";
import { formatClock, formatDateTime, formatSeconds } from "../elements/format.js";
import { remainingSeconds, totalShare } from "./progress.js";
import { leftText } from "./steps.js";

/** @import { JobState, LiveView } from "../client/types.js" */

/** @type {Record<JobState, string>} */
export const STATE_SENTENCES = {
  waiting: "Waiting for the previous jobs.",
  running: "Running.",
  done: "Done.",
  failed: "Failed.",
  stopped: "Stopped.",
  lost: "Interrupted.",
};

/**
 * @param {LiveView} live
 * @param {number} now In seconds since 1970.
 */
export function liveClock(live, now) {
  const sentence = h("b", { class: `state ${live.state}` }, STATE_SENTENCES[live.state]);
  const bar = isUnfinished(live) ? overallBar(live, now) : null;
  return h("div", { class: "clock" }, h("p", { class: "lead" }, sentence, " ", timeText(live, now)), bar);
}

/**
 * @param {LiveView} live
 * @param {number} now
 */
function timeText(live, now) {
  if (!live.started) return "";
  if (live.ended) return `Started ${formatDateTime(live.started)}, took ${formatSeconds(live.ended - live.started)}.`;
  if (!isUnfinished(live)) return `Started ${formatDateTime(live.started)}.`;
  return `${formatClock(now - live.started)} so far${leftText(remainingSeconds(live, now))}`;
}

/**
 * @param {LiveView} live
 * @param {number} now
 */
function overallBar(live, now) {
  return h("progress", { max: 1, "aria-label": live.title, value: totalShare(live, now) });
}
