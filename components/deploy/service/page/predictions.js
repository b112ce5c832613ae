// Batches of photos for one request, their progress, and the text for each prediction.

import { formatPercent } from "./facts.js";

const MAX_FILES = 8;
const MAX_BYTES = 24 * 2 ** 20;
const MAX_SHOWN = 0.9995;

/**
 * Removes the next batch from the queue: as many photos as fit into one request, and at least one.
 * @template {{ file: { size: number } }} Entry
 * @param {Entry[]} queue Modified in place.
 * @returns {Entry[]}
 */
export function takeBatch(queue) {
  let numFiles = 0;
  let numBytes = 0;
  for (const { file } of queue.slice(0, MAX_FILES)) {
    numBytes += file.size;
    if (numFiles > 0 && numBytes > MAX_BYTES) break;
    numFiles += 1;
  }
  return queue.splice(0, numFiles);
}

/**
 * The number of photos that were processed, as a sentence.
 * @param {number} numAnswered
 * @param {number} numAll
 */
export function progressText(numAnswered, numAll) {
  const photos = numAll === 1 ? "photo" : "photos";
  return numAnswered < numAll ? `${numAnswered} of ${numAll} ${photos} processed …` : `${numAll} ${photos} processed.`;
}

/**
 * The probability of an answer; it is never shown as 100 %.
 * @param {number} share
 */
export const probability = (share) => (share > MAX_SHOWN ? "> 99.9 %" : formatPercent(share));

/**
 * The verdict to show for a prediction, and the doubts about it.
 * @param {import("./types.js").Prediction} prediction
 * @returns {{ verdict: string, doubts: string[] }}
 */
export function wordingOf({ label, abstained, unfamiliar }) {
  const doubts = [];
  if (abstained) doubts.push("The model is not confident enough to answer. Its best guess is shown.");
  if (unfamiliar !== null && unfamiliar > 1) {
    doubts.push("This photo is unlike the training photos, so the answer may be meaningless.");
  }
  return { verdict: abstained ? `Unsure: perhaps ${label}` : label, doubts };
}
