// The classes of the data, to which photos can be added.

import { post, put, query } from "../client/api.js";
import { changeData, reload } from "../client/state.js";
import { takePhotos } from "../elements/camera.js";
import { actionButton, h, ignoreFailure, photo, randomId, showProblem } from "../elements/dom.js";
import { formatCount, pluralize } from "../elements/format.js";
import { pages } from "../elements/pages.js";
import { receivePhotos } from "../elements/phone.js";
import { columnsForm } from "./columns.js";
import { uploadAll } from "./upload_queue.js";

/** @import { ClassView, DataView } from "./types.js" */

const NUM_SAMPLES = 8;
/** The recommended number of photos per class; with fewer, the metrics of the class are not meaningful. */
export const NUM_RECOMMENDED = 20;
const NUM_FAILURES = 3;

/**
 * The card that shows the data: its classes and its unusable files.
 * @param {DataView} data
 * @param {() => Promise<void>} update
 * @param {HTMLFormElement} newClass The form that adds a class.
 */
export function classesCard(data, update, newClass) {
  const numClasses = pluralize(data.classes.length, "class", "classes");
  const facts = data.classes.length ? `${pluralize(data.num_photos, "photo")} in ${numClasses}` : "No classes yet";
  const splits = data.splits.length ? ` · splits defined by the data: ${data.splits.join(", ")}` : "";
  const later = "Photos in an archive or at a remote address are read when you audit them.";
  const classes = h("div", { class: "classes" });
  const bar = pages(
    data.classes,
    "Search the classes",
    ({ name }) => name,
    (shown) =>
      classes.replaceChildren(
        ...shown.map((view) => classCard(view, data, update)),
        ...(data.editable ? [newClass] : []),
      ),
  );
  return h(
    "section",
    { class: "card" },
    h("div", { class: "row between" }, h("h2", {}, data.name), h("span", { class: "soft" }, facts + splits)),
    h("p", { class: "soft small path" }, data.uri),
    data.num_photos ? dataActions() : null,
    data.fault ? h("p", { class: "fault", role: "alert" }, data.fault) : null,
    data.notices.map((notice) => h("p", { class: "small" }, notice)),
    data.has_table ? columnsForm(data) : null,
    data.num_rejected ? rejectedFiles(data) : null,
    bar,
    classes,
    !data.classes.length && !data.editable ? h("p", { class: "soft" }, later) : null,
  );
}

/** The actions for all photos. */
function dataActions() {
  const snapshot = async () => {
    await changeData("api/data/snapshot");
    await post("api/audit").catch(ignoreFailure);
  };
  return h(
    "div",
    { class: "row" },
    h("a", { class: "button small", href: photosHref(), id: "all-photos" }, "All photos"),
    actionButton("Save as a version", snapshot, { class: "button small", id: "snapshot" }),
  );
}

/**
 * A meter that shows how close a class is to the recommended number of photos; null if it has enough.
 * @param {number} numPhotos
 */
function balance(numPhotos) {
  if (numPhotos >= NUM_RECOMMENDED) return null;
  return h(
    "div",
    { class: "balance" },
    h("meter", { value: numPhotos / NUM_RECOMMENDED, "aria-hidden": "true" }),
    h("p", { class: "small warn" }, `${numPhotos} of ${NUM_RECOMMENDED} recommended photos`),
  );
}

/** @param {DataView} data */
function rejectedFiles(data) {
  const items = data.rejected.map(([path, why]) => h("li", {}, h("b", {}, path), " ", why));
  const summary = h("summary", {}, `${pluralize(data.num_rejected, "ignored file")}`);
  return h("details", {}, summary, h("ul", { class: "plain small" }, items));
}

/**
 * @param {ClassView} view
 * @param {DataView} data
 * @param {() => Promise<void>} update
 */
