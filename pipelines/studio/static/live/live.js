// The Live screen: the progress of a job, in every tab, and even after a restart of the studio.

import { findJob, isUnfinished, on, state, watchJob } from "../client/state.js";
import { announce, h } from "../elements/dom.js";
import { liveClock, STATE_SENTENCES } from "./clock.js";
import { learningCharts } from "./curves.js";
import { faultCard } from "./fault.js";
import { epochFigures } from "./figures.js";
import { liveHead } from "./head.js";
import { appendLog, shellCommand } from "./progress.js";
import { stepList } from "./steps.js";
import { trialsTable } from "./trials.js";

/** @import { Commands, Job, LiveView } from "../client/types.js" */

/** @typedef {{ text: string, element: HTMLElement }} Log */
/** @typedef {{ elements: HTMLElement[], draw: (live: LiveView) => void }} JobView */

const TICK_MILLISECONDS = 1000;
const LENGTH_OF_LAST_LINES = 2000;
/** @type {string | undefined} */
let shownJobId;

/**
 * The command-line equivalents of this screen.
 * @param {Commands} all
 */
export const commands = ({ training }) => {
  const job = findJob(shownJobId);
  return [job ? shellCommand(job.command) : training];
};

/**
 * The job to show: a running training run; otherwise the newest training run or else the newest job.
 * @param {Job[]} jobs The newest first.
 * @returns {string | undefined} Its id.
 */
export function pickJob(jobs) {
  const trainings = jobs.filter((job) => ["run", "submit"].includes(job.kind));
  return (trainings.find((job) => job.state === "running") ?? trainings[0] ?? jobs[0])?.id;
}

/**
 * Fills the page; the returned function cleans up when the user leaves the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts The parts of the address: the id of a job.
 */
export async function show(page, [jobId]) {
  const body = h("div", {});
  page.append(body);
  /** @type {Log} */
  const log = { text: "", element: h("pre", { class: "log", tabIndex: 0, "aria-label": "Log" }) };
  /** @type {LiveView | null} */
  let previousLive = null;
  /** @type {JobView | null} */
  let view = null;
  const begin = () => {
    shownJobId = jobId ?? pickJob(state.jobs);
    if (shownJobId) watchJob(shownJobId);
    else body.replaceChildren(...emptyScreen());
  };
  /** @param {LiveView} live */
  const update = (live) => {
    if (live.log) showLog(log, live.log);
    const sentence = `${live.title}: ${STATE_SENTENCES[live.state] ?? live.state}`;
    if (previousLive && previousLive.state !== live.state) announce(sentence);
    previousLive = live;
    if (!live.steps) {
      body.replaceChildren(h("h1", {}, "Live"), h("p", { class: "notice fault" }, live.error));
      return;
    }
    if (!view) {
      view = jobView(log);
      body.replaceChildren(...view.elements);
    }
    view.draw(live);
  };
  begin();
  // The clock keeps running between messages from the server.
  const timer = setInterval(() => {
    if (view && previousLive && isUnfinished(previousLive)) view.draw(previousLive);
  }, TICK_MILLISECONDS);
  const stopListening = [
    on("live", update),
    on("jobs", () => {
      if (!shownJobId) begin();
    }),
  ];
  return () => {
    clearInterval(timer);
    for (const stop of stopListening) stop();
    watchJob(null);
    shownJobId = undefined;
  };
}

const emptyScreen = () => [
  h("h1", {}, "Live"),
  h("p", { class: "lead" }, "The progress of a training run appears here."),
  h("a", { class: "button main", href: "#training" }, "Start training"),
];

/**
 * Adds text to the log, which stays scrolled to its end unless the user has scrolled up.
 * @param {Log} log
 * @param {string} text
 */
function showLog(log, text) {
  const { element } = log;
  const isAtEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 30;
  log.text = appendLog(log.text, text);
  element.textContent = log.text;
  if (isAtEnd) element.scrollTop = element.scrollHeight;
}

/**
 * The parts of the page. Each is redrawn only if its facts change, so that buttons are not replaced while in use.
 * @param {Log} log
 * @returns {JobView}
 */
function jobView(log) {
  const names = ["head", "clock", "fault", "steps", "figures", "plots", "trials"];
  const slots = names.map((name) => h("div", { class: `part ${name}-part` }));
  const fold = h("details", { class: "card fold log-fold" }, h("summary", {}, "Log"), log.element);
  /** @type {string[]} */
  const lastFacts = [];
  /** @param {LiveView} live */
  const draw = (live) => {
    if (!lastFacts.length) fold.open = !live.steps?.length;
    partsOf(live, log.text).forEach(({ facts, render }, position) => {
      const text = JSON.stringify(facts);
      if (lastFacts[position] === text) return;
      lastFacts[position] = text;
      slots[position].replaceChildren(render());
    });
  };
  return { elements: [...slots, fold], draw };
}

/**
 * @param {LiveView} live
 * @param {string} log
 * @returns {{ facts: unknown, render: () => Node | string }[]}
 */
function partsOf(live, log) {
  const { id, state: jobState, error, steps, finishing, run_id: runId, started, ended, epochs, trials, part } = live;
  const now = isUnfinished(live) ? Math.floor(Date.now() / 1000) : (ended ?? 0);
  const lastLines = log.slice(-LENGTH_OF_LAST_LINES);
  return [
    {
      facts: [id, jobState, finishing, runId, (steps ?? []).map((step) => step.state)],
      render: () => liveHead(live),
    },
    { facts: [jobState, started, ended, steps, now], render: () => liveClock(live, now) },
    { facts: [error, jobState], render: () => faultCard(live) },
    { facts: [steps, lastLines, now], render: () => stepList(live, lastLines, now) },
    { facts: [epochs.length, part, jobState, steps], render: () => epochFigures(live) },
    { facts: [epochs, isUnfinished(live)], render: () => learningCharts(live) },
    { facts: trials, render: () => trialsTable(live) },
  ];
}
