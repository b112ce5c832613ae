// Augmentation of the photos during training, with a preview.

import { query } from "../client/api.js";
import { debounce } from "../client/debounce.js";
import { changeParams, on, state } from "../client/state.js";
import { actionButton, card, field, h, select } from "../elements/dom.js";
import { currentValue, setParam, settingBox } from "./setting.js";

/** @import { Augmentation } from "../client/types.js" */

/** @type {[string, string][]} */
const STRENGTHS = [
  ["auto", "Automatic (recommended)"],
  ["none", "None"],
  ["light", "Light: slightly rotated, zoomed and shifted"],
  ["medium", "Medium: also mirrored, with changed colors"],
  ["strong", "Strong: also sheared, with larger color changes and erased parts"],
  ["own", "Custom …"],
];
/** @type {{ name: string, label: string, max: number | null }[]} Settings without a maximum are on or off. */
const PARTS = [
  { name: "horizontal_flip", label: "Mirror horizontally", max: null },
  { name: "vertical_flip", label: "Mirror vertically", max: null },
  { name: "rotation_degrees", label: "Rotation, degrees", max: 180 },
  { name: "zoom", label: "Zoom", max: 0.9 },
  { name: "shift", label: "Shift", max: 0.9 },
  { name: "crop", label: "Crop", max: 0.9 },
  { name: "shear_degrees", label: "Shear, degrees", max: 60 },
  { name: "brightness", label: "Brightness", max: 0.9 },
  { name: "contrast", label: "Contrast", max: 0.9 },
  { name: "saturation", label: "Saturation", max: 0.9 },
  { name: "hue_degrees", label: "Hue, degrees", max: 180 },
  { name: "blur", label: "Blur, pixels", max: 20 },
  { name: "noise", label: "Noise", max: 0.9 },
  { name: "erasing", label: "Erased area", max: 0.9 },
];
/** @type {Augmentation} */
const FIRST_CUSTOM = { rotation_degrees: 10, zoom: 0.1, shift: 0.1 };

/** @returns {string | Augmentation} */
const currentAugmentation = () => /** @type {string | Augmentation} */ (currentValue("train.augmentation"));

/** The card for setting `train.augmentation`. */
export function augmentationCard() {
  const { picture, showNextPhoto } = preview();
  const sliders = h("div", { class: "fields sliders" });
  const showSliders = () => {
    const augmentation = currentAugmentation();
    const custom = typeof augmentation === "string" ? null : { ...augmentation };
    sliders.replaceChildren(...(custom ? PARTS.map((part) => partField(part, custom)) : []));
  };
  /** @param {string} name */
  const choose = async (name) => {
    if (name === "own") await changeParams({ "train.augmentation": FIRST_CUSTOM });
    else await setParam("train.augmentation", name);
    showSliders();
  };
  showSliders();
  const augmentation = currentAugmentation();
  const strength = typeof augmentation === "string" ? augmentation : "own";
  const help =
    "Each photo is varied differently in each epoch, so that the model learns what matters. Avoid variants that " +
    "change the class: a mirrored b is a d.";
  const list = select(STRENGTHS, strength, choose, { id: "augmentation" });
  const box = card(
    "Augmentation",
    h("p", { class: "soft" }, help),
    h("div", { class: "fields" }, field("Strength", list)),
    sliders,
    picture,
    actionButton("Another photo", showNextPhoto, { class: "link" }),
  );
  return settingBox(box, "train.augmentation", () => {
    const current = currentAugmentation();
    const value = typeof current === "string" ? current : "own";
    if (list.value === value || list === document.activeElement) return;
    list.value = value;
    showSliders();
  });
}

/** Shows eight variants of a photo as in training, and updates them when the draft changes. */
function preview() {
  const picture = h("img", {
    class: "preview",
    alt: "Eight variants of a photo, as in training",
    hidden: true,
    onload: ({ currentTarget }) => {
      currentTarget.hidden = false;
    },
    onerror: ({ currentTarget }) => {
      currentTarget.hidden = true;
    },
  });
  let number = 0;
  const draw = debounce(() => {
    if (!state.draft.ready) return;
    const augmentation = currentAugmentation();
    const text = typeof augmentation === "string" ? augmentation : JSON.stringify(augmentation);
    picture.src = `api/data/augmentation?${query({ augmentation: text, number, of: state.draft.revision })}`;
  }, 150);
  const stopListening = on("draft", () => {
    if (picture.dataset.placed && !picture.isConnected) stopListening();
    else draw();
  });
  draw();
  setTimeout(() => {
    picture.dataset.placed = "yes";
  });
  const showNextPhoto = async () => {
    number += 1;
    draw();
  };
  return { picture, showNextPhoto };
}

/**
 * @param {{ name: string, label: string, max: number | null }} part
 * @param {Augmentation} augmentation Modified in place.
 */
function partField({ name, label, max }, augmentation) {
  /** @param {number | boolean} value */
  const keep = async (value) => {
    if (value) augmentation[name] = value;
    else delete augmentation[name];
    await changeParams({ "train.augmentation": { ...augmentation } });
  };
  if (max === null) {
    const isOn = Boolean(augmentation[name]);
    const onchange = (/** @type {{ currentTarget: HTMLInputElement }} */ event) => keep(event.currentTarget.checked);
    return field(label, h("input", { type: "checkbox", checked: isOn, onchange }));
  }
  const value = Number(augmentation[name] ?? 0);
  const output = h("output", {}, String(value));
  const input = h("input", {
    type: "range",
    min: 0,
    max,
    step: max > 1 ? 1 : 0.05,
    value,
    oninput: ({ currentTarget }) => {
      output.textContent = currentTarget.value;
    },
    onchange: ({ currentTarget }) => keep(Number(currentTarget.value)),
  });
  const box = field(label, input);
  box.append(output);
  return box;
}
