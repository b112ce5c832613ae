// All photos of the data: the user can search, filter, view and select them, and decide what happens to them.

import { get } from "../client/api.js";
import { debounce } from "../client/debounce.js";
import { on } from "../client/state.js";
import { actionButton, h, select, showProblem } from "../elements/dom.js";
import { pluralize } from "../elements/format.js";
import { decisionBar } from "./decision_bar.js";
import { decisionsAbout } from "./decision_log.js";
import { photoGrid } from "./grid.js";
import { PhotoSource } from "./photo_source.js";
import { Selection } from "./selection.js";
import { openViewer } from "./viewer.js";

/** @import { DataAnswer } from "../data/types.js" */
/** @import { Decision } from "./decision_log.js" */
/** @import { PhotoFilter, PhotoPage, PhotoRow } from "./types.js" */

const SPLITS = ["train", "validation", "test", "left out"];

/**
 * Fills the page; the returned function cleans up when the user leaves the screen.
 * @param {HTMLElement} page
 * @param {string} className The class that is shown first; empty to show all photos.
 */
export async function showPhotos(page, className) {
  /** @type {DataAnswer} */
  const { data } = await get("api/data");
  page.append(h("p", {}, h("a", { href: "#data" }, "← Data")), h("h1", {}, data ? `Photos of ${data.name}` : "Photos"));
  if (!data) {
    page.append(
      h("p", { class: "lead" }, "No photos have been chosen yet."),
      h("a", { class: "button main", href: "#data" }, "Choose photos"),
    );
    return null;
  }
  const log = decisionsAbout(data.uri);
  const selection = new Selection();
  const classNames = data.classes.map(({ name }) => name);
  /** @type {PhotoFilter} */
  const filter = { class: className, text: "", finding: "", split: "" };
  const gridPart = h("div", {});
  const status = h("span", { class: "soft", role: "status", id: "num-photos" });
  let source = new PhotoSource(filter);
  /** @type {ReturnType<typeof photoGrid> | null} */
  let grid = null;
  const redraw = () => {
    bar.show();
    grid?.draw();
    actions.show();
  };
  const bar = decisionBar(log, redraw);
  const decide = (/** @type {Decision} */ decision) => {
    const photos = [...selection.paths];
    log.decide(photos, decision);
    selection.clear();
    redraw();
  };
  const actions = selectionBar(selection, classNames, decide, async () => {
    for (const path of await source.allPaths()) selection.paths.add(path);
    redraw();
  });
  const load = async () => {
    source = new PhotoSource({ ...filter });
    const first = await source.load(0);
    selection.clear();
    grid?.leave();
    grid = photoGrid(source, {
      markOf: (photo) => markOf(photo, log.get(photo.path)),
      isSelected: (path) => selection.paths.has(path),
      select: (photo, position, isSelected, isRange) => {
        selection.set(photo.path, position, isSelected, (other) => source.at(other)?.path, isRange);
        grid?.draw();
        actions.show();
      },
      open: (position) => {
        openViewer(source, position, { classNames, log, findingKinds: first.finding_kinds }, redraw).catch(showProblem);
      },
    });
    gridPart.replaceChildren(source.total ? grid.element : h("p", {}, "No photo matches. Change the filter."));
    status.textContent = pluralize(source.total, "photo");
    actions.show();
    return first;
  };
  const first = await load();
  const filters = filterBar(filter, classNames, first, () => load().catch(showProblem));
  page.append(h("section", { class: "card" }, filters, h("div", { class: "row between" }, status, actions.element)));
  page.append(gridPart, bar.element);
  // After a change of the data, such as a new version, the Data screen is shown.
  const stopListening = on("data", () => {
    location.hash = "#data";
  });
  return () => {
    stopListening();
    grid?.leave();
  };
}

/**
 * @param {PhotoRow} photo
 * @param {Decision} decision
 */
function markOf(photo, decision) {
  if (decision === null) return { text: "removed", kind: "out" };
  if (decision !== undefined) return { text: `→ ${decision}`, kind: "moved" };
  return photo.findings.length ? { text: "has findings", kind: "found" } : null;
}

/**
 * @param {PhotoFilter} filter Modified in place.
 * @param {string[]} classNames
 * @param {PhotoPage} first
 * @param {() => void} onChange
 */
function filterBar(filter, classNames, first, onChange) {
  const set = (/** @type {keyof PhotoFilter} */ key) => (/** @type {string} */ value) => {
    filter[key] = value;
    onChange();
  };
  const setLater = debounce(onChange);
  const search = h("input", {
    type: "search",
    "aria-label": "Search the file names",
    placeholder: "Search the file names",
    oninput: ({ currentTarget }) => {
      filter.text = currentTarget.value;
      setLater();
    },
  });
  /** @type {[string, string][]} */
  const classes = [["", "All classes"], ...classNames.map((name) => /** @type {[string, string]} */ ([name, name]))];
  /** @type {[string, string][]} */
  const findings = [["", "With and without findings"], ...Object.entries(first.finding_kinds)];
  /** @type {[string, string][]} */
  const splits = [["", "All splits"], ...SPLITS.map((name) => /** @type {[string, string]} */ ([name, name]))];
  return h(
    "div",
    { class: "row filters" },
    search,
    select(classes, filter.class, set("class"), { "aria-label": "Class", id: "filter-class" }),
    findings.length > 1
      ? select(findings, filter.finding, set("finding"), { "aria-label": "Finding", id: "filter-finding" })
      : null,
    first.has_splits ? select(splits, filter.split, set("split"), { "aria-label": "Split", id: "filter-split" }) : null,
  );
}

/**
 * The actions for the selected photos.
 * @param {Selection} selection
 * @param {string[]} classNames
 * @param {(decision: Decision) => void} decide
 * @param {() => Promise<void>} selectAll
 */
function selectionBar(selection, classNames, decide, selectAll) {
  const element = h("div", { class: "row" });
  const clear = () => {
    selection.clear();
    decide(undefined); // no photo is selected, so this only redraws
  };
  const move = (/** @type {string} */ name) => {
    const className = name === "+" ? prompt("The name of the new class")?.trim() : name;
    if (className) decide(className);
  };
  const show = () => {
    const { size } = selection.paths;
    if (!size) {
      element.replaceChildren(actionButton("Select all", selectAll, { class: "link" }));
      return;
    }
    /** @type {[string, string][]} */
    const options = [
      ["", "Move to class …"],
      ...classNames.map((name) => /** @type {[string, string]} */ ([name, name])),
      ["+", "A new class …"],
    ];
    element.replaceChildren(
      h("b", { id: "num-selected" }, `${size} selected`),
      select(options, "", move, { "aria-label": "Move the selected photos to a class", id: "move" }),
      actionButton("Remove", () => decide(null), { class: "button small", id: "remove" }),
      actionButton("Keep as is", () => decide(undefined), { class: "button small" }),
      actionButton("Select none", clear, { class: "link" }),
    );
  };
  return { element, show };
}