function classCard(view, data, update) {
  const { name } = view;
  const samples = view.samples
    .slice(0, NUM_SAMPLES)
    .map((path) => h("li", {}, photo(`api/data/photo?${query({ path, side: 160 })}`, `A photo of ${name}`)));
  const element = h(
    "section",
    { class: "class", "aria-label": name },
    h(
      "div",
      { class: "row between" },
      h("h3", {}, h("a", { href: photosHref(name) }, name)),
      h("span", { class: "soft small" }, pluralize(view.num_photos, "photo")),
    ),
    balance(view.num_photos),
    h("ul", { class: "thumbs" }, samples),
  );
  if (!data.editable) return element;
  const status = h("p", { class: "soft small", role: "status" });
  /** @param {Iterable<File>} files */
  const add = (files) => addPhotos(name, [...files], status);
  element.append(status, classActions(view, add, update));
  acceptDrops(element, add);
  return element;
}

/**
 * @param {ClassView} view
 * @param {(files: Iterable<File>) => unknown} add
 * @param {() => Promise<void>} update
 */
function classActions({ name, num_photos: numPhotos }, add, update) {
  const path = `api/data/classes/${encodeURIComponent(name)}`;
  const id = `files-${randomId()}`;
  const input = h("input", {
    type: "file",
    class: "away",
    id,
    multiple: true,
    accept: "image/*",
    "aria-label": `Photos for ${name}`,
    onchange: ({ currentTarget }) => add(currentTarget.files ?? []),
  });
  const rename = async () => {
    const newName = prompt("The new name of the class", name);
    if (newName && newName !== name) await post(path, { to: newName }).then(update);
  };
  const remove = async () => {
    const copies = pluralize(numPhotos, "photo");
    if (confirm(`Remove the class ${name} and its ${copies} from the studio?`)) {
      await post(path, { remove: true }).then(update);
    }
  };
  const openCamera = () => takePhotos(`A photo of ${name}`, (file) => add([file]));
  const openPhone = () => receivePhotos(`Photos of ${name}`, (file) => add([file]));
  return h(
    "div",
    { class: "row" },
    h("label", { class: "button small", htmlFor: id }, "Add photos"),
    input,
    actionButton("Camera", openCamera, { class: "button small" }),
    actionButton("Phone", openPhone, { class: "button small" }),
    actionButton("Rename", rename, { class: "link" }),
    actionButton("Remove", remove, { class: "link" }),
  );
}

/**
 * @param {HTMLElement} element
 * @param {(files: Iterable<File>) => unknown} add
 */
function acceptDrops(element, add) {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    element.classList.remove("over");
    add(event.dataTransfer?.files ?? []);
  });
}

/** The form that adds a class. The screen reuses it, so that typed text is kept when the classes are redrawn. */
export function newClassForm() {
  const name = h("input", {
    type: "text",
    id: "class-name",
    "aria-label": "Name of a new class",
    placeholder: "Name of a class",
    autocomplete: "off",
    maxLength: 100,
  });
  /** @param {Event} event */
  const onsubmit = async (event) => {
    event.preventDefault();
    try {
      await post("api/data/classes", { name: name.value });
      name.value = "";
      await reload();
    } catch (error) {
      showProblem(error);
    }
    name.focus();
  };
  const button = h("button", { class: "button", id: "add-class" }, "Add the class");
  return h("form", { class: "class new", onsubmit }, h("h3", {}, "Another class"), name, button);
}

/**
 * @param {string} className
 * @param {File[]} files
 * @param {HTMLElement} status
 */
async function addPhotos(className, files, status) {
  const { failures } = await uploadAll(
    files,
    (file) => put(`api/data/photos?${query({ class: className, name: file.name || "camera.jpg" })}`, file),
    (numDone) => {
      status.textContent = `${formatCount(numDone)} of ${formatCount(files.length)} …`;
    },
  );
  if (failures.length) {
    const numbers = `${formatCount(failures.length)} of ${pluralize(files.length, "photo")}`;
    showProblem(`${numbers} could not be uploaded. ${failures.slice(0, NUM_FAILURES).join(" ")}`);
  }
  await post("api/data/uploaded").catch(showProblem);
}

/**
 * The address of the photos of a class; without a class, of all photos.
 * @param {string} [className]
 */
const photosHref = (className = "") => `#data/photos/${encodeURIComponent(className)}`;
