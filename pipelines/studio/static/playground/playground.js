// Try and serve: photos on any finished model, its service, and its promotion.

import { get } from "../client/api.js";
import { on } from "../client/state.js";
import { takePhotos } from "../elements/camera.js";
import { actionButton, announce, h, showProblem } from "../elements/dom.js";
import { formatDateTime, formatPercent, pluralize } from "../elements/format.js";
import { isFinished } from "../results/runs.js";
import { answerItem } from "./answer.js";
import { promotionCard, serviceCard } from "./service.js";

/** @import { RunsAnswer } from "../results/types.js" */

const PACKAGE = "package-";
/** @type {string | null} */
let shownModel = null;

/** The commands that do the same as this screen. */
export const commands = () => commandsFor(shownModel);

/**
 * The commands that serve a model, and try it on photos.
 * @param {string | null} model A run's id or a package's name; null if there is none.
 */
export function commandsFor(model) {
  if (model?.startsWith(PACKAGE)) return [`darkroom serve packages/${model.slice(PACKAGE.length)}`];
  const run = model ?? "RUN";
  return [`darkroom serve ${run}`, `darkroom predict PHOTOS --run ${run} --output predictions.csv`];
}

/**
 * All models to try.
 * @param {RunsAnswer} answer
 * @returns {[model: string, title: string][]}
 */
function listModels({ runs, packages }) {
  /** @type {[string, string][]} */
  const models = runs.filter(isFinished).map((run) => {
    const accuracy = formatPercent(run.validation.accuracy.value);
    const title = `${run.model} on ${run.data}, ${formatDateTime(run.started)} · ${accuracy}`;
    return [run.run_id, run.promoted ? `${title} · promoted` : title];
  });
  for (const name of packages) models.push([name, `${name.slice(PACKAGE.length)} with ImageNet's classes`]);
  return models;
}

/**
 * Fills the page; the returned function ends the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts Of the address: the model.
 */
export async function show(page, [part]) {
  /** @type {RunsAnswer} */
  const answer = await get("/api/runs");
  const models = listModels(answer);
  page.append(h("h1", {}, "Try and serve"));
  if (!models.length) {
    page.append(
      h("p", { class: "lead" }, "There is no finished model yet."),
      h("a", { class: "button main", href: "#training" }, "To the training"),
    );
    return null;
  }
  const model = models.some(([key]) => key === part) ? part : models[0][0];
  shownModel = model;
  const run = answer.runs.filter(isFinished).find(({ run_id: id }) => id === model);
  const service = h("div", {});
  page.append(modelChoice(models, model), ...photoTrial(model), service);
  const draw = () =>
    service.replaceChildren(serviceCard(model), model.startsWith(PACKAGE) ? "" : promotionCard(model, run));
  draw();
  return on("jobs", draw);
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
 * The place for photos, and the answers to them.
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
      status.textContent = `${numAnswered} of ${pluralize(numPhotos, "photo")} answered.`;
    }
    announce(status.textContent ?? "");
  };
  return [dropZone((files) => add([...files]).catch(showProblem)), status, answers];
}

/** @param {(files: Iterable<File>) => unknown} add */
function dropZone(add) {
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
  const zone = h(
    "section",
    { class: "card drop", "aria-label": "Photos" },
    h("p", { class: "large" }, "Drop photos here"),
    h("p", { class: "soft" }, "They are looked at and not kept."),
    h(
      "div",
      { class: "row center" },
      h("label", { class: "button main", htmlFor: "photos" }, "Choose photos"),
      input,
      actionButton("Camera", openCamera),
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
