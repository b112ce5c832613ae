// Phases: the parts of a training run, each with its own layers, length and learning rate.

import { isSame } from "../client/params.js";
import { changeParams, paramValue, resolvedValue } from "../client/state.js";
import { actionButton, card, child, field, h, select } from "../elements/dom.js";
import { phaseLayers } from "./phase_layers.js";
import { essentials, TWO_PHASES, withAnotherPhase, withoutPhase, withPhaseValue } from "./phase_list.js";
import { settingBox } from "./setting.js";

/** @import { Phase } from "../client/types.js" */

const FIELDS = [
  { key: "epochs", label: "Epochs", placeholder: "same as above", type: "number" },
  { key: "learning_rate", label: "Learning rate", placeholder: "same as above", type: "number" },
  { key: "warmup_epochs", label: "Warm-up", placeholder: "0", type: "number" },
];

/** @type {[string, string][]} */
const OPTIMIZERS = [
  ["", "same as above"],
  ["adam", "Adam"],
  ["adamw", "AdamW"],
  ["sgd", "SGD with momentum"],
  ["rmsprop", "RMSprop"],
];

/** @typedef {(change: (phases: Phase[]) => Phase[]) => unknown} EditPhases */

/**
 * The card for editing the phases. It is redrawn only if their number changes or if they are changed elsewhere, so that
 * a field keeps the focus and an edit does not undo an earlier edit that is still being saved.
 */
export function phasesCard() {
  const body = h("div", { class: "phases" });
  let phases = draftPhases();
  let chosen = chosenPhases();
  let numUnsaved = 0;
  const draw = () => body.replaceChildren(...(phases.length ? phaseList(phases, edit) : noPhases(chosen, edit)));
  const follow = () => {
    if (numUnsaved || (isSame(phases, draftPhases()) && isSame(chosen, chosenPhases()))) return;
    phases = draftPhases();
    chosen = chosenPhases();
    draw();
  };
  /** @type {EditPhases} */
  const edit = (change) => {
    const numPhases = phases.length;
    phases = change(phases);
    if (phases.length !== numPhases) {
      draw();
      child(body, ".phase:last-child select, #two-phases").focus();
    }
    numUnsaved += 1;
    const isEmpty = !phases.length;
    return changeParams(isEmpty ? {} : { "train.phases": phases }, isEmpty ? ["train.phases"] : []).finally(() => {
      numUnsaved -= 1;
      follow();
    });
  };
  draw();
  return settingBox(card("Phases", body), "train.phases", follow);
}

/** @returns {Phase[]} */
function draftPhases() {
  const phases = paramValue("train.phases");
  return Array.isArray(phases) ? phases : [];
}

/**
 * The phases that were chosen automatically; empty if the draft has its own phases.
 * @returns {Phase[]}
 */
function chosenPhases() {
  const phases = draftPhases().length ? null : resolvedValue("train.phases");
  return Array.isArray(phases) ? phases.map(essentials) : [];
}

/**
 * @param {Phase[]} chosen The phases that were chosen automatically.
 * @param {EditPhases} edit
 */
function noPhases(chosen, edit) {
  const texts = chosen.map(({ epochs, trainable }) => `${trainable} (epochs: ${epochs})`);
  const help = chosen.length
    ? `Chosen for this network: ${texts.join(", then ")}.`
    : "One phase, with the values above. For a pretrained network, two are often better: first the head, then the " +
      "last layers at a low learning rate.";
  const label = chosen.length ? "Edit these phases" : "Use two phases";
  const attributes = { class: "button small", id: "two-phases" };
  const button = actionButton(label, () => edit(() => (chosen.length ? chosen : TWO_PHASES)), attributes);
  return [h("p", { class: "soft" }, help), button];
}

/**
 * @param {Phase[]} phases
 * @param {EditPhases} edit
 */
function phaseList(phases, edit) {
  const help = "Phases run one after another. Empty fields use the values above.";
  const items = phases.map((phase, position) => {
    /**
     * @param {string} key
     * @param {string} text
     * @param {boolean} isNumber
     */
    const set = (key, text, isNumber) => edit((list) => withPhaseValue(list, position, key, text, isNumber));
    return phaseItem(phase, position, set, () => edit((list) => withoutPhase(list, position)));
  });
  const another = actionButton("Add a phase", () => edit(withAnotherPhase), { class: "button small" });
  return [
    h("p", { class: "soft small" }, help),
    h("ol", { class: "layers" }, items),
    h(
      "div",
      { class: "row" },
      another,
      actionButton("Use one phase", () => edit(() => []), { class: "link" }),
    ),
  ];
}

/**
 * @param {Phase} phase
 * @param {number} position
 * @param {(key: string, text: string, isNumber: boolean) => unknown} set
 * @param {() => unknown} remove
 */
function phaseItem(phase, position, set, remove) {
  const number = position + 1;
  const label = `Remove phase ${number}`;
  const fields = FIELDS.map(({ key, label: name, placeholder, type }) => {
    const onchange = (/** @type {{ currentTarget: HTMLInputElement }} */ { currentTarget }) =>
      set(key, currentTarget.value.trim(), type === "number");
    return field(name, h("input", { type, step: "any", value: phase[key] ?? "", placeholder, onchange }));
  });
  const keepOptimizer = (/** @type {string} */ name) => set("optimizer", name, false);
  const optimizer = field("Optimizer", select(OPTIMIZERS, String(phase.optimizer ?? ""), keepOptimizer));
  return h(
    "li",
    { class: "layer phase" },
    h(
      "div",
      { class: "row between" },
      h("b", {}, `Phase ${number}`),
      h("button", { type: "button", class: "icon", "aria-label": label, onclick: remove }, "×"),
    ),
    h(
      "div",
      { class: "fields" },
      phaseLayers(phase.trainable, (text) => set("trainable", text, false)),
      fields,
      optimizer,
    ),
  );
}
