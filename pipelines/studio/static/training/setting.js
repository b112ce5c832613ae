// A field for one value of params.yaml; the schema provides its help and choices, the last check provides its error.

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
export function currentValue(key) {
  const value = valueAt(state.draft.params, key);
  return value === undefined ? schemaOf(key).default : value;
}

/**
 * Sets a key. If the value is the default, the key is removed from the draft instead.
 * @param {string} key
 * @param {Json} value
 */
export async function setParam(key, value) {
  const isDefault = isSame(value, schemaOf(key).default);
  await changeParams(isDefault ? {} : { [key]: value }, isDefault ? [key] : []);
}

/**
 * @typedef {object} SettingOptions
 * @property {string} [help] The help text; by default the schema's description.
 * @property {{ [choice: string]: string }} [names] The displayed names of the choices.
 * @property {string} [empty] The meaning of an empty field.
 * @property {() => void} [onChange] Called after each change.
 */

/**
 * A field for the value of a key.
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
  return settingBox(box, key, () => {
    if (input !== document.activeElement) showValue(input, currentValue(key));
    input.setAttribute("aria-invalid", String(Boolean(faultOf(key))));
  });
}

/**
 * Marks a field that differs from the default, adds a button that resets it, and shows the error of its key.
 * @param {HTMLElement} box
 * @param {string} key
 * @param {() => void} onDraft Shows the value after each change of the draft.
 */
export function settingBox(box, key, onDraft) {
  const name = box.querySelector("label, h2")?.textContent ?? key;
  const reset = h(
    "button",
    { type: "button", class: "link reset", "aria-label": `Reset ${name}`, onclick: () => changeParams({}, [key]) },
    "Reset",
  );
  const fault = h("p", { class: "fault small", role: "alert" });
  box.append(reset, fault);
  box.dataset.key = key;
  const update = () => {
    if (!box.isConnected && box.dataset.placed) {
      stopListening();
      return;
    }
    if (box.isConnected) box.dataset.placed = "yes";
    const found = faultOf(key);
    fault.textContent = found ? (found.where === key ? found.what : `${found.where}: ${found.what}`) : "";
    fault.hidden = !fault.textContent;
    const isChanged = valueAt(state.draft.params, key) !== undefined;
    box.classList.toggle("changed", isChanged);
    onDraft();
    // The reset button disappears, so the control gets the focus. The control must show its new value before that,
    // because the value of a focused control is not replaced.
    const control = box.querySelector("input, select, button");
    if (reset === document.activeElement && !isChanged && control instanceof HTMLElement) control.focus();
    reset.hidden = !isChanged;
  };
  const stopListening = on("draft", update);
  update();
  return box;
}

/** @param {string} key */
const faultOf = (key) => state.draft.faults.find(({ where }) => where === key || where.startsWith(`${key}[`));

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
    value: valueText(value),
    placeholder: empty,
    autocomplete: "off",
    onchange: ({ currentTarget }) => keep(parseValue(currentTarget.value.trim(), kind)),
  });
}

/**
 * @param {HTMLInputElement | HTMLSelectElement} input
 * @param {Json | undefined} value
 */
function showValue(input, value) {
  if (input instanceof HTMLInputElement && input.type === "checkbox") input.checked = Boolean(value);
  else input.value = valueText(value);
}

/**
 * Formats a value for a field.
 * @param {Json | undefined} value
 */
export const valueText = (value) => (Array.isArray(value) ? value.join(" × ") : String(value ?? ""));
