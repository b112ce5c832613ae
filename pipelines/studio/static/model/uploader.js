// Uploads of custom models: each is checked by a job, and can be used if it is accepted.

import { get, post, query, upload } from "../client/api.js";
import { changeParams, isUnfinished, on, paramValue } from "../client/state.js";
import { actionButton, field, h, ignoreFailure, select, showProblem } from "../elements/dom.js";
import { formatCount } from "../elements/format.js";
import { uploadedModelParams } from "./uploaded_model.js";

/** @import { Backbone, Upload, UploadedModel } from "./types.js" */

const PIXEL_SCALES = ["0 to 255", "-1 to 1", "0 to 1", "ImageNet mean and deviation", "BGR less ImageNet mean"];
const DEFAULT_PIXELS = "0 to 1";
/** @type {[string, string][]} */
const HEADS = [
  ["", "Keep the model's head: its classes are those of my data"],
  ["linear", "New: pooling and dropout"],
  ["dense", "New: pooling, dropout and a layer of 100 units"],
  ["vgg", "New: flattening and a layer of 256 units, as in VGG"],
];
const OUTPUTS = {
  softmax: "probabilities that add up to 1 (softmax)",
  sigmoid: "one independent probability per output (sigmoid)",
  values: "values that are not probabilities",
  features: "a feature map, without a head",
};

/**
 * Fills the panel; the returned function cleans up when the user leaves it.
 * @param {HTMLElement} panel
 * @param {() => void} drawFoot
 */
export async function uploader(panel, drawFoot) {
  const list = h("div", {});
  const load = async () => {
    /** @type {[Upload[], Backbone[]]} */
    const [uploads, backbones] = await Promise.all([get("api/model/uploads"), get("api/gallery")]);
    const architectures = backbones.map(({ name }) => name).sort();
    list.replaceChildren(...uploads.map((job) => uploadCard(job, architectures, drawFoot, load)));
  };
  panel.replaceChildren(uploadDoor(load), list);
  await load();
  return on("jobs", () => load().catch(ignoreFailure));
}

/** @param {() => Promise<void>} load */
function uploadDoor(load) {
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
  const input = h("input", {
    type: "file",
    class: "away",
    id: "model-file",
    accept: ".keras,.h5,.hdf5,.zip",
    onchange: ({ currentTarget }) => uploadModel(currentTarget.files?.[0]),
  });
  /** @param {File | undefined} file */
  const uploadModel = async (file) => {
    if (!file) return;
    bar.hidden = false;
    try {
      await upload(`api/model/upload?${query({ name: file.name })}`, file, (share) => {
        bar.value = share;
      });
      await load();
    } catch (error) {
      showProblem(error);
    }
    bar.hidden = true;
    input.value = "";
  };
  /** @param {DragEvent} event */
  const ondrop = (event) => {
    event.preventDefault();
    uploadModel(event.dataTransfer?.files[0]);
  };
  const help =
    "No code in the file is run: its weights are read in a confined process, its layers are checked against a list " +
    "of allowed layers, and the network is rebuilt from the checked layers.";
  return h(
    "section",
    { class: "card door", ondragover: (event) => event.preventDefault(), ondrop },
    h("h2", {}, "Upload your model"),
    h("p", { class: "soft" }, help),
    h("div", { class: "row" }, h("label", { class: "button main", htmlFor: "model-file" }, "Choose a file"), input),
    bar,
  );
}

/**
 * @param {Upload} job
 * @param {string[]} architectures The networks that a weights file can belong to.
 * @param {() => void} drawFoot
 * @param {() => Promise<void>} load
 */
function uploadCard(job, architectures, drawFoot, load) {
  const { report } = job;
  const isBusy = isUnfinished(job);
  const head = h("div", { class: "row between" }, h("h3", {}, job.about.name), statusTag(job));
  if (isBusy)
    return h("section", { class: "card" }, head, h("progress", { "aria-label": "The file is being checked" }));
  if (!report?.accepted) {
    const reason = report?.reason ?? job.error ?? "The file could not be checked.";
    const choice = architectureField(job, architectures, load);
    return h("section", { class: "card" }, head, h("p", { class: "fault" }, reason), choice);
  }
  return h(
    "section",
    { class: "card" },
    head,
    modelFacts(report.model),
    modelChoices(job, report.model, drawFoot, load),
  );
}

/** @param {Upload} job */
const isChosen = (job) => paramValue("train.model.path") === job.about.file;

/** @param {Upload} job */
function statusTag(job) {
  if (isUnfinished(job)) return h("span", { class: "tag running" }, "checking …");
  if (!job.report?.accepted) return h("span", { class: "tag failed" }, "rejected");
  return h("span", { class: "tag done" }, isChosen(job) ? "chosen" : "can be used");
}

/**
 * @param {Upload} job
 * @param {string[]} architectures
 * @param {() => Promise<void>} load
 */
function architectureField({ about }, architectures, load) {
  /** @param {string} architecture */
  const check = async (architecture) => {
    if (architecture) await post("api/model/check", { name: about.name, architecture }).then(load).catch(showProblem);
  };
  const choice = select([["", "…"], ...architectures], about.architecture, check);
  return field("If the file contains only weights, choose their network", choice);
}

/** @param {UploadedModel} model */
function modelFacts(model) {
  const { preprocessing } = model;
  const facts = [
    ["Format", `${model.form}, Keras ${model.keras_version}`],
    ["Input", model.input_shape.map((side) => side ?? "any").join(" × ")],
    ["Output", `${model.output_shape.join(" × ")} ${OUTPUTS[model.output] ?? ""}`],
    ["Layers", formatCount(model.num_layers)],
    ["Weights", formatCount(model.num_parameters)],
    ["Pixels", preprocessing ? `${preprocessing.pixels}. ${preprocessing.why}` : "unknown"],
    ["SHA-256", model.uploaded_sha256.slice(0, 16)],
  ];
  const items = facts.map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]);
  return h("dl", { class: "facts-list small" }, items);
}

/**
 * @param {Upload} job
 * @param {UploadedModel} model
 * @param {() => void} drawFoot
 * @param {() => Promise<void>} load
 */
function modelChoices(job, model, drawFoot, load) {
  const isInUse = isChosen(job);
  const { preprocessing } = model;
  let head = isInUse ? (paramValue("train.model.head") ?? "") : model.output === "features" ? "linear" : "";
  let pixels = (isInUse ? paramValue("train.model.pixels") : undefined) ?? preprocessing?.pixels ?? DEFAULT_PIXELS;
  const take = async () => {
    await changeParams({ "train.model": uploadedModelParams(job.about, model, head, pixels) });
    drawFoot();
    await load();
  };
  const update = () => {
    if (isInUse) take().catch(showProblem);
  };
  const heads = select(HEADS, head, (choice) => {
    head = choice;
    update();
  });
  const pixelScales = select(PIXEL_SCALES, pixels, (choice) => {
    pixels = choice;
    update();
  });
  const fields = h(
    "div",
    { class: "fields" },
    field("Head", heads, "A new head learns your classes from the model's features."),
    preprocessing?.is_certain
      ? null
      : field(
          "Pixel range in training",
          pixelScales,
          "The file does not specify it. Ask the person who trained the model.",
        ),
  );
  const use = actionButton("Use this model", take, { class: "button main" });
  return [fields, isInUse ? h("p", { class: "good" }, "The model has been chosen.") : use];
}
