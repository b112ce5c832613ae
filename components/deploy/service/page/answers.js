// The cards that show each photo with the model's answer and its explanation.

import { KeyNeededError, refusal, request } from "./client.js";
import { byId, child, keepTinyPixels, messageOf } from "./dom.js";
import { probability, wordingOf } from "./predictions.js";

/** @import { ExplainAnswer, Failure, Prediction, Probability } from "./types.js" */

/** @typedef {{ file: File, card: HTMLElement }} Entry A photo and its card. */

const NUM_FIRST_BARS = 5;
const NUM_MORE_BARS = 50;

/**
 * Creates the card for a photo that is waiting for its answer.
 * @param {File} file
 * @param {string} name
 * @returns {HTMLElement}
 */
export function newCard(file, name) {
  const template = byId("card", HTMLTemplateElement).content;
  const card = /** @type {HTMLElement} */ (child(template, "li").cloneNode(true));
  card.classList.add("waiting");
  child(card, ".file").textContent = name;
  child(card, ".verdict").textContent = "Waiting …";
  const photo = child(card, ".photo", HTMLImageElement);
  photo.alt = name;
  keepTinyPixels(photo);
  photo.addEventListener("error", () => {
    photo.hidden = true;
    child(card, ".none").hidden = false;
  });
  photo.src = URL.createObjectURL(file);
  byId("cards").prepend(card);
  return card;
}

/**
 * Shows the answer for a photo.
 * @param {Entry} entry
 * @param {Prediction | Failure} answer
 */
export function showAnswer({ file, card }, answer) {
  card.classList.remove("waiting");
  if ("error" in answer) showFailure(card, answer.error.message);
  else showPrediction(card, file, answer);
}

/**
 * @param {HTMLElement} card
 * @param {string} reason
 */
function showFailure(card, reason) {
  card.classList.add("failed");
  child(card, ".verdict").textContent = "No answer";
  const doubt = child(card, ".doubt");
  doubt.textContent = reason;
  doubt.hidden = false;
}

/**
 * @param {HTMLElement} card
 * @param {File} file
 * @param {Prediction} prediction
 */
function showPrediction(card, file, prediction) {
  const { verdict, doubts } = wordingOf(prediction);
  card.classList.toggle("unsure", doubts.length > 0);
  child(card, ".verdict").textContent = verdict;
  const doubt = child(card, ".doubt");
  doubt.textContent = doubts.join(" ");
  doubt.hidden = doubts.length === 0;
  showBars(card, prediction.probabilities, NUM_FIRST_BARS);
  child(card, ".tools").hidden = false;
  const id = child(card, ".id");
  id.hidden = false;
  id.textContent = `Prediction ${prediction.id}`;
  labelMapButton(card, false);
  child(card, ".where").addEventListener("click", () => toggleMap(card, file, prediction.label));
}

/**
 * @param {HTMLElement} card
 * @param {boolean} isShown Whether the explanation is visible.
 */
function labelMapButton(card, isShown) {
  const button = child(card, ".where");
  button.textContent = isShown ? "Hide explanation" : "Show explanation";
  button.setAttribute("aria-label", `${button.textContent} for ${child(card, ".file").textContent}`);
  button.setAttribute("aria-expanded", String(isShown));
}

/**
 * @param {HTMLElement} card
 * @param {Probability[]} probabilities
 * @param {number} numShown
 */
function showBars(card, probabilities, numShown) {
  child(card, ".bars").replaceChildren(...probabilities.slice(0, numShown).map(barItem));
  const allButton = child(card, ".all");
  allButton.hidden = numShown >= probabilities.length;
  const numNext = Math.min(probabilities.length, numShown + NUM_MORE_BARS);
  const isAll = numNext === probabilities.length;
  allButton.textContent = isAll ? `All ${numNext} classes` : `${NUM_MORE_BARS} more of ${probabilities.length} classes`;
  allButton.onclick = () => showBars(card, probabilities, numNext);
}

/** @param {Probability} answer */
function barItem(answer) {
  const [item, name, share] = ["li", "span", "span"].map((tag) => document.createElement(tag));
  const meter = document.createElement("meter");
  name.textContent = answer.label;
  share.className = "share";
  share.textContent = probability(answer.probability);
  meter.value = answer.probability;
  meter.setAttribute("aria-hidden", "true");
  item.append(name, share, meter);
  return item;
}

/**
 * Shows or hides the explanation for a class.
 * @param {HTMLElement} card
 * @param {File} file
 * @param {string} label
 */
async function toggleMap(card, file, label) {
  const map = child(card, ".map", HTMLImageElement);
  const button = child(card, ".where", HTMLButtonElement);
  const method = child(card, ".how");
  if (map.src) {
    map.hidden = !map.hidden;
    labelMapButton(card, !map.hidden);
    method.hidden = map.hidden;
    return;
  }
  if (button.disabled) return;
  button.disabled = true;
  method.textContent = "Computing …";
  try {
    const explanation = await explain(file, label);
    map.alt = `Areas that support ${label}`;
    map.src = explanation.overlay;
    map.hidden = false;
    labelMapButton(card, true);
    method.textContent = `Bright areas support ${label} (${explanation.method})`;
  } catch (error) {
    method.textContent = error instanceof KeyNeededError ? "The key was not accepted." : messageOf(error);
  }
  button.disabled = false;
}

/**
 * @param {File} file
 * @param {string} label
 */
async function explain(file, label) {
  const body = new FormData();
  body.append("files", file);
  const response = await request(`explain?class_name=${encodeURIComponent(label)}`, { method: "POST", body });
  /** @type {ExplainAnswer} */
  const answer = await response.json();
  if (!answer.overlay) throw refusal(answer, response.status);
  return { overlay: answer.overlay, method: answer.method };
}
