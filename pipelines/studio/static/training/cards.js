// The simple cards of the Training screen, which contain little more than settings.

import { valueAt } from "../client/params.js";
import { resolvedJson, resolvedValue, startJob } from "../client/state.js";
import { actionButton, card, field, h } from "../elements/dom.js";
import { currentValue, setParam, settingBox, settingField } from "./setting.js";

/** @import { Json } from "../client/types.js" */

const DEFAULT_PATIENCE = 10;

/** The card with the settings that reduce overfitting. */
export function regularizationCard() {
  return card(
    "Regularization and loss",
    h(
      "div",
      { class: "fields" },
      patienceField(),
      settingField("train.imbalance", "Imbalanced classes", {
        names: { none: "unchanged", class_weights: "rare classes count more", oversample: "rare classes are repeated" },
      }),
      settingField("train.label_smoothing", "Label smoothing", {
        help: "0.1 makes the model less confident, and often more accurate.",
      }),
      settingField("train.loss", "Loss", {
        names: { crossentropy: "Cross-entropy", focal: "Focal: emphasizes difficult photos" },
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
  const help = "Stops after this many epochs without a lower validation loss; 0 means never. The best epoch is kept.";
  return settingBox(field("Early stopping, epochs", input, help), key, () => {
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
    settingField("train.ema", "Moving average of the weights", { empty: "none" }),
    settingField("train.swa", "Weights averaged over the last epochs", { empty: "none" }),
    settingField("train.weight_decay", "Weight decay", { empty: "the optimizer's default" }),
    settingField("train.layer_decay", "Learning rate decay by layer"),
    settingField("train.views", "Variants of each photo"),
    settingField("train.accumulate", "Batches per step"),
    settingField("train.min_epoch_steps", "Minimum steps per epoch", {
      help: "If the data set is too small, it is used several times per epoch.",
    }),
    settingField("train.precision", "Precision"),
    settingField("train.export_precision", "Precision of the service"),
    settingField("train.seed", "Seed"),
  );
}

/** The card for setting how photos are prepared. */
export function photosCard() {
  return card(
    "Photos",
    h(
      "div",
      { class: "fields" },
      settingField("preprocess.image_size", "Size, pixels", {
        help: "auto, which is the size that the model was designed for, or a size such as 128 or 96 × 128.",
      }),
      settingField("preprocess.resize", "Photos with a different aspect ratio", {
        names: { stretch: "stretched", crop: "cropped", pad: "padded" },
      }),
      settingField("preprocess.pixel_range", "White value of 16-bit photos", {
        help: "auto, which depends on how many bits the photos use, or the value that means white, such as 4095.",
      }),
      settingField("preprocess.validation_fraction", "Validation fraction"),
      settingField("preprocess.test_fraction", "Test fraction"),
    ),
  );
}

/** The card for setting up the hyperparameter search. */
export function tuneCard() {
  const help =
    "Tries different learning rates, batch sizes and augmentation in short training runs, and uses the values with " +
    "the highest validation accuracy.";
  return card(
    "Search for better values",
    h("p", { class: "soft" }, help),
    h(
      "div",
      { class: "fields" },
      settingField("tune.trials", "Trials"),
      settingField("tune.minutes", "Time limit, minutes", { empty: "no limit" }),
      settingField("tune.sampler", "Sampler", { names: { tpe: "learns from earlier trials", random: "random" } }),
      settingField("tune.pruner", "Pruner (stops poor trials early)"),
    ),
  );
}

/** The card for setting the requirements of the quality gate. */
export function gateCard() {
  return card(
    "Requirements for a champion",
    h(
      "div",
      { class: "fields" },
      settingField("evaluate.gate.min_accuracy", "Minimum accuracy"),
      settingField("evaluate.gate.max_recall_drop", "Maximum drop in a class's recall"),
      settingField("evaluate.gate.max_latency_ms", "Maximum time per photo, ms", { empty: "no limit" }),
    ),
  );
}

/** The card for training on Kubeflow Pipelines. */
export function clusterCard() {
  const host = h("input", { type: "url", id: "host", placeholder: "https://kfp.example.org", autocomplete: "off" });
  const rollout = h("input", { id: "rollout", placeholder: "darkroom/darkroom-serve", autocomplete: "off" });
  const isRemote = resolvedValue("data.uri")?.includes("://");
  const help = "The cluster must be able to read the photos: use an address such as s3://… and set the photo size.";
  const submit = async () => {
    const job = await startJob({ kind: "submit", host: host.value, rollout: rollout.value });
    location.hash = `#live/${job.id}`;
  };
  return card(
    "Train on a cluster",
    h("p", { class: "soft small" }, isRemote ? "" : help),
    settingField("deploy.model_name", "Model name", { help: "Required on a cluster." }),
    field("Address of Kubeflow Pipelines", host),
    field("Roll out to", rollout, "The deployment that serves promoted models, as namespace/name; may be empty."),
    actionButton("Submit", submit, { id: "submit" }),
  );
}
