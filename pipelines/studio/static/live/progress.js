// The progress of a training: its best epoch, its curves, the room for epochs to come, and the newest line of its log.

/** @import { CurveName, Epoch } from "../client/types.js" */

const MIN_PLANNED = 10;
const MAX_LOG_LENGTH = 300_000;

/**
 * The number of the epoch with the lowest validation loss; the first of equals.
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
 * For how many epochs a chart has room: those that are planned, but at most twice those that are done.
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
 * A log with new text at its end; its start is dropped when it grows too long.
 * @param {string} log
 * @param {string} text
 */
export const appendLog = (log, text) => (log + text).slice(-MAX_LOG_LENGTH);

/**
 * The newest complete line of a log, without its time and step.
 * @param {string} log
 */
export function newestMessage(log) {
  const end = Math.max(0, log.lastIndexOf("\n"));
  const start = log.lastIndexOf("\n", end - 1) + 1;
  return log.slice(start, end).replace(/^\s*[\d:]+\s+\w+\s+/, "");
}

/**
 * A command as a shell takes it.
 * @param {string[]} words After `darkroom`, or of another program if the first is a path.
 */
export function shellCommand(words) {
  const program = words[0].startsWith("/") ? "" : "darkroom ";
  return program + words.map(quoteWord).join(" ");
}

/** @param {string} word */
const quoteWord = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
