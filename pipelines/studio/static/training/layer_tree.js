// The layers of the model as a tree of checkboxes: whole blocks or single layers.

import { get } from "../client/api.js";
import { changeParams, on, paramValue } from "../client/state.js";
import { h } from "../elements/dom.js";
import { pluralize } from "../elements/format.js";
import { customNames, groupLayers, selectLayers } from "./layer_selection.js";

/** @import { LayersAnswer, NamedLayer } from "../model/types.js" */

/** @param {string} text */
const hint = (text) => h("p", { class: "soft small" }, text);

/**
 * Shows the tree as soon as the layers are known.
 * @param {HTMLElement} panel
 */
export async function showLayerTree(panel) {
  const customLayers = paramValue("train.model.layers");
  if (customLayers) {
    const names = customNames(customLayers);
    const help = "Name the layers on the Model screen, so that you can choose them here.";
    panel.replaceChildren(names.length ? tree(names.map((name) => [name, name])) : hint(help));
    return;
  }
  /** @type {LayersAnswer} */
  const answer = await get("api/model/layers");
  if (answer.state === "done") {
    panel.replaceChildren(tree(answer.layers));
    return;
  }
  if (answer.state === "none") {
    panel.replaceChildren(
      hint("Only pretrained and custom networks have layer names; choose a network on the Model screen."),
    );
    return;
  }
  panel.replaceChildren(answer.error ? h("p", { class: "fault" }, answer.error) : reading());
  const stopListening = on("jobs", () => {
    stopListening();
    return panel.isConnected ? showLayerTree(panel) : null;
  });
}

function reading() {
  const bar = h("progress", { "aria-label": "Reading the layers" });
  return h("div", {}, bar, hint("Reading the layers of this network (only the first time) …"));
}

/** @param {NamedLayer[]} layers */
function tree(layers) {
  const names = layers.map(([name]) => name);
  const trainable = paramValue("train.trainable");
  const selection = selectLayers(Array.isArray(trainable) ? trainable : [], names);
  const keep = () => {
    const selected = names.filter((name) => selection.has(name));
    changeParams(selected.length ? { "train.trainable": selected } : {}, selected.length ? [] : ["train.trainable"]);
  };
  const blocks = [...groupLayers(layers)].map(([group, members]) => blockItem(group, members, selection, keep));
  return h("ul", { class: "tree plain", "aria-label": "Trained layers" }, blocks);
}

/**
 * @param {string} group
 * @param {string[]} names
 * @param {Set<string>} selection Modified in place.
 * @param {() => void} keep
 */
function blockItem(group, names, selection, keep) {
  /**
   * @param {string} name
   * @param {boolean} isSelected
   */
  const set = (name, isSelected) => (isSelected ? selection.add(name) : selection.delete(name));
  const boxes = names.map((name) => {
    const box = h("input", { type: "checkbox", checked: selection.has(name) });
    box.addEventListener("change", () => {
      set(name, box.checked);
      showGroupState();
      keep();
    });
    return box;
  });
  const groupBox = h("input", { type: "checkbox" });
  groupBox.addEventListener("change", () => {
    boxes.forEach((box, position) => {
      box.checked = groupBox.checked;
      set(names[position], groupBox.checked);
    });
    showGroupState();
    keep();
  });
  const showGroupState = () => {
    const numChecked = boxes.filter((box) => box.checked).length;
    groupBox.checked = numChecked === boxes.length;
    groupBox.indeterminate = numChecked > 0 && numChecked < boxes.length;
  };
  showGroupState();
  if (names.length === 1) return h("li", {}, h("label", {}, boxes[0], ` ${names[0]}`));
  const size = h("span", { class: "soft small" }, pluralize(names.length, "layer"));
  const title = h("label", {}, groupBox, ` ${group} `, size);
  const items = names.map((name, position) => h("li", {}, h("label", {}, boxes[position], ` ${name}`)));
  return h("li", {}, h("details", {}, h("summary", {}, title), h("ul", { class: "plain" }, items)));
}
