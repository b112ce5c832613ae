// Phases: stretches of training, each with its own layers, length and rate.

import { action, card, field, h } from "./dom.js";
import { change, value } from "./state.js";

const TWO = [{ trainable: "head", epochs: 3 }, { trainable: "last 20", epochs: 8, optimizer: "adamw", learning_rate: 0.0003, warmup_epochs: 1 }];
const KEYS = [["trainable", "Layers", "head, all, last 20, from NAME", "text"], ["epochs", "Epochs", "", "number"], ["learning_rate", "Learning rate", "", "number"], ["optimizer", "Optimizer", "as above", "text"], ["warmup_epochs", "Warm-up", "0", "number"]];

export function phasesCard() {
  const body = h("div", {});
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
    body.replaceChildren(h("ol", { class: "layers" }, phases.map((phase, place) => h("li", { class: "layer" },
      h("div", { class: "row between" }, h("b", {}, `Phase ${place + 1}`), h("button", { type: "button", class: "icon", "aria-label": `Remove phase ${place + 1}`, onclick: () => keep(phases.filter((_, number) => number !== place)) }, "×")),
      h("div", { class: "fields" }, KEYS.map(([key, label, placeholder, type]) => field(label, h("input", { type, step: "any", value: phase[key] ?? "", placeholder, onchange: (event) => {
        const next = structuredClone(phases);
        const text = event.target.value.trim();
        if (text === "") delete next[place][key];
        else next[place][key] = type === "number" ? Number(text) : text;
        keep(next);
      } }))))))), h("div", { class: "row" }, action("Another phase", () => keep([...phases, { trainable: "all", epochs: 5, learning_rate: 0.0001 }]), { class: "button small" }),
    action("One phase again", () => keep(null), { class: "link" })));
  };
  draw();
  return card("Phases", body);
}
