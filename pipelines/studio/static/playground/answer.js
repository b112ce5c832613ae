// A model's answer for one photo, and a heat map that explains it.

import { put, query } from "../client/api.js";
import { actionButton, h } from "../elements/dom.js";
import { formatPercent } from "../elements/format.js";

/** @import { Prediction } from "../results/types.js" */

const NUM_CLASSES = 3;

/**
 * Classifies a photo with the model, and returns a list item with the answer.
 * @param {string} model
 * @param {File} file
 */
export async function answerItem(model, file) {
  const picture = h("img", {
    class: "photo",
    alt: file.name,
    src: URL.createObjectURL(file),
    onload: () => {
      picture.hidden = false;
    },
    onerror: () => {
      picture.hidden = true; // browsers do not show TIFF files, but the model may accept them
    },
  });
  const item = h("li", { class: "card answer" }, picture);
  const name = h("p", { class: "soft small path" }, file.name);
  try {
    /** @type {Prediction} */
    const prediction = await put(`api/models/${encodeURIComponent(model)}/predict`, file);
    const whereButton = explainButton(model, file, prediction.label, picture);
    item.append(h("div", { class: "said" }, name, predictionParts(prediction), whereButton));
  } catch (error) {
    item.classList.add("failed");
    const reason = error instanceof Error ? error.message : String(error);
    const label = h("p", { class: "label" }, "No answer");
    item.append(h("div", { class: "said" }, name, label, h("p", { class: "fault small" }, reason)));
  }
  return item;
}

/** @param {Prediction} prediction */
export const labelText = ({ abstained, label }) => (abstained ? `Unsure: perhaps ${label}` : label);

/**
 * The most probable classes as items of a list.
 * @param {Prediction} prediction
 * @param {number} [digits] The decimal places of the percentages.
 */
export function shareItems({ probabilities }, digits) {
  return probabilities
    .slice(0, NUM_CLASSES)
    .map(([className, share]) =>
      h(
        "li",
        {},
        h("span", {}, className),
        h("span", { class: "soft small" }, formatPercent(share, digits)),
        h("meter", { value: share, "aria-hidden": "true" }),
      ),
    );
}

/** @param {Prediction} prediction */
function predictionParts(prediction) {
  const { abstained, unfamiliar } = prediction;
  const unlike = "This photo is unlike the training photos, so the answer may be meaningless.";
  return [
    h("p", { class: "label" }, labelText(prediction)),
    abstained ? h("p", { class: "small warn" }, "The model is not confident enough to answer.") : null,
    unfamiliar !== null && unfamiliar > 1 ? h("p", { class: "small warn" }, unlike) : null,
    h("ul", { class: "plain shares" }, shareItems(prediction)),
  ];
}

/**
 * A button that switches between the photo and a heat map that shows where the model saw a class.
 * @param {string} model
 * @param {File} file
 * @param {string} className
 * @param {HTMLImageElement} picture
 */
function explainButton(model, file, className, picture) {
  let isShown = false;
  /** @param {HTMLButtonElement} button */
  const toggle = async (button) => {
    if (isShown) {
      picture.src = URL.createObjectURL(file);
    } else {
      const path = `api/models/${encodeURIComponent(model)}/explain?${query({ class_name: className })}`;
      /** @type {{ overlay: string }} */
      const { overlay } = await put(path, file);
      picture.src = overlay;
    }
    isShown = !isShown;
    button.textContent = isShown ? "Hide explanation" : "Show explanation";
  };
  return actionButton("Show explanation", toggle, { class: "link explain" });
}
