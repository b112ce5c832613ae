// The cards of the screen Training that are lists of settings.

import { valueAt } from "../client/params.js";
import { resolvedJson, resolvedValue, startJob } from "../client/state.js";
import { actionButton, card, field, h } from "../elements/dom.js";
import { currentValue, setParam, settingBox, settingField } from "./setting.js";

/** @import { Json } from "../client/types.js" */

const DEFAULT_PATIENCE = 10;

/** Against overfitting. */
export function regularizationCard() {
  return card(
    "Against learning by heart",
    h(
      "div",
      { class: "fields" },
      patienceField(),
      settingField("train.imbalance", "Classes of unequal size", {
        names: { none: "as they are", class_weights: "rare ones count more", oversample: "rare ones come more often" },
      }),
      settingField("train.label_smoothing", "Label smoothing", {
        help: "0.1 makes it less sure of itself, and often better.",
      }),
      settingField("train.loss", "Loss", {
        names: { crossentropy: "Cross-entropy", focal: "Focal: looks at the hard ones" },
      }),
    ),
    h("details", {}, h("summary", {}, "More"), moreSettings()),
  );
}

function patienceField() {
  const key = "train.early_stopping";
  const input = h("input", {
    type: "number",
    id: "patience",
    min: 0,
    onchange: ({ currentTarget: { value } }) => {
      if (value === "") return setParam(key, "auto");
      return setParam(key, Number(value) > 0 ? { patience: Number(value) } : null);
    },
  });
  const help = "So many without a better validation loss; 0 never stops. The best epoch is kept.";
  return settingBox(field("Stop early after, epochs", input, help), key, () => {
    const value = currentValue(key);
    if (input !== document.activeElement) input.value = value === "auto" ? "" : String(patienceOf(value));
    const chosen = resolvedJson(key);
    input.placeholder = chosen === undefined ? "auto" : `auto: ${patienceOf(chosen) || "never"}`;
  });
}

/** @param {Json | undefined} stopping */
function patienceOf(stopping) {
  if (stopping === null) return 0;
  return Number(valueAt(stopping, "patience") ?? DEFAULT_PATIENCE);
}

function moreSettings() {
  return h(
    "div",
    { class: "fields" },
    settingField("train.mixup", "Mixup"),
    settingField("train.cutmix", "CutMix"),
    settingField("train.ema", "Running mean of the weights", { empty: "none" }),
    settingField("train.swa", "Mean of the last epochs", { empty: "none" }),
    settingField("train.weight_decay", "Weight decay", { empty: "the optimizer's own" }),
    settingField("train.layer_decay", "Rate of earlier layers"),
    settingField("train.views", "Variants of each photo"),
    settingField("train.accumulate", "Batches to a step"),
    settingField("train.min_epoch_steps", "Steps in an epoch, at least", {
      help: "A small set passes several times in each epoch.",
    }),
    settingField("train.precision", "Precision"),
    settingField("train.export_precision", "Served in"),
    settingField("train.seed", "Seed"),
  );
}

/** How photos are prepared. */
export function photosCard() {
  return card(
    "Photos",
    h(
      "div",
      { class: "fields" },
      settingField("preprocess.image_size", "Size, pixels", {
        help: "auto: what the model was made for. Or 128, or 96 × 128.",
      }),
      settingField("preprocess.resize", "Other shapes are", {
        names: { stretch: "stretched", crop: "cropped", pad: "padded" },
      }),
      settingField("preprocess.pixel_range", "White of 16-bit photos", {
        help: "auto: by the bits that the photos use. Or the value that becomes white, such as 4095.",
      }),
      settingField("preprocess.validation_fraction", "Kept for choosing"),
      settingField("preprocess.test_fraction", "Kept for the final figures"),
    ),
  );
}

/** The hyperparameter search. */
export function tuneCard() {
  const help =
    "Tries short trainings with other rates, batches and variation, by the validation photos, and takes the best.";
  return card(
    "Search for better values",
    h("p", { class: "soft" }, help),
    h(
      "div",
      { class: "fields" },
      settingField("tune.trials", "Trials"),
      settingField("tune.minutes", "At most, minutes", { empty: "no limit" }),
      settingField("tune.sampler", "Tries", { names: { tpe: "learns from those before", random: "by chance" } }),
      settingField("tune.pruner", "Poor trials"),
    ),
  );
}

/** The quality gate. */
export function gateCard() {
  return card(
    "What a champion must reach",
    h(
      "div",
      { class: "fields" },
      settingField("evaluate.gate.min_accuracy", "Accuracy, at least"),
      settingField("evaluate.gate.max_recall_drop", "Worse in a class by at most"),
      settingField("evaluate.gate.max_latency_ms", "A photo takes at most, ms", { empty: "no limit" }),
    ),
  );
}

/** Training on Kubeflow Pipelines instead. */
export function clusterCard() {
  const host = h("input", { type: "url", id: "host", placeholder: "https://kfp.example.org", autocomplete: "off" });
  const isRemote = resolvedValue("data.uri")?.includes("://");
  const help = "A cluster must reach the photos: an address such as s3://…, and a size in pixels.";
  const submit = async () => {
    const job = await startJob({ kind: "submit", host: host.value });
    location.hash = `#live/${job.id}`;
  };
  return card(
    "On a cluster instead",
    h("p", { class: "soft small" }, isRemote ? "" : help),
    settingField("deploy.model_name", "The model is called", { help: "On a cluster it must be named." }),
    field("Kubeflow Pipelines", host),
    actionButton("Submit", submit, { id: "submit" }),
  );
}
