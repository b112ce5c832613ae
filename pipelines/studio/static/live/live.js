// Live: a job as it runs, in every tab, also after a restart of the studio.

import { findJob, isUnfinished, on, state, watchJob } from "../client/state.js";
import { announce, h } from "../elements/dom.js";
import { epochFigures, learningCharts, liveHead, STATE_SENTENCES, stepper, trialsTable } from "./live_view.js";
import { appendLog, newestMessage, shellCommand } from "./progress.js";

/** @import { Commands, Job, LiveView } from "../client/types.js" */

/** @typedef {{ text: string, element: HTMLElement }} Log */
/** @typedef {{ elements: HTMLElement[], draw: (live: LiveView) => void }} JobView */

/** @type {string | undefined} */
let shownJobId;

/**
 * The commands that do the same as this screen.
 * @param {Commands} all
 */
export const commands = ({ training }) => {
  const job = findJob(shownJobId);
  return [job ? shellCommand(job.command) : training];
};

/**
 * The job to show: a running training, else the newest one, else the newest job.
 * @param {Job[]} jobs The newest first.
 * @returns {string | undefined} Its id.
 */
export function pickJob(jobs) {
  const trainings = jobs.filter((job) => ["run", "submit"].includes(job.kind));
  return (trainings.find((job) => job.state === "running") ?? trainings[0] ?? jobs[0])?.id;
}

/**
 * Fills the page; the returned function ends the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts Of the address: the id of a job.
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
  const stopListening = [
    on("live", update),
    on("jobs", () => {
      if (!shownJobId) begin();
    }),
  ];
  return () => {
    for (const stop of stopListening) stop();
    watchJob(null);
    shownJobId = undefined;
  };
}

const emptyScreen = () => [
  h("h1", {}, "Live"),
  h("p", { class: "lead" }, "Nothing was started yet."),
  h("a", { class: "button main", href: "#training" }, "To the training"),
];

/**
 * Adds text to the log, which stays at its end if the person has not scrolled away from it.
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
 * The page in parts. Each is drawn again only when its facts have changed, so that a pressed button stays in place.
 * @param {Log} log
 * @returns {JobView}
 */
function jobView(log) {
  const names = ["head", "fault", "steps", "now", "figures", "plots", "trials"];
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
  const steps = live.steps ?? [];
  const isGoing = isUnfinished(live);
  const message = isGoing && steps.length ? newestMessage(log) : "";
  const { id, finishing, run_id: runId, started, ended, epochs, trials, part } = live;
  const fault = () => (live.error ? h("p", { class: "notice fault", role: "alert" }, live.error) : "");
  return [
    {
      facts: [id, live.state, finishing, runId, started, ended, ...steps.map((step) => step.state)],
      render: () => liveHead(live),
    },
    { facts: live.error, render: fault },
    { facts: [steps, isGoing], render: () => stepper(live) },
    { facts: message, render: () => (message ? h("p", { class: "now soft" }, message) : "") },
    { facts: [epochs.length, part, live.state, steps], render: () => epochFigures(live) },
    { facts: epochs, render: () => learningCharts(live) },
    { facts: trials, render: () => trialsTable(live) },
  ];
}
