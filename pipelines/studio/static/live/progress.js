// The progress of a job: its completed share, its remaining time, its best epoch, and the newest line of its log.

/** @import { CurveName, Epoch, LiveView, StepView } from "../client/types.js" */

/** A bar that is based on the time of an earlier run stops at this share until the step has ended. */
const MAX_GUESSED_SHARE = 0.97;
const MIN_SHARE = 0.02;

const MIN_PLANNED = 10;
const MAX_LOG_LENGTH = 300_000;

/**
 * The number of the epoch with the lowest validation loss; the first one if several are equal.
 * @param {Epoch[]} epochs
 * @returns {number} From 1.
 */
export function bestEpoch(epochs) {
  let best = 0;
  epochs.forEach((epoch, position) => {
    if (epoch.val_loss < epochs[best].val_loss) best = position;
  });
  return best + 1;
}

/**
 * The number of epochs on the axis of a chart: the planned number, but at most MIN_PLANNED or twice the number
 * of completed epochs, whichever is greater.
 * @param {Epoch[]} epochs
 */
export function plannedEpochs(epochs) {
  return Math.min(epochs.at(-1)?.planned ?? 0, Math.max(MIN_PLANNED, epochs.length * 2));
}

/**
 * The values of a curve, one for each epoch.
 * @param {Epoch[]} epochs
 * @param {CurveName} name
 */
export const curve = (epochs, name) => epochs.map((epoch) => epoch[name]);

/**
 * Appends text to a log, and cuts off the start if the log becomes too long.
 * @param {string} log
 * @param {string} text
 */
export const appendLog = (log, text) => (log + text).slice(-MAX_LOG_LENGTH);

/**
 * The newest complete line of a log, without its time and step.
 * @param {string} log
 * @param {string[]} [authors] The tasks whose lines count; if the line is from a different task, the result is empty.
 */
export function newestMessage(log, authors) {
  const end = Math.max(0, log.lastIndexOf("\n"));
  const line = log.slice(log.lastIndexOf("\n", end - 1) + 1, end);
  const [, author, text] = line.match(/^\s*[\d:]+\s+([\w-]+)\s+(.*)$/) ?? [];
  if (author === undefined) return line;
  return authors === undefined || authors.includes(author) ? text : "";
}

/**
 * Describes the tasks that share a step: how many are done, and which are running or failed; empty if none has started.
 * @param {StepView} step
 */
export function partsText({ parts, num_parts: numParts }) {
  if (!parts.length) return "";
  const isIn = (/** @type {string} */ wanted) => parts.filter(({ state }) => state === wanted).map(({ name }) => name);
  const failed = isIn("failed");
  const done = `${isIn("done").length} of ${Math.max(numParts, parts.length)} tasks done`;
  const running = isIn("running");
  if (failed.length) return `${done}; failed: ${failed.join(", ")}`;
  return running.length ? `${done}; running: ${running.join(", ")}` : done;
}

/**
 * Quotes a command for a shell.
 * @param {string[]} words The words after `darkroom`, or a whole command if the first word is an absolute path.
 */
export function shellCommand(words) {
  const program = words[0].startsWith("/") ? "" : "darkroom ";
  return program + words.map(quoteWord).join(" ");
}

/** @param {string} word */
const quoteWord = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/**
 * Whether a model is being trained, including the trials of a search.
 * @param {LiveView} live
 */
export const isLearning = (live) =>
  (live.steps ?? []).some((step) => ["train", "tune"].includes(step.name) && step.state === "running");

/**
 * The elapsed time of a step.
 * @param {StepView} step
 * @param {number} now In seconds since 1970.
 */
export const elapsedSeconds = (step, now) => Math.max(0, now - (step.started ?? now));

/**
 * The completed share of a step, as reported, or else estimated from its time in the latest run; null if unknown.
 * @param {StepView} step
 * @param {number} now In seconds since 1970.
 */
export function shareDone(step, now) {
  if (step.state === "done") return 1;
  if (step.state !== "running") return 0;
  if (step.share !== null) return step.share;
  if (!step.expected_seconds) return null;
  return Math.min(MAX_GUESSED_SHARE, elapsedSeconds(step, now) / step.expected_seconds);
}

/**
 * The remaining time of a step; null if unknown.
 * @param {StepView} step
 * @param {number} now In seconds since 1970.
 */
export function secondsLeft(step, now) {
  if (step.state === "waiting") return step.expected_seconds;
  if (step.state !== "running") return 0;
  const elapsed = elapsedSeconds(step, now);
  if (step.share !== null && step.share >= MIN_SHARE) return (elapsed * (1 - step.share)) / step.share;
  return step.expected_seconds === null ? null : Math.max(0, step.expected_seconds - elapsed);
}

/**
 * The remaining time of a run; null while the time of a step is unknown.
 * @param {LiveView} live
 * @param {number} now In seconds since 1970.
 */
export function remainingSeconds({ steps = [] }, now) {
  if (!steps.length) return null;
  let total = 0;
  for (const step of steps) {
    const seconds = secondsLeft(step, now);
    if (seconds === null) return null;
    total += seconds;
  }
  return total;
}

/**
 * The completed share of a run, from 0 to 1: by time if all times are known, otherwise by steps.
 * Null if the job has no steps or has not started.
 * @param {LiveView} live
 * @param {number} now In seconds since 1970.
 */
export function totalShare(live, now) {
  const { steps = [], started } = live;
  if (!steps.length || !started) return null;
  const left = remainingSeconds(live, now);
  if (left !== null) return Math.min(1, (now - started) / Math.max(1, now - started + left));
  return steps.reduce((sum, step) => sum + (shareDone(step, now) ?? 0), 0) / steps.length;
}

/**
 * The params that a message names, without duplicates.
 * @param {string} text
 * @param {(key: string) => boolean} isSetting Whether there is a param with this key.
 */
export function settingsNamed(text, isSetting) {
  const keys = text.match(/\b(?:data|preprocess|tune|train|evaluate|deploy)(?:\.[a-z_]+)+/g) ?? [];
  return [...new Set(keys)].filter(isSetting);
}
