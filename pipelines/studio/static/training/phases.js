// Phases: stretches of training, each with its own layers, length and rate.

import { action, card, field, h } from "../elements/dom.js";
import { change, state, value } from "../client/state.js";

const TWO = [{ trainable: "head", epochs: 3 }, { trainable: "last 20", epochs: 8, optimizer: "adamw", learning_rate: 0.0003, warmup_epochs: 1 }];
const KEYS = [["trainable", "Layers", "as above", "text"], ["epochs", "Epochs", "as above", "number"], ["learning_rate", "Learning rate", "as above", "number"], ["optimizer", "Optimizer", "as above", "text"], ["warmup_epochs", "Warm-up", "0", "number"]];

export function phasesCard() {
  const body = h("div", { class: "phases" });
  const draw = () => {
    const phases = value("train.phases");
    const keep = async (next) => {
      await change(next?.length ? { "train.phases": next } : {}, next?.length ? [] : ["train.phases"]);
      draw();
    };
    if (!Array.isArray(phases)) {
      body.replaceChildren(h("p", { class: "soft" }, "One phase, with the values above. With a pretrained model two are better: the head first, then its last layers, slowly."),
        action("Make two phases", () => keep(TWO), { class: "button small", id: "two-phases" }));
      return;
    }
    const faults = state.draft.faults.filter((one) => one.where.startsWith("train.phases"));
    body.replaceChildren(h("p", { class: "soft small" }, "Layers are head, all, last 20, from NAME, or none; what is left empty is as above."), h("ol", { class: "layers" }, phases.map((phase, place) => h("li", { class: "layer phase" },
      h("div", { class: "row between" }, h("b", {}, `Phase ${place + 1}`), h("button", { type: "button", class: "icon", "aria-label": `Remove phase ${place + 1}`, onclick: () => keep(phases.filter((_, number) => number !== place)) }, "×")),
      h("div", { class: "fields" }, KEYS.map(([key, label, placeholder, type]) => field(label, h("input", { type, step: "any", value: phase[key] ?? "", placeholder, onchange: (event) => {
        const next = structuredClone(phases);
        const text = event.target.value.trim();
        if (text === "") delete next[place][key];
        else next[place][key] = type === "number" ? Number(text) : text;
        keep(next);
      } }))))))), ...faults.map((one) => h("p", { class: "fault small", role: "alert" }, `${one.where}: ${one.what}`)), h("div", { class: "row" }, action("Another phase", () => keep([...phases, { trainable: "all", epochs: 5, learning_rate: 0.0001 }]), { class: "button small" }),
    action("One phase again", () => keep(null), { class: "link" })));
  };
  draw();
  return card("Phases", body);
}
