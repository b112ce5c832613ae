// The Model screen: the ways to choose a network, and Darkroom's default.

import { changeParams, paramValue, resolvedValue, state } from "../client/state.js";
import { actionButton, child, h } from "../elements/dom.js";
import { formatSides } from "../elements/format.js";
import { builder } from "./builder.js";
import { earlierRuns } from "./earlier_runs.js";
import { gallery } from "./gallery.js";
import { WAYS, wayByArrow, wayOf } from "./model_choice.js";
import { uploader } from "./uploader.js";

/** @import { ModelWay } from "./model_choice.js" */
/** @import { Commands } from "../client/types.js" */

/**
 * The command-line equivalents of this screen.
 * @param {Commands} all
 */
export const commands = ({ model }) => [model];

/**
 * @typedef {object} Door A way to choose a model: its tab, and the function that fills its panel.
 * @property {string} name
 * @property {string} text
 * @property {(panel: HTMLElement, drawFoot: () => void) => Promise<(() => unknown) | null>} fill
 */

/** @type {Record<ModelWay, Door>} */
const DOORS = {
  auto: {
    name: "Automatic",
    text: "A small network for tiny pictures; MobileNetV2 with ImageNet weights for photos.",
    fill: automaticModel,
  },
  pretrained: {
    name: "Pretrained",
    text: "A network that was trained on a million photos, with a new head for your classes.",
    fill: gallery,
  },
  layers: { name: "Build your own", text: "Layer by layer, checked as you go.", fill: builder },
  upload: {
    name: "Upload",
    text: "A .keras or .h5 file, or a zip of one, checked before it is used.",
    fill: uploader,
  },
  bundle: { name: "Continue", text: "Continue from the model of an earlier run.", fill: earlierRuns },
};
const FOCUS_MILLISECONDS = 150;

const chosenWay = () => wayOf(paramValue("train.model") ?? {});

/**
 * Fills the page; the returned function cleans up when the user leaves the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts The parts of the address: the name of the tab to open.
 */
export async function show(page, [part]) {
  const open = WAYS.find((way) => way === part) ?? chosenWay();
  const panel = h("div", { id: "panel", role: "tabpanel", "aria-labelledby": `door-${open}` });
  const tabs = WAYS.map((way) => tab(way, way === open));
  const foot = h("div", { class: "next sticky" });
  const lead = "Choose the network to train. Its output layer, with one value per class, is added automatically.";
  page.append(
    h("h1", {}, "Model"),
    h("p", { class: "lead" }, lead),
    h("div", { class: "tabs", role: "tablist", "aria-label": "Ways to choose a model" }, tabs),
    panel,
    foot,
  );
  const drawFoot = () => {
    for (const button of tabs) child(button, ".tag").hidden = button.id !== `door-${chosenWay()}`;
    foot.replaceChildren(
      explanation(open),
      h("a", { class: "button main", href: "#training", id: "next" }, "Next: training"),
    );
  };
  const leave = await DOORS[open].fill(panel, drawFoot);
  drawFoot();
  return leave;
}

/**
 * @param {ModelWay} way
 * @param {boolean} isOpen
 */
function tab(way, isOpen) {
  const { name, text } = DOORS[way];
  return h(
    "button",
    {
      type: "button",
      role: "tab",
      id: `door-${way}`,
      class: "tab",
      "aria-selected": String(isOpen),
      "aria-controls": "panel",
      tabIndex: isOpen ? 0 : -1,
      onclick: () => {
        location.hash = `#model/${way}`;
      },
      onkeydown: (event) => moveFocus(event, way),
    },
    h("b", {}, name, h("span", { class: "tag done", hidden: true }, "chosen")),
    h("span", { class: "soft small" }, text),
  );
}

/**
 * @param {KeyboardEvent} event
 * @param {ModelWay} way
 */
function moveFocus(event, way) {
  const nextWay = wayByArrow(event.key, way);
  if (!nextWay) return;
  event.preventDefault();
  location.hash = `#model/${nextWay}`;
  setTimeout(() => document.getElementById(`door-${nextWay}`)?.focus(), FOCUS_MILLISECONDS);
}

/**
 * The reason why the model cannot be trained, or which way was chosen and why.
 * @param {ModelWay} open The way whose tab is open.
 */
function explanation(open) {
  const { reasons, params, decisions } = state.draft;
  if (reasons.length && params.data) return h("p", { class: "fault", role: "alert" }, reasons[0]);
  const because = decisions.find((decision) => decision.startsWith("train.model"))?.match(/because .*/)?.[0];
  const way = chosenWay();
  if (way !== open) return h("p", { class: "soft" }, `Training still uses: ${DOORS[way].name}.`);
  return h("p", { class: "soft" }, because ? `Chosen ${because}` : `Training uses: ${DOORS[way].name}.`);
}

/**
 * @param {HTMLElement} panel
 * @param {() => void} drawFoot
 */
async function automaticModel(panel, drawFoot) {
  const isChosen = chosenWay() === "auto";
  const model = isChosen ? resolvedValue("train.model") : undefined;
  const layers = model?.layers;
  const takeLayers = async () => {
    await changeParams({ "train.model": { layers } });
    location.hash = "#model/layers";
  };
  panel.replaceChildren(
    h(
      "section",
      { class: "card" },
      h("h2", {}, "Automatic"),
      automaticChoice(),
      isChosen ? h("p", { class: "good" }, "The network has been chosen.") : takeAutomatic(),
      layers ? h("p", {}, actionButton("Copy the layers and change them", takeLayers)) : null,
    ),
  );
  drawFoot();
  return null;
}

function automaticChoice() {
  const model = chosenWay() === "auto" ? resolvedValue("train.model") : undefined;
  if (!model) return h("p", {}, "Darkroom chooses a network that fits the size of your photos, and explains why.");
  const name = model.name ?? `a network of ${model.layers?.length} layers`;
  const imageSize = formatSides(resolvedValue("preprocess.image_size") ?? 0);
  return h("p", {}, "For these photos, Darkroom chooses ", h("b", {}, name), `, with inputs of ${imageSize} pixels.`);
}

function takeAutomatic() {
  const take = async () => {
    await changeParams({}, ["train.model"]);
    location.hash = "#model/auto";
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  return actionButton("Use this network", take, { class: "button main" });
}
