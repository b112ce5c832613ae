// One value of params.yaml as a field: help and bounds come from the schema, the fault from the last check.

import { isSame, parseValue, valueAt, valueKind } from "../client/params.js";
import { changeParams, on, schemaOf, state } from "../client/state.js";
import { field, h } from "../elements/dom.js";

/** @import { ValueKind } from "../client/params.js" */
/** @import { Json } from "../client/types.js" */

/**
 * The value of a key in the draft, or its default.
 * @param {string} key
 * @returns {Json | undefined}
 */
export const currentValue = (key) => valueAt(state.draft.params, key) ?? schemaOf(key).default;

/**
 * Sets a key; its default is removed from the draft instead.
 * @param {string} key
 * @param {Json} value
 */
export async function setParam(key, value) {
  const isDefault = isSame(value, schemaOf(key).default);
  await changeParams(isDefault ? {} : { [key]: value }, isDefault ? [key] : []);
}

/**
 * @typedef {object} SettingOptions
 * @property {string} [help] The schema's description if it is left out.
 * @property {{ [choice: string]: string }} [names] Of the choices.
 * @property {string} [empty] What an empty field means.
 * @property {() => void} [onChange] Is called after each change.
 */

/**
 * A field that sets a key.
 * @param {string} key
 * @param {string} label
 * @param {SettingOptions} [options]
 */
export function settingField(key, label, { help, names = {}, empty = "", onChange } = {}) {
  const part = schemaOf(key);
  const kind = valueKind(state.schema, part);
  /** @param {Json} value */
  const keep = async (value) => {
    await setParam(key, value);
    onChange?.();
  };
  const input = control(kind, currentValue(key), keep, names, empty);
  const box = field(label, input, help ?? part.description ?? "");
  const fault = h("p", { class: "fault small", role: "alert", hidden: true });
  box.append(fault);
  box.dataset.key = key;
  followFault(box, fault, input, key);
  return box;
}

/**
 * @param {ValueKind} kind
 * @param {Json | undefined} value
 * @param {(value: Json) => unknown} keep
 * @param {{ [choice: string]: string }} names
 * @param {string} empty
 */
function control(kind, value, keep, names, empty) {
  if (kind.choices && !kind.isNumber) {
    const options = kind.choices.map((choice) =>
      h("option", { value: choice, selected: choice === value }, names[choice] ?? choice),
    );
    return h("select", { onchange: ({ currentTarget }) => keep(currentTarget.value) }, options);
  }
  if (kind.isBoolean) {
    const onchange = (/** @type {{ currentTarget: HTMLInputElement }} */ event) => keep(event.currentTarget.checked);
    return h("input", { type: "checkbox", checked: Boolean(value), onchange });
  }
  return h("input", {
    type: "text",
    inputMode: "decimal",
    value: String(value ?? ""),
    placeholder: empty,
    autocomplete: "off",
    onchange: ({ currentTarget }) => keep(parseValue(currentTarget.value.trim(), kind)),
  });
}

/**
 * Shows the fault of a key, for as long as its field is on the page.
 * @param {HTMLElement} box
 * @param {HTMLElement} text
 * @param {HTMLElement} input
 * @param {string} key
 */
function followFault(box, text, input, key) {
  const update = () => {
    if (!box.isConnected && box.dataset.placed) {
      stopListening();
      return;
    }
    if (box.isConnected) box.dataset.placed = "yes";
    const fault = state.draft.faults.find(({ where }) => where === key || where.startsWith(`${key}[`));
    text.hidden = !fault;
    text.textContent = fault?.what ?? "";
    input.setAttribute("aria-invalid", String(Boolean(fault)));
  };
  const stopListening = on("draft", update);
  update();
}
