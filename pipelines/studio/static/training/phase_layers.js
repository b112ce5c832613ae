// The field for choosing the layers that a phase trains.

import { get } from "../client/api.js";
import { paramValue } from "../client/state.js";
import { field, h, ignoreFailure, select } from "../elements/dom.js";
import { customNames, parseTrainable } from "./layer_selection.js";

/** @import { LayersAnswer } from "../model/types.js" */

/** @type {[string, string][]} */
const CHOICES = [
  ["", "same as above"],
  ["head", "The new layers"],
  ["last", "The last layers"],
  ["from", "From this layer on"],
  ["all", "Everything"],
  ["none", "Nothing"],
];
const DEFAULT_LAST = 20;

/**
 * @param {string | number | undefined} value The `trainable` of the phase.
 * @param {(text: string) => unknown} keep
 */
export function phaseLayers(value, keep) {
  const { word, rest } = value === undefined ? { word: "", rest: undefined } : parseTrainable(value);
  const number = h("input", {
    type: "number",
    min: 1,
    "aria-label": "Number of layers",
    value: word === "last" ? (rest ?? DEFAULT_LAST) : DEFAULT_LAST,
    onchange: ({ currentTarget }) => keep(`last ${currentTarget.value}`),
  });
  const layer = select(rest && word === "from" ? [rest] : [], rest, (name) => keep(`from ${name}`), {
    "aria-label": "First trained layer",
  });
  const showExtra = (/** @type {string} */ choice) => {
    number.hidden = choice !== "last";
    layer.hidden = choice !== "from";
    if (choice === "from") fillLayers(layer, rest).catch(ignoreFailure);
  };
  /** @param {string} choice */
  const choose = (choice) => {
    showExtra(choice);
    if (choice === "last") keep(`last ${number.value}`);
    else if (choice !== "from") keep(choice);
  };
  /** @type {[string, string][]} */
  const options = CHOICES.some(([key]) => key === word) ? CHOICES : [...CHOICES, [word, String(value)]];
  const box = field("Layers", select(options, word, choose));
  box.append(number, layer);
  showExtra(word);
  return box;
}

/**
 * Fills a list with the layers of the model.
 * @param {HTMLSelectElement} list
 * @param {string | undefined} chosen
 */
async function fillLayers(list, chosen) {
  const custom = paramValue("train.model.layers");
  /** @type {LayersAnswer} */
  const answer = custom ? { state: "done", layers: [] } : await get("api/model/layers");
  const names = custom ? customNames(custom) : answer.layers.map(([name]) => name);
  const options = names.map((name) => h("option", { value: name, selected: name === chosen }, name));
  const hint = names.length ? "Choose a layer …" : "Choose a network with layer names first";
  list.replaceChildren(h("option", { value: "", disabled: true, selected: !chosen }, hint), ...options);
}
