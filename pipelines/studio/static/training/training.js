// Training: what learns, how long, how fast; what it will cost; and the start.

import { get, query } from "../client/api.js";
import { action, at, card, complain, debounce, field, h, say, seconds, select } from "../elements/dom.js";
import { begin, change, job, on, resolved, state } from "../client/state.js";
import { layerTree } from "./layer_tree.js";
import { set, setting, standing } from "./setting.js";
import { phasesCard } from "./phases.js";

export const commands = (all) => [all.training, all.rate];

const STRENGTHS = [["auto", "By the photos (proposed)"], ["none", "None"], ["light", "Light: turned, zoomed, shifted a little"], ["medium", "Medium: mirrored and recoloured too"], ["strong", "Strong: sheared, other colours, parts erased"], ["own", "My own …"]];
const OWN = [["horizontal_flip", "Mirror left and right", null], ["vertical_flip", "Mirror top and bottom", null], ["rotation_degrees", "Turn, degrees", 180], ["zoom", "Zoom", 0.9], ["shift", "Shift", 0.9], ["crop", "Crop", 0.9], ["shear_degrees", "Shear, degrees", 60], ["brightness", "Brightness", 0.9], ["contrast", "Contrast", 0.9], ["saturation", "Saturation", 0.9], ["hue_degrees", "Hue, degrees", 180], ["blur", "Blur, pixels", 20], ["noise", "Noise", 0.9], ["erasing", "Erasing", 0.9]];

export async function show(page) {
  const draft = () => state.draft;
  page.append(h("h1", {}, "Training"), h("p", { class: "lead" }, "Every value has a sound default. Change what you know better."));
  if (!draft().params.data) page.append(h("p", { class: "notice" }, "No photos are chosen yet. ", h("a", { href: "#data" }, "Choose them first.")));
  const estimate = h("p", { class: "estimate", role: "status" });
  const start = action("Start the training", async () => {
    const begun = await begin({ kind: "run" });
    location.hash = `#live/${begun.id}`;
  }, { class: "button main", id: "start" });
  const reasons = h("p", { class: "fault", role: "alert", id: "reasons" });
  const decisions = h("ul", { class: "plain small soft" });
  const tell = debounce(async () => {
    const found = await get("/api/estimate").catch(() => ({ low: null }));
    estimate.replaceChildren(found.low ? h("span", {}, "About ", h("b", {}, `${seconds(found.low)} to ${seconds(found.high)}`), `. ${found.why}`) : "");
  }, 200);
  let told = "";
  const draw = () => {
    const why = draft().params.data ? draft().reasons[0] ?? "" : "";
    start.disabled = !draft().ready;
    reasons.textContent = why;
    reasons.hidden = !why;
    if (why && why !== told) say(`The start is off: ${why}`);
    told = why;
    decisions.replaceChildren(...draft().decisions.map((text) => h("li", {}, text)));
    tell();
  };
  page.append(h("div", { class: "columns" }, h("div", {}, lengthCard(), trainableCard(), phasesCard(), augmentationCard(), steadyCard()),
    h("div", {}, photosCard(), tuneCard(),
      gateCard(), card("What the defaults become", decisions), clusterCard())),
  h("div", { class: "next sticky" }, h("div", {}, reasons, estimate), start));
  draw();
  return on("draft", draw);
}

