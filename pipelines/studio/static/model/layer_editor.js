// One layer in the builder: its arguments, and the buttons that move, copy and remove it.

import { h, select } from "../elements/dom.js";
import { parseArgument } from "./layer_list.js";

/** @import { Json } from "../client/types.js" */
/** @import { Argument, Layer, LayerKind } from "./types.js" */

/**
 * @typedef {object} LayerActions
 * @property {() => void} onEdit Called after an argument has changed.
 * @property {(step: -1 | 1) => void} move
 * @property {() => void} copy
 * @property {() => void} remove
 * @property {(from: number) => void} drop Called when the layer at position `from` is dropped on this layer.
 */

const MAIN_ARGUMENTS = [
  "filters",
  "kernel_size",
  "units",
  "pool_size",
  "rate",
  "activation",
  "strides",
  "padding",
  "with",
  "groups",
  "scale",
];
const DRAG_TYPE = "text/x-layer";

/**
 * The list item of a layer.
 * @param {Layer} layer Its values are modified in place.
 * @param {LayerKind} kind
 * @param {{ position: number, numLayers: number }} place
 * @param {LayerActions} actions
 */
export function layerItem(layer, kind, { position, numLayers }, actions) {
  const number = position + 1;
  /** @param {Argument} argument */
  const labeled = (argument) => {
    const name = argument.name.replaceAll("_", " ");
    const label = `${name} of ${layer.kind} ${number}`;
    return h("label", { class: "argument" }, name, argumentInput(argument, layer, label, actions.onEdit));
  };
  const isMain = (/** @type {Argument} */ argument) => MAIN_ARGUMENTS.includes(argument.name);
  const main = kind.arguments.filter(isMain);
  const otherArguments = kind.arguments.filter((argument) => !isMain(argument) && argument.kind !== "regularizer");
  /** @param {DragEvent} event */
  const ondrop = (event) => {
    const from = event.dataTransfer?.getData(DRAG_TYPE);
    event.preventDefault();
    if (from) actions.drop(Number(from));
  };
  return h(
    "li",
    { class: "layer", ondragover: (event) => event.preventDefault(), ondrop },
    layerHead(layer, kind, { position, numLayers }, actions),
    h("p", { class: "why fault", hidden: true }),
    main.length ? h("div", { class: "arguments" }, main.map(labeled)) : null,
    h(
      "details",
      {},
      h("summary", { class: "small soft" }, kind.help || "More"),
      h("div", { class: "arguments" }, otherArguments.map(labeled)),
    ),
  );
}

/**
 * The head of a layer. Only the head can be dragged, because dragging in the fields selects text.
 * @param {Layer} layer
 * @param {LayerKind} kind
 * @param {{ position: number, numLayers: number }} place
 * @param {LayerActions} actions
 */
function layerHead(layer, kind, { position, numLayers }, actions) {
  const number = position + 1;
  const { move, copy, remove } = actions;
  /** @param {DragEvent} event */
  const ondragstart = (event) => event.dataTransfer?.setData(DRAG_TYPE, String(position));
  return h(
    "div",
    { class: "row between grip", draggable: true, ondragstart },
    h(
      "span",
      { class: "row" },
      h("span", { class: "place" }, String(number)),
      h("b", { title: kind.help }, layer.kind),
      h("span", { class: "gives soft small" }),
      h("span", { class: "weights soft small" }),
    ),
    h(
      "span",
      { class: "row tools" },
      toolButton("↑", "up", `Move layer ${number} up`, () => move(-1), position === 0),
      toolButton("↓", "down", `Move layer ${number} down`, () => move(1), position === numLayers - 1),
      toolButton("+", "copy", `Copy layer ${number}`, copy),
      toolButton("×", "remove", `Remove layer ${number}`, remove),
    ),
  );
}

/**
 * @param {string} sign
 * @param {string} name
 * @param {string} label
 * @param {() => void} onclick
 * @param {boolean} [disabled]
 */
function toolButton(sign, name, label, onclick, disabled = false) {
  return h(
    "button",
    { type: "button", class: `icon ${name}`, "aria-label": label, title: label, disabled, onclick },
    sign,
  );
}

/**
 * @param {Argument} argument
 * @param {Layer} layer Its values are modified in place.
 * @param {string} label
 * @param {() => void} onEdit
 */
function argumentInput(argument, layer, label, onEdit) {
  /** @param {Json | undefined} value */
  const set = (value) => {
    layer.values[argument.name] = value;
    onEdit();
  };
  const value = layer.values[argument.name];
  if (argument.kind === "choice") return choiceInput(argument, value, label, set);
  if (argument.kind === "boolean") {
    return h("input", {
      type: "checkbox",
      checked: Boolean(value ?? argument.default ?? false),
      "aria-label": label,
      onchange: ({ currentTarget }) => set(currentTarget.checked),
    });
  }
  const isNumber = argument.kind === "integer" || argument.kind === "number";
  return h("input", {
    type: isNumber ? "number" : "text",
    step: argument.kind === "number" ? "any" : 1,
    value: Array.isArray(value) ? value.join(", ") : String(value ?? ""),
    placeholder: String(argument.default ?? ""),
    "aria-label": label,
    oninput: ({ currentTarget }) => set(parseArgument(currentTarget.value.trim(), argument)),
  });
}

/**
 * @param {Argument} argument
 * @param {Json | undefined} value
 * @param {string} label
 * @param {(value: Json | undefined) => void} set
 */
function choiceInput(argument, value, label, set) {
  const otherChoices = (argument.choices ?? []).filter((choice) => choice !== argument.default);
  /** @type {[string, string][]} */
  const options = [["", String(argument.default ?? "none")], ...otherChoices.map(pairOf)];
  return select(options, String(value ?? ""), (choice) => set(choice || undefined), { "aria-label": label });
}

/**
 * @param {string} name
 * @returns {[string, string]}
 */
const pairOf = (name) => [name, name];
