// The Try screen: classifies photos with any finished model, starts its service, and promotes it.

import { get } from "../client/api.js";
import { on } from "../client/state.js";
import { takePhotos } from "../elements/camera.js";
import { actionButton, announce, h, showProblem } from "../elements/dom.js";
import { formatDateTime, formatPercent, pluralize } from "../elements/format.js";
import { receivePhotos } from "../elements/phone.js";
import { isFinished, runTitle } from "../results/runs.js";
import { answerItem } from "./answer.js";
import { downloadsCard } from "./downloads.js";
import { promotionCard, serviceCard } from "./service.js";
import { watchCamera } from "./webcam.js";

/** @import { FinishedRun, RunsAnswer } from "../results/types.js" */

const PACKAGE = "package-";
/** @type {string | null} */
let shownModel = null;

/** The command-line equivalents of this screen. */
export const commands = () => commandsFor(shownModel);

/**
 * The commands that serve a model and classify photos with it.
 * @param {string | null} model A run's id, or `package-` and a package's name; null if there is no model.
 */
export function commandsFor(model) {
  if (model?.startsWith(PACKAGE)) return [`darkroom serve packages/${model.slice(PACKAGE.length)}`];
  const run = model ?? "RUN";
  return [`darkroom serve ${run}`, `darkroom predict PHOTOS --run ${run} --output predictions.csv`];
}

/**
 * All models that can be tried.
 * @param {RunsAnswer} answer
 * @returns {[model: string, title: string][]}
 */
function listModels({ runs, packages }) {
  /** @type {[string, string][]} */
  const models = runs.filter(isFinished).map((run) => {
    const accuracy = formatPercent(run.validation.accuracy.value);
    const title = `${runTitle(run)} on ${run.data}, ${formatDateTime(run.started)} · ${accuracy}`;
    return [run.run_id, run.standing === "champion" ? `${title} · champion` : title];
  });
  for (const name of packages) models.push([name, `${name.slice(PACKAGE.length)} with ImageNet's classes`]);
  return models;
}

/**
 * Fills the page; the returned function cleans up when the user leaves the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts The parts of the address; the first is the model.
 */
export async function show(page, [part]) {
  /** @type {RunsAnswer} */
  const answer = await get("api/runs");
  const models = listModels(answer);
  page.append(h("h1", {}, "Try and serve"));
  if (!models.length) {
    page.append(
      h("p", { class: "lead" }, "Try a trained model on your own photos here."),
      h("a", { class: "button main", href: "#training" }, "Train a model"),
    );
    return null;
  }
  const model = models.some(([key]) => key === part) ? part : models[0][0];
  shownModel = model;
  const run = answer.runs.filter(isFinished).find(({ run_id: id }) => id === model);
  const service = h("div", {});
  page.append(modelChoice(models, model), ...photoTrial(model), service);
  const downloads = downloadsCard(model);
  page.append(downloads.element);
  const draw = (/** @type {FinishedRun | undefined} */ shownRun) =>
    service.replaceChildren(serviceCard(model), shownRun ? promotionCard(model, shownRun) : "");
  draw(run);
  await downloads.update();
  return on("jobs", () => {
    refresh(model, run).then(draw).then(downloads.update).catch(showProblem);
  });
}

/**
 * Reloads the run of a model, because a promotion may have changed its standing.
 * @param {string} model
 * @param {FinishedRun | undefined} run
 */
async function refresh(model, run) {
  if (!run) return undefined;
  /** @type {RunsAnswer} */
  const { runs } = await get("api/runs");
  return runs.filter(isFinished).find(({ run_id: id }) => id === model);
}

/**
 * @param {[key: string, title: string][]} models
 * @param {string} model
 */
function modelChoice(models, model) {
  const options = models.map(([key, title]) => h("option", { value: key, selected: key === model }, title));
  const choice = h(
    "select",
    {
      id: "model",
      "aria-label": "Model",
      onchange: ({ currentTarget }) => {
        location.hash = `#try/${currentTarget.value}`;
      },
    },
    options,
  );
  return h("p", {}, choice);
}

/**
 * The drop area for photos, the progress, and the list of answers.
 * @param {string} model
 */
function photoTrial(model) {
  const answers = h("ol", { class: "answers plain", "aria-label": "Answers" });
  const status = h("p", { class: "soft", role: "status" });
  let numPhotos = 0;
  let numAnswered = 0;
  /** @param {File[]} files */
  const add = async (files) => {
    numPhotos += files.length;
    for (const file of files) {
      answers.prepend(await answerItem(model, file));
      numAnswered += 1;
      status.textContent = `${numAnswered} of ${pluralize(numPhotos, "photo")} classified.`;
    }
    announce(status.textContent ?? "");
  };
  const zone = dropZone(
    (files) => add([...files]).catch(showProblem),
    () => watchCamera(model),
  );
  return [zone, status, answers];
}

/**
 * @param {(files: Iterable<File>) => unknown} add
 * @param {() => Promise<void>} watch
 */
function dropZone(add, watch) {
  const input = h("input", {
    type: "file",
    class: "away",
    id: "photos",
    multiple: true,
    accept: "image/*",
    onchange: ({ currentTarget }) => {
      add(currentTarget.files ?? []);
      currentTarget.value = "";
    },
  });
  const openCamera = () => takePhotos("A photo to try", (file) => add([file]));
  const openPhone = () => receivePhotos("Photos to try", (file) => add([file]));
  const zone = h(
    "section",
    { class: "card drop", "aria-label": "Photos" },
    h("p", { class: "large" }, "Drop photos here"),
    h("p", { class: "soft" }, "The photos are classified, but not stored."),
    h(
      "p",
      { class: "soft small" },
      "The model always answers with one of its classes, even for a photo of anything else.",
    ),
    h(
      "div",
      { class: "row center" },
      h("label", { class: "button main", htmlFor: "photos" }, "Choose photos"),
      input,
      actionButton("Take photos", openCamera),
      actionButton("Use a phone", openPhone, { id: "phone" }),
      navigator.mediaDevices ? actionButton("Live camera", watch, { id: "watch" }) : null,
    ),
  );
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    add(event.dataTransfer?.files ?? []);
  });
  return zone;
}