function lengthCard() {
  const told = h("div", { role: "status" });
  let asked = null;
  const off = on("jobs", async () => {
    if (!told.isConnected) return off();
    const now = asked && job(asked);
    if (!now) return null;
    if (["waiting", "running"].includes(now.state)) told.replaceChildren(h("progress", { "aria-label": "The range test runs" }));
    else {
      asked = null;
      const { output, error } = await get(`/api/jobs/${now.id}`);
      const rate = output?.proposed;
      told.replaceChildren(now.state === "done" && rate ? h("p", {}, "The loss fell fastest at ", h("b", {}, rate.toExponential(1)), ". ",
        action("Take it", async () => {
          await change({ "train.learning_rate": Number(rate.toPrecision(2)) });
          at("main").querySelector("[data-key='train.learning_rate'] input").value = Number(rate.toPrecision(2));
        }, { class: "button small", id: "take-rate" })) : h("p", { class: "fault" }, error ?? "No rate was found."));
    }
    return null;
  });
  return card("How long and how fast", h("div", { class: "fields" },
    setting("train.epochs", "Epochs", { help: "How often every photo is seen. It stops earlier where nothing is gained." }),
    setting("train.batch_size", "Photos at once", { help: "Halved by itself where the memory is too small." }),
    setting("train.learning_rate", "Learning rate", { help: "How large a step is. Too large bursts, too small crawls." }),
    setting("train.optimizer", "Optimizer", { help: "How steps are made; adam is a safe choice.", names: { adam: "Adam", adamw: "AdamW", sgd: "SGD with momentum", rmsprop: "RMSprop" } }),
    setting("train.schedule", "The rate goes on", { names: { constant: "as it is", cosine: "down to 0, softly", one_cycle: "up, then down", step: "down in steps", plateau: "down where nothing is gained" }, help: "What becomes of the rate over the epochs." }),
    setting("train.warmup_epochs", "Warm-up, epochs", { help: "The rate rises to its value first." })),
  action("Find a learning rate by a range test", async () => {
    asked = (await begin({ kind: "rate" })).id;
    told.replaceChildren(h("progress", { "aria-label": "The range test waits or runs" }));
  }, { class: "button small", id: "range-test" }), told);
}

function trainableCard() {
  const now = standing("train.trainable");
  const [word, rest] = typeof now === "string" ? now.split(" ") : ["names"];
  const tree = h("div", {});
  const number = h("input", { type: "number", min: 1, value: word === "last" ? rest : 20, "aria-label": "How many layers", onchange: () => choose("last") });
  const choose = async (kind) => {
    number.hidden = kind !== "last";
    if (kind === "names") await layerTree(tree);
    else {
      tree.replaceChildren();
      await set("train.trainable", kind === "last" ? `last ${number.value}` : kind);
    }
  };
  number.hidden = word !== "last";
  const options = [["auto", "What is right for the model (proposed)"], ["head", "Only what is new"], ["all", "Everything"], ["last", "The last layers"], ["names", "Layers that I choose"], ["none", "Nothing: as it is"]];
  if (!options.some(([key]) => key === word)) options.push([word, String(now)]);
  if (word === "names") layerTree(tree).catch(complain);
  return card("Which layers learn", h("div", { class: "fields" }, field("Layers", select(options, word, choose, { id: "trainable" }), "Frozen layers keep what they know, and are computed once for all epochs.", true), number), tree);
}

function augmentationCard() {
  const picture = h("img", { class: "preview", alt: "A photo eight times, as the training sees it", hidden: true, onload: (event) => { event.target.hidden = false; }, onerror: (event) => { event.target.hidden = true; } });
  let number = 0;
  const own = h("div", { class: "fields sliders" });
  const now = () => standing("train.augmentation");
  const draw = debounce(() => {
    if (!state.draft.ready) return;
    picture.src = `/api/data/augmentation?${query({ augmentation: typeof now() === "string" ? now() : JSON.stringify(now()), number, of: state.draft.revision })}`;
  }, 150);
  const sliders = () => {
    const given = typeof now() === "string" ? null : { ...now() };
    own.replaceChildren(...(given ? OWN.map(([name, label, most]) => {
      const keep = async (one) => {
        if (one) given[name] = one;
        else delete given[name];
        await change({ "train.augmentation": { ...given } });
      };
      if (most === null) return field(label, h("input", { type: "checkbox", checked: Boolean(given[name]), onchange: (event) => keep(event.target.checked) }));
      const shown = h("output", {}, String(given[name] ?? 0));
      const input = h("input", { type: "range", min: 0, max: most, step: most > 1 ? 1 : 0.05, value: given[name] ?? 0, oninput: (event) => { shown.textContent = event.target.value; }, onchange: (event) => keep(Number(event.target.value)) });
      const box = field(label, input);
      box.append(shown);
      return box;
    }) : []));
  };
  const choose = async (name) => {
    if (name === "own") await change({ "train.augmentation": { rotation_degrees: 10, zoom: 0.1, shift: 0.1 } });
    else await set("train.augmentation", name);
    sliders();
  };
  const off = on("draft", () => {
    if (picture.dataset.placed && !picture.isConnected) off();
    else draw();
  });
  sliders();
  draw();
  setTimeout(() => { picture.dataset.placed = "yes"; });
  return card("Variation", h("p", { class: "soft" }, "Each photo is varied anew each time, so that the model learns what matters. Nothing that changes the class, please: a mirrored 3 is no 3."),
    h("div", { class: "fields" }, field("How strongly", select(STRENGTHS, typeof now() === "string" ? now() : "own", choose, { id: "augmentation" }))), own, picture,
    action("Another photo", async () => {
      number += 1;
      draw();
    }, { class: "link" }));
}

