// The pretrained backbones: the cost of each on this machine, when to choose it, and its head.

import { get, post } from "../client/api.js";
import { changeParams, isUnfinished, on, paramValue, state } from "../client/state.js";
import { actionButton, field, figure, h, select, showProblem } from "../elements/dom.js";
import { formatCount } from "../elements/format.js";

/** @import { Backbone } from "./types.js" */

/** @type {[string, string][]} */
const HEADS = [
  ["linear", "Pooling and dropout (default)"],
  ["dense", "Pooling, dropout and a layer of 100 units"],
  ["vgg", "Flattening and a layer of 256 units, as in VGG"],
];
/** @type {[string, string][]} */
const WEIGHTS = [
  ["imagenet", "ImageNet: a million photos"],
  ["none", "None: training from scratch, which needs many photos"],
  ["file", "A file on this computer"],
];
const MAX_MEASURED = 14;

/**
 * Fills the panel; the returned function cleans up when the user leaves it.
 * @param {HTMLElement} panel
 * @param {() => void} drawFoot
 */
export async function gallery(panel, drawFoot) {
  const grid = h("div", { class: "gallery" });
  const chosenPart = h("div", {});
  /** @type {Backbone[]} */
  let backbones = [];
  const draw = () => {
    const chosenName = paramValue("train.model.name");
    const isUpload = Boolean(paramValue("train.model.path"));
    grid.replaceChildren(
      ...backbones.map((backbone) => backboneCard(backbone, backbone.name === chosenName && !isUpload, choose)),
    );
    chosenPart.replaceChildren(chosenName ? headCard(chosenName, drawFoot) : "");
  };
  /** @param {string} name */
  const choose = async (name) => {
    await changeParams({ "train.model": { name } });
    draw();
    drawFoot();
  };
  const load = async () => {
    backbones = await get("api/gallery");
    draw();
  };
  const measureAll = () => {
    const names = backbones.filter(({ milliseconds }) => milliseconds === null).map(({ name }) => name);
    return post("api/gallery/measure", { names: names.slice(0, MAX_MEASURED) });
  };
  const help = "Sorted by work, which is measured in billions of multiply-adds per photo.";
  panel.replaceChildren(
    h(
      "div",
      { class: "row between" },
      h("p", { class: "soft" }, help),
      actionButton("Measure the time of each", measureAll, { class: "button small" }),
    ),
    chosenPart,
    grid,
  );
  await load();
  return on("jobs", () => load().catch(showProblem));
}

/** @param {Backbone} backbone */
function isMeasuring({ name }) {
  return state.jobs.some((job) => job.kind === "speed" && isUnfinished(job) && job.command.includes(name));
}

/**
 * @param {Backbone} backbone
 * @param {boolean} isChosen
 * @param {(name: string) => Promise<void>} choose
 */
function backboneCard(backbone, isChosen, choose) {
  const { name } = backbone;
  const weights = backbone.is_here
    ? "Its weights are on this machine."
    : "Its weights are downloaded when they are needed.";
  return h(
    "section",
    { class: `card model-card${isChosen ? " chosen" : ""}`, "aria-label": name },
    h("div", { class: "row between" }, h("h2", {}, name), isChosen ? h("span", { class: "tag done" }, "chosen") : null),
    h("p", { class: "soft" }, backbone.advice),
    h(
      "dl",
      { class: "figures small" },
      figure("Image size", `${backbone.image_size} px`),
      figure("Weights", `${(backbone.num_parameters / 1e6).toFixed(1)} M`),
      figure("Size", `${formatCount(Math.round(backbone.megabytes))} MB`),
      figure("Work", backbone.giga_multiply_adds.toFixed(1)),
      figure("Time per photo", speedText(backbone)),
    ),
    h("p", { class: "small soft" }, weights),
    backboneActions(backbone, isChosen, choose),
  );
}

/** @param {Backbone} backbone */
function speedText(backbone) {
  if (backbone.milliseconds !== null) return `${backbone.milliseconds.toFixed(1)} ms`;
  return isMeasuring(backbone) ? "measuring …" : "not measured";
}

/**
 * @param {Backbone} backbone
 * @param {boolean} isChosen
 * @param {(name: string) => Promise<void>} choose
 */
function backboneActions(backbone, isChosen, choose) {
  const { name } = backbone;
  const measure = () => post("api/gallery/measure", { names: [name] });
  const packageIt = async () => {
    /** @type {{ id: string }} */
    const job = await post("api/gallery/package", { name });
    location.hash = `#live/${job.id}`;
  };
  const canMeasure = backbone.milliseconds === null && !isMeasuring(backbone);
  return h(
    "div",
    { class: "row" },
    isChosen
      ? null
      : actionButton("Choose", () => choose(name), { class: "button small", "aria-label": `Choose ${name}` }),
    canMeasure ? actionButton("Measure", measure, { class: "link", "aria-label": `Measure ${name}` }) : null,
    actionButton("Use with ImageNet's classes, without training", packageIt, {
      class: "link",
      "aria-label": `Use with ImageNet's classes, without training: ${name}`,
    }),
  );
}

/**
 * The head and the initial weights of the chosen backbone.
 * @param {string} name
 * @param {() => void} drawFoot
 */
function headCard(name, drawFoot) {
  /** @param {string} head */
  const setHead = (head) => changeParams({ "train.model.head": head }).then(drawFoot);
  const heads = select(HEADS, paramValue("train.model.head") ?? "linear", setHead);
  return h(
    "section",
    { class: "card" },
    h("h2", {}, `${name}: head and weights`),
    field("Head", heads, "The new layers, which learn your classes."),
    weightsFields(drawFoot),
  );
}

/** @param {() => void} drawFoot */
function weightsFields(drawFoot) {
  const weights = paramValue("train.model.weights") ?? "imagenet";
  const isFile = !["imagenet", "none"].includes(weights);
  /** @param {string} value */
  const keep = (value) => changeParams({ "train.model.weights": value }).then(drawFoot);
  const path = h("input", {
    type: "text",
    id: "weights-path",
    value: isFile ? weights : "",
    placeholder: "/home/me/weights.h5",
    autocomplete: "off",
    spellcheck: false,
    onchange: ({ currentTarget }) => currentTarget.value.trim() && keep(currentTarget.value.trim()),
  });
  const pathField = field("File", path, "An .h5 file with this network's weights, without its top layers.");
  pathField.hidden = !isFile;
  /** @param {string} choice */
  const choose = (choice) => {
    pathField.hidden = choice !== "file";
    if (choice === "file") path.focus();
    else keep(choice);
  };
  return [field("Weights", select(WEIGHTS, isFile ? "file" : weights, choose, { id: "weights" })), pathField];
}
