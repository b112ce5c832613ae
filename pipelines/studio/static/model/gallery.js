// The pretrained backbones: what each costs here, when to choose it, and which of its layers shall learn.

import { get, post } from "../client/api.js";
import { action, complain, count, field, h, select } from "../elements/dom.js";
import { change, on, state, value } from "../client/state.js";

const HEADS = [["linear", "Pooling and dropout: the usual"], ["dense", "And a layer of 100 units"], ["vgg", "Flatten and 256 units, as VGG has it"]];

export async function gallery(panel, drawFoot) {
  const grid = h("div", { class: "gallery" });
  const chosenPart = h("div", {});
  let cards = [];
  const draw = () => {
    const chosen = value("train.model.name");
    grid.replaceChildren(...cards.map((card) => cardOf(card, card.name === chosen && !value("train.model.path"), choose)));
    chosenPart.replaceChildren(chosen ? h("section", { class: "card" }, h("h2", {}, `${chosen}: what stands on it`),
      field("The head", select(HEADS, value("train.model.head") ?? "linear", (head) => change({ "train.model.head": head }).then(drawFoot)), "What is new: it learns your classes."),
      weightsFields(drawFoot)) : "");
  };
  const choose = async (name) => {
    await change({ "train.model": { name } });
    draw();
    drawFoot();
  };
  const load = async () => {
    cards = await get("/api/gallery");
    draw();
  };
  panel.replaceChildren(h("div", { class: "row between" }, h("p", { class: "soft" }, "The lightest first. Work is counted in thousand million multiplications for a photo."),
    action("Measure all here", () => post("/api/gallery/measure", { names: cards.filter((card) => card.milliseconds === null).map((card) => card.name).slice(0, 14) }), { class: "button small" })), chosenPart, grid);
  await load();
  return on("jobs", () => load().catch(complain));
}

function cardOf(card, chosen, choose) {
  const measured = state.jobs.some((job) => job.kind === "speed" && ["waiting", "running"].includes(job.state) && job.command.includes(card.name));
  return h("section", { class: `card model-card${chosen ? " chosen" : ""}`, "aria-label": card.name },
    h("div", { class: "row between" }, h("h3", {}, card.name), chosen ? h("span", { class: "tag done" }, "chosen") : null),
    h("p", { class: "soft" }, card.advice),
    h("dl", { class: "figures small" }, figure("Photos", `${card.image_size} px`), figure("Weights", `${(card.num_parameters / 1e6).toFixed(1)} M`), figure("Size", `${count(Math.round(card.megabytes))} MB`), figure("Work", card.giga_multiply_adds.toFixed(1)),
      figure("A photo here", card.milliseconds === null ? measured ? "is measured …" : "not measured" : `${card.milliseconds.toFixed(1)} ms`)),
    h("p", { class: "small soft" }, card.is_here ? "Its weights are on this machine." : "Its weights are fetched when they are needed."),
    h("div", { class: "row" }, chosen ? null : action("Choose", () => choose(card.name), { class: "button small", "aria-label": `Choose ${card.name}` }),
      card.milliseconds === null && !measured ? action("Measure", () => post("/api/gallery/measure", { names: [card.name] }), { class: "link", "aria-label": `Measure ${card.name}` }) : null,
      action("ImageNet's classes, no training", async () => {
        const job = await post("/api/gallery/package", { name: card.name });
        location.hash = `#live/${job.id}`;
      }, { class: "link", "aria-label": `${card.name} with ImageNet's classes, without training` })));
}

// ImageNet's, none, or a file of this computer.
function weightsFields(drawFoot) {
  const now = value("train.model.weights") ?? "imagenet";
  const named = !["imagenet", "none"].includes(now);
  const keep = (weights) => change({ "train.model.weights": weights }).then(drawFoot);
  const path = h("input", { type: "text", id: "weights-path", value: named ? now : "", placeholder: "/home/me/weights.h5", autocomplete: "off", spellcheck: false, onchange: (event) => event.target.value.trim() && keep(event.target.value.trim()) });
  const place = field("The file", path, "An .h5 file of this network's weights, without top.");
  place.hidden = !named;
  return [field("Its weights", select([["imagenet", "ImageNet: a million photos"], ["none", "None: from the start, which wants many photos"], ["file", "A file on this computer"]], named ? "file" : now, (chosen) => {
    place.hidden = chosen !== "file";
    if (chosen === "file") path.focus();
    else keep(chosen);
  }, { id: "weights" })), place];
}

const figure = (name, text) => h("div", {}, h("dt", {}, name), h("dd", {}, text));