function steadyCard() {
  const stopping = standing("train.early_stopping");
  const patience = h("input", { type: "number", id: "patience", min: 0, value: stopping === null ? 0 : stopping?.patience ?? 10, onchange: (event) => {
    const epochs = Number(event.target.value);
    change({ "train.early_stopping": epochs > 0 ? { patience: epochs } : null });
  } });
  return card("Against learning by heart", h("div", { class: "fields" },
    field("Stop early after, epochs", patience, "So many without a better validation loss; 0 never stops. The best epoch is kept."),
    setting("train.imbalance", "Classes of unequal size", { names: { none: "as they are", class_weights: "rare ones count more", oversample: "rare ones come more often" } }),
    setting("train.label_smoothing", "Label smoothing", { help: "0.1 makes it less sure of itself, and often better." }),
    setting("train.loss", "Loss", { names: { crossentropy: "Cross-entropy", focal: "Focal: looks at the hard ones" } })),
  h("details", {}, h("summary", {}, "More"), h("div", { class: "fields" },
    setting("train.mixup", "Mixup"), setting("train.cutmix", "CutMix"), setting("train.ema", "Running mean of the weights", { empty: "none" }), setting("train.swa", "Mean of the last epochs", { empty: "none" }),
    setting("train.weight_decay", "Weight decay", { empty: "the optimizer's own" }), setting("train.layer_decay", "Rate of earlier layers"), setting("train.views", "Variants of each photo"), setting("train.accumulate", "Batches to a step"),
    setting("train.precision", "Precision"), setting("train.export_precision", "Served in"), setting("train.seed", "Seed"))));
}

function photosCard() {
  return card("Photos", h("div", { class: "fields" },
    setting("preprocess.image_size", "Size, pixels", { help: "auto: what the model was made for. Or 128, or 96 × 128." }),
    setting("preprocess.resize", "Other shapes are", { names: { stretch: "stretched", crop: "cropped", pad: "padded" } }),
    setting("preprocess.validation_fraction", "Kept for choosing"), setting("preprocess.test_fraction", "Kept for the final figures")));
}

function tuneCard() {
  return card("Search for better values", h("p", { class: "soft" }, "Tries short trainings with other rates, batches and variation, by the validation photos, and takes the best."),
    h("div", { class: "fields" }, setting("tune.trials", "Trials"), setting("tune.minutes", "At most, minutes", { empty: "no limit" }),
      setting("tune.sampler", "Tries", { names: { tpe: "learns from those before", random: "by chance" } }), setting("tune.pruner", "Poor trials")));
}

function gateCard() {
  return card("What a champion must reach", h("div", { class: "fields" }, setting("evaluate.gate.min_accuracy", "Accuracy, at least"), setting("evaluate.gate.max_recall_drop", "Worse in a class by at most"),
    setting("evaluate.gate.max_latency_ms", "A photo takes at most, ms", { empty: "no limit" })));
}

function clusterCard() {
  const host = h("input", { type: "url", id: "host", placeholder: "https://kfp.example.org", autocomplete: "off" });
  return card("On a cluster instead", h("p", { class: "soft small" }, resolved("data.uri")?.includes("://") ? "" : "A cluster must reach the photos: an address such as s3://…, and a size in pixels."),
    setting("deploy.model_name", "The model is called", { help: "On a cluster it must be named." }),
    field("Kubeflow Pipelines", host), action("Submit", async () => {
      const begun = await begin({ kind: "submit", host: host.value });
      location.hash = `#live/${begun.id}`;
    }, { id: "submit" }));
}

