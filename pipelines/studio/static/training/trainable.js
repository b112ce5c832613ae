// The card in which the user chooses the layers to train.

import { isSame } from "../client/params.js";
import { card, child, field, h, select, showProblem } from "../elements/dom.js";
import { parseTrainable } from "./layer_selection.js";
import { showLayerTree } from "./layer_tree.js";
import { currentValue, setParam, settingBox } from "./setting.js";

const DEFAULT_LAST = 20;

/** The card for setting `train.trainable`. */
export function trainableCard() {
  const value = currentValue("train.trainable");
  const { word, rest } = parseTrainable(value);
  const tree = h("div", {});
  const number = h("input", {
    type: "number",
    min: 1,
    value: word === "last" ? (rest ?? "") : DEFAULT_LAST,
    "aria-label": "Number of layers",
    onchange: () => choose("last"),
  });
  /** @param {string} choice */
  const choose = async (choice) => {
    number.hidden = choice !== "last";
    if (choice === "names") {
      await showLayerTree(tree);
      return;
    }
    tree.replaceChildren();
    const extra = { last: number.value, from: rest }[choice];
    await setParam("train.trainable", extra ? `${choice} ${extra}` : choice);
  };
  number.hidden = word !== "last";
  /** @type {[string, string][]} */
  const options = [
    ["auto", "Automatic (recommended)"],
    ["head", "The new layers"],
    ["all", "Everything"],
    ["last", "The last layers"],
    ["names", "Selected layers"],
    ["none", "None: keep all weights unchanged"],
  ];
  if (!options.some(([key]) => key === word)) options.push([word, String(value)]);
  if (word === "names") showLayerTree(tree).catch(showProblem);
  const help = "Frozen layers keep their weights. Their outputs are computed once and reused in every epoch.";
  const layers = field("Layers", select(options, word, choose, { id: "trainable" }), help, true);
  const box = card("Trained layers", h("div", { class: "fields" }, layers, number), tree);
  let shown = value;
  return settingBox(box, "train.trainable", () => {
    // "Selected layers" stays chosen while no layer is selected, even if other settings change.
    if (isSame(currentValue("train.trainable"), shown)) return;
    shown = currentValue("train.trainable");
    const { word: current } = parseTrainable(shown);
    const list = child(layers, "select");
    if (!(list instanceof HTMLSelectElement) || list === document.activeElement || list.value === current) return;
    list.value = current;
    number.hidden = current !== "last";
    if (current !== "names") tree.replaceChildren();
  });
}
