// Phases: stretches of training, each with its own layers, length and learning rate.

import { changeParams, paramValue } from "../client/state.js";
import { actionButton, card, field, h, select } from "../elements/dom.js";
import { phaseLayers } from "./phase_layers.js";
import { TWO_PHASES, withAnotherPhase, withoutPhase, withPhaseValue } from "./phase_list.js";
import { settingBox } from "./setting.js";

/** @import { Phase } from "../client/types.js" */

const FIELDS = [
  { key: "epochs", label: "Epochs", placeholder: "as above", type: "number" },
  { key: "learning_rate", label: "Learning rate", placeholder: "as above", type: "number" },
  { key: "warmup_epochs", label: "Warm-up", placeholder: "0", type: "number" },
];

/** @type {[string, string][]} */
const OPTIMIZERS = [
  ["", "as above"],
  ["adam", "Adam"],
  ["adamw", "AdamW"],
  ["sgd", "SGD with momentum"],
  ["rmsprop", "RMSprop"],
];

/** The card of the phases. */
export function phasesCard() {
  const body = h("div", { class: "phases" });
  /** @param {Phase[]} phases */
  const keep = async (phases) => {
    await changeParams(phases.length ? { "train.phases": phases } : {}, phases.length ? [] : ["train.phases"]);
    draw();
  };
  const draw = () => {
    const phases = paramValue("train.phases");
    body.replaceChildren(...(Array.isArray(phases) ? phaseList(phases, keep) : singlePhase(keep)));
  };
  let last = "";
  const update = () => {
    const text = JSON.stringify(paramValue("train.phases"));
    if (text !== last) draw();
    last = text;
  };
  return settingBox(card("Phases", body), "train.phases", update);
}

/** @param {(phases: Phase[]) => Promise<void>} keep */
function singlePhase(keep) {
  const help =
    "One phase, with the values above. With a pretrained model two are better: the head first, then its last layers, " +
    "slowly.";
  const attributes = { class: "button small", id: "two-phases" };
  return [h("p", { class: "soft" }, help), actionButton("Make two phases", () => keep(TWO_PHASES), attributes)];
}

/**
 * @param {Phase[]} phases
 * @param {(phases: Phase[]) => Promise<void>} keep
 */
function phaseList(phases, keep) {
  const help = "One after another. What is left empty is as above.";
  const items = phases.map((phase, position) => {
    /**
     * @param {string} key
     * @param {string} text
     * @param {boolean} isNumber
     */
    const set = (key, text, isNumber) => keep(withPhaseValue(phases, position, key, text, isNumber));
    return phaseItem(phase, position, set, () => keep(withoutPhase(phases, position)));
  });
  const another = actionButton("Another phase", () => keep(withAnotherPhase(phases)), { class: "button small" });
  return [
    h("p", { class: "soft small" }, help),
    h("ol", { class: "layers" }, items),
    h(
      "div",
      { class: "row" },
      another,
      actionButton("One phase again", () => keep([]), { class: "link" }),
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
