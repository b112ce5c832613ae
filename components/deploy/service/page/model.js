// The model card: name, facts, and sample photos.

import { KeyNeededError, request } from "./client.js";
import { byId, child, keepTinyPixels, messageOf } from "./dom.js";
import { describeMatches, expectation, factsOf, MAX_LISTED, nameOf } from "./facts.js";
import { askForKey } from "./key.js";
import { addPhotos } from "./prediction_queue.js";

/** @import { Fact } from "./facts.js" */
/** @import { ModelCard, Sample } from "./types.js" */

/** Shows the model card on the page, or asks for the key. */
export async function showModel() {
  /** @type {ModelCard} */
  let model;
  try {
    model = await (await request("model")).json();
  } catch (error) {
    if (error instanceof KeyNeededError) askForKey();
    else byId("about").textContent = messageOf(error);
    return;
  }
  byId("key").hidden = true;
  byId("logged").hidden = !model.predictions_logged;
  const name = nameOf(model);
  document.title = name;
  byId("name").textContent = name;
  byId("about").textContent = expectation(model);
  const classes = classesItem(model.class_names);
  classes.className = "wide";
  byId("facts").replaceChildren(...factsOf(model).map(factItem), classes);
  showSamples();
}

/**
 * The list entry with all classes or, if there are many, with a search field for them.
 * @param {string[]} names
 */
function classesItem(names) {
  if (names.length <= MAX_LISTED) return factItem({ term: "Classes", text: names.join(", ") });
  const item = factItem({ term: "Classes", text: "" });
  const [field, list] = [document.createElement("input"), document.createElement("p")];
  field.type = "search";
  field.placeholder = `Search ${names.length.toLocaleString("en")} classes`;
  field.setAttribute("aria-label", field.placeholder);
  list.setAttribute("role", "status");
  const show = () => {
    list.textContent = describeMatches(names, field.value);
  };
  field.addEventListener("input", show);
  child(item, "dd").append(field, list);
  show();
  return item;
}

/** @param {Fact} fact */
function factItem({ term, text, isCode = false }) {
  const item = document.createElement("div");
  const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
  dt.textContent = term;
  const slot = isCode ? document.createElement("code") : dd;
  slot.textContent = text;
  if (isCode) dd.append(slot);
  item.append(dt, dd);
  return item;
}

async function showSamples() {
  /** @type {Sample[]} */
  let samples = [];
  try {
    samples = await (await request("samples.json")).json();
  } catch {
    return; // the page works without samples
  }
  byId("offer").hidden = samples.length === 0;
  byId("samples").replaceChildren(...(await Promise.all(samples.map(sampleItem))));
}

/** @param {Sample} sample */
async function sampleItem(sample) {
  const blob = await (await request(sample.url)).blob();
  const file = new File([blob], sample.url.split("/").at(-1) ?? "", { type: blob.type });
  const item = document.createElement("li");
  const button = document.createElement("button");
  const image = document.createElement("img");
  button.type = "button";
  button.title = `Try this photo: ${sample.class_name}`;
  image.alt = `Try this photo of class ${sample.class_name}`;
  image.src = URL.createObjectURL(blob);
  keepTinyPixels(image);
  button.append(image);
  button.addEventListener("click", () => addPhotos([file], `a test photo of class ${sample.class_name}`));
  item.append(button);
  return item;
}
