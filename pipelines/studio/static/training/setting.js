// One value of params.yaml as a field: its help and its bounds come from the schema, its fault from the last check.

import { field, h } from "../elements/dom.js";
import { about, change, on, state, value } from "../client/state.js";

function shape(part) {
  const options = part.anyOf ?? [part];
  const found = options.map((option) => option.$ref ? state.schema.$defs[option.$ref.split("/").pop()] : option);
  return { choices: found.find((option) => option.enum)?.enum, number: found.find((option) => ["integer", "number"].includes(option.type)),
    boolean: part.type === "boolean", nullable: found.some((option) => option.type === "null") };
}

export function standing(key) {
  return value(key) ?? about(key).default;
}

export async function set(key, given) {
  const same = JSON.stringify(given) === JSON.stringify(about(key).default);
  await change(same ? {} : { [key]: given }, same ? [key] : []);
}

// A field that sets a key; what is asked for in words is `label`, what it does is `help`.
export function setting(key, label, { help, names = {}, empty, after } = {}) {
  const part = about(key);
  const kind = shape(part);
  const now = standing(key);
  const keep = async (given) => {
    await set(key, given);
    after?.();
  };
  let input = null;
  if (kind.choices && !kind.number) {
    input = h("select", { onchange: (event) => keep(event.target.value) }, kind.choices.map((name) => h("option", { value: name, selected: name === now }, names[name] ?? name)));
  } else if (kind.boolean) {
    input = h("input", { type: "checkbox", checked: Boolean(now), onchange: (event) => keep(event.target.checked) });
  } else {
    input = h("input", { type: "text", inputMode: "decimal", value: now ?? "", placeholder: empty ?? "", autocomplete: "off", onchange: (event) => keep(read(event.target.value.trim(), kind)) });
  }
  const box = field(label, input, help ?? part.description ?? "");
  const fault = h("p", { class: "fault small", role: "alert", hidden: true });
  box.append(fault);
  box.dataset.key = key;
  tellFault(box, fault, input, key);
  return box;
}

function tellFault(box, fault, input, key) {
  const look = () => {
    if (!box.isConnected && box.dataset.placed) return off();
    if (box.isConnected) box.dataset.placed = "yes";
    const found = state.draft.faults.find((one) => one.where === key || one.where.startsWith(`${key}[`));
    fault.hidden = !found;
    fault.textContent = found?.what ?? "";
    input.setAttribute("aria-invalid", String(Boolean(found)));
    return null;
  };
  const off = on("draft", look);
  look();
}

function read(text, kind) {
  if (text === "" && kind.nullable) return null;
  const pair = text.match(/^(\d+)\s*[×x,]\s*(\d+)$/);
  if (pair) return [Number(pair[1]), Number(pair[2])];
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}
