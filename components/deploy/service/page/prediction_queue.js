// The queue of photos to classify.

import { newCard, showAnswer } from "./answers.js";
import { KeyNeededError, RequestError, refusal, request } from "./client.js";
import { byId } from "./dom.js";
import { askForKey } from "./key.js";
import { progressText, takeBatch } from "./predictions.js";

/** @import { Entry } from "./answers.js" */
/** @import { PredictAnswer } from "./types.js" */

/** @type {Entry[]} */
const queue = [];
let isWorking = false;

/**
 * Adds photos to the queue and shows their cards.
 * @param {Iterable<File>} files
 * @param {string} [name] The name to show instead of the file names.
 */
export function addPhotos(files, name) {
  const entries = [...files].map((file) => ({ file, card: newCard(file, name ?? file.name) }));
  if (entries.length === 0) return;
  byId("answers-part").hidden = false;
  queue.push(...entries);
  showProgress();
  predictWaiting();
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  entries[0].card.scrollIntoView({ block: "nearest", behavior: isCalm ? "auto" : "smooth" });
}

/** Removes all photos and their answers. */
export function clearPhotos() {
  for (const photo of byId("cards").querySelectorAll("img.photo")) {
    if (photo instanceof HTMLImageElement) URL.revokeObjectURL(photo.src);
  }
  byId("cards").replaceChildren();
  queue.length = 0;
  byId("answers-part").hidden = true;
  byId("files").focus();
}

/** Requests the answers for all photos in the queue, batch by batch. */
export async function predictWaiting() {
  if (isWorking) return;
  isWorking = true;
  while (queue.length > 0) {
    const batch = takeBatch(queue);
    try {
      const answers = await predict(batch.map((entry) => entry.file));
      for (const [position, entry] of batch.entries()) showAnswer(entry, answers[position]);
    } catch (error) {
      if (error instanceof KeyNeededError) {
        queue.unshift(...batch);
        askForKey();
        break;
      }
      if (!(error instanceof RequestError)) throw error;
      for (const entry of batch) showAnswer(entry, { error: { message: error.message } });
    }
    showProgress();
  }
  isWorking = false;
}

/** @param {File[]} files */
async function predict(files) {
  const body = new FormData();
  for (const file of files) body.append("files", file);
  const response = await request("predict", { method: "POST", body });
  /** @type {PredictAnswer} */
  const answer = await response.json();
  if (answer.predictions?.length === files.length) return answer.predictions;
  throw refusal(answer, response.status);
}

function showProgress() {
  const cards = byId("cards");
  const numAll = cards.children.length;
  const numAnswered = numAll - cards.querySelectorAll(".waiting").length;
  byId("status").textContent = progressText(numAnswered, numAll);
}
