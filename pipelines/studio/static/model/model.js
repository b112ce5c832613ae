// Model: four doors to a network, and what Darkroom would take by itself.


import { action, at, h } from "../elements/dom.js";
import { change, state, value } from "../client/state.js";
import { builder } from "./builder.js";
import { gallery } from "./gallery.js";
import { uploader } from "./uploader.js";
import { goOn } from "./earlier_runs.js";

export const commands = (all) => [all.model];

const DOORS = [
  ["auto", "Chosen for you", "A small network for tiny pictures; MobileNetV2 with ImageNet weights for photos.", automatic],
  ["pretrained", "Pretrained", "A network that has seen a million photos; only its end is new.", gallery],
  ["layers", "Build your own", "Layer by layer, checked as you go.", builder],
  ["upload", "Upload yours", "A .keras or .h5 file, or a zip of one, checked before it is used.", uploader],
  ["bundle", "Go on", "From what an earlier run has learnt.", goOn],
];

export function kindOf(model = value("train.model") ?? {}) {
  if (model.layers) return "layers";
  if (model.path) return "upload";
  if (model.from) return "bundle";
  return model.name ? "pretrained" : "auto";
}

export async function show(page, [asked]) {
  const standing = kindOf();
  const open = DOORS.some(([key]) => key === asked) ? asked : standing;
  const panel = h("div", { id: "panel", role: "tabpanel", "aria-labelledby": `door-${open}` });
  const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Ways to a model" }, DOORS.map(([key, name, text]) =>
    h("button", { type: "button", role: "tab", id: `door-${key}`, class: "tab", "aria-selected": String(key === open), "aria-controls": "panel", tabIndex: key === open ? 0 : -1, onclick: () => { location.hash = `#model/${key}`; }, onkeydown: arrows },
      h("b", {}, name, h("span", { class: "tag done", hidden: true }, "chosen")), h("span", { class: "soft small" }, text))));
  const foot = h("div", { class: "next sticky" });
  page.append(h("h1", {}, "Model"), h("p", { class: "lead" }, "What learns. The output, one value for each class, is always added for you."), tabs, panel, foot);
  const draw = () => {
    const { draft } = state;
    const chosen = kindOf();
    for (const tab of tabs.children) tab.querySelector(".tag").hidden = tab.id !== `door-${chosen}`;
    const why = draft.decisions.filter((text) => text.startsWith("train.model"));
    foot.replaceChildren(draft.reasons.length && draft.params.data ? h("p", { class: "fault", role: "alert" }, draft.reasons[0]) : h("p", { class: "soft" }, why.length ? why.map((text) => text.replace(/^train\.model\.\w+: /, "")).join(" ") : ""),
      h("a", { class: "button main", href: "#training", id: "next" }, "Next: the training"));
  };
  const leave = await DOORS.find(([key]) => key === open)[3](panel, draw);
  draw();
  return leave;
}

function arrows(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const keys = DOORS.map(([key]) => key);
  const now = keys.indexOf(event.currentTarget.id.slice("door-".length));
  location.hash = `#model/${keys[(now + step + keys.length) % keys.length]}`;
  setTimeout(() => at(`door-${keys[(now + step + keys.length) % keys.length]}`)?.focus(), 150);
}

async function automatic(panel, draw) {
  const chosen = kindOf() === "auto";
  const resolved = state.draft.resolved?.train.model;
  panel.replaceChildren(h("section", { class: "card" }, h("h2", {}, "Chosen for you"),
    resolved && chosen ? h("p", {}, "For these photos it takes ", h("b", {}, resolved.name ?? `a network of ${resolved.layers?.length} layers`), `, at ${size(state.draft.resolved.preprocess.image_size)} pixels.`)
      : h("p", {}, "It looks at the size of your photos, and says what it took and why."),
    chosen ? h("p", { class: "good" }, "This is chosen.") : action("Take this", async () => {
      await change({}, ["train.model"]);
      location.hash = "#model/auto";
      dispatchEvent(new HashChangeEvent("hashchange"));
    }, { class: "button main" }),
    resolved?.layers && chosen ? h("p", {}, action("Take its layers and change them", async () => {
      await change({ "train.model": { layers: resolved.layers } });
      location.hash = "#model/layers";
    })) : null));
  draw();
}

export const size = (given) => Array.isArray(given) ? given.join(" × ") : `${given} × ${given}`;

