// One finished run: the verdict, the metrics, and the photos of each cell of the confusion matrix.

import { get, query } from "../client/api.js";
import { lineChart } from "../elements/chart.js";
import { card, figure, h, photo, showProblem, tableHead } from "../elements/dom.js";
import { formatBytes, formatCount, formatPercent, formatRange, formatSeconds, pluralize } from "../elements/format.js";
import { pages } from "../elements/pages.js";
import { confusions } from "./confusion.js";
import { notesCard } from "./notes.js";
import { mapCard } from "./photo_map.js";
import { verdictReasons } from "./reasons.js";
import { learningCurves, promotionText, runTitle, standingStyle, verdictText } from "./runs.js";

/** @import { CellPhoto, ClassFigures, RunView } from "./types.js" */

/**
 * Fills the page with a run.
 * @param {HTMLElement} page
 * @param {string} id
 */
export async function showRun(page, id) {
  /** @type {RunView} */
  const run = await get(`api/runs/${encodeURIComponent(id)}`);
  const photos = h("div", { id: "cell", role: "status" });
  const numPhotos = pluralize(run.test.num_images, "test photo");
  const help = `${numPhotos}: rows are the true classes, columns the predictions. Select a number to see its photos.`;
  /** @type {import("./confusion.js").ShowCell} */
  const openCell = (label, predicted) => showCell(run, id, label, predicted, photos).catch(showProblem);
  const map = h("div", {});
  const labelErrors = pluralize(run.label_errors ?? 0, "photo");
  page.append(
    h("p", {}, h("a", { href: "#results" }, "← All results")),
    runHead(run, id),
    verdictCard(run),
    runFigures(run),
    notesCard(run.line),
    card("Confusion matrix", h("p", { class: "soft" }, help), confusions(run, openCell), photos),
    map,
    run.history ? learningCharts(run) : "",
    classTable(run.test.per_class),
    run.label_errors
      ? h("p", { class: "notice" }, `${labelErrors} may have a wrong label; see the report for details.`)
      : "",
    h(
      "details",
      { class: "card fold" },
      h("summary", {}, "Params, with the values chosen for auto"),
      h("pre", { class: "log", tabIndex: 0 }, run.params),
    ),
  );
  mapCard(id, run.class_names)
    .then((content) => content && map.append(content))
    .catch(showProblem);
}

/**
 * @param {RunView} run
 * @param {string} id
 */
function runHead({ summary, line }, id) {
  const { dataset } = summary;
  const lead = `${dataset.name}, ${pluralize(dataset.num_classes, "class", "classes")} · ${id}`;
  const report = { class: "button", href: `runs/${id}/report.html`, target: "_blank", rel: "noopener" };
  return h(
    "div",
    { class: "row between head" },
    h("div", {}, h("h1", {}, runTitle(line)), h("p", { class: "lead" }, line.name ? `${line.model} · ${lead}` : lead)),
    h(
      "div",
      { class: "row" },
      h("a", report, "Report"),
      h("a", { class: "button", href: `runs/${id}/report.pdf` }, "PDF"),
      h("a", { class: "button main", href: `#try/${id}`, id: "to-try" }, "Try this model"),
    ),
  );
}

/** @param {RunView} run */
function verdictCard({ gate, line }) {
  const tag = h("span", { class: standingStyle(line) }, line.standing);
  return h(
    "section",
    { class: `card verdict ${gate.verdict.replace(" ", "-")}` },
    h("div", { class: "row between" }, h("h2", {}, verdictText(gate)), tag),
    verdictReasons(gate),
    h("p", { class: "soft small" }, promotionText(line)),
  );
}

/** @param {RunView} run */
function runFigures({ summary, test, latency_ms: latency, size_bytes: size }) {
  const { model, validation } = summary;
  return h(
    "dl",
    { class: "figures big card" },
    figure("Test accuracy", formatPercent(test.accuracy.value), formatRange(test.accuracy)),
    figure("Macro F1", formatPercent(test.macro_f1.value), formatRange(test.macro_f1)),
    figure("Validation", formatPercent(validation.accuracy.value), formatRange(validation.accuracy)),
    figure(
      "Time per photo",
      latency ? `${latency.toFixed(1)} ms` : "–",
      "median, on the machine that ran the evaluation",
    ),
    figure("Size", size ? formatBytes(size) : "–", `${formatCount(model.num_parameters)} weights`),
    figure("Duration", formatSeconds(summary.seconds.total), `epoch ${model.best_epoch} of ${model.epochs_run} kept`),
  );
}

/** @param {RunView} run */
function learningCharts({ history, summary }) {
  const { loss, accuracy } = learningCurves(history ?? {});
  const bestEpoch = summary.model.best_epoch;
  return h(
    "div",
    { class: "plots" },
    lineChart("Loss", loss, { bestEpoch }),
    lineChart("Accuracy", accuracy, { isShare: true, bestEpoch }),
  );
}

/**
 * @param {RunView} run
 * @param {string} id
 * @param {number} label
 * @param {number} predicted
 * @param {HTMLElement} slot
 */
async function showCell(run, id, label, predicted, slot) {
  /** @type {CellPhoto[]} */
  const photos = await get(`api/runs/${id}/cell?${query({ label, predicted })}`);
  const [className, predictedName] = [run.class_names[label], run.class_names[predicted]];
  const title =
    label === predicted ? `${className}, classified correctly` : `${className}, classified as ${predictedName}`;
  const items = photos.map((row) => {
    const path = `api/runs/${id}/photos/test/${row.image_id}`;
    return h("li", {}, heatButton(path, className, predictedName), confidence(row));
  });
  slot.replaceChildren(
    h("h3", {}, title),
    h("p", { class: "soft small" }, "Most confident predictions first. Select a photo to see where the model looked."),
    h("ul", { class: "thumbs large" }, items),
  );
  slot.scrollIntoView({ block: "nearest" });
}

/** @param {CellPhoto} row */
const confidence = ({ sureness }) => h("span", { class: "soft small" }, formatPercent(sureness, 0));

/**
 * A photo that, when selected, shows where the model saw a class.
 * @param {string} path
 * @param {string} className
 * @param {string} predictedName
 */
function heatButton(path, className, predictedName) {
  const picture = photo(path, `A photo of ${className}`);
  let showsHeat = false;
  return h(
    "button",
    {
      type: "button",
      class: "thumb",
      "aria-pressed": "false",
      "aria-label": `A photo of ${className}; show where ${predictedName} was seen`,
      onclick: ({ currentTarget }) => {
        showsHeat = !showsHeat;
        picture.src = showsHeat ? `${path}?${query({ class_name: predictedName })}` : path;
        currentTarget.setAttribute("aria-pressed", String(showsHeat));
      },
    },
    picture,
  );
}

/** @param {ClassFigures[]} classes */
function classTable(classes) {
  const body = h("tbody", {});
  const bar = pages(
    classes,
    "Search the classes of the run",
    (figures) => figures.class_name,
    (shown) => body.replaceChildren(...shown.map(classRow)),
  );
  const head = tableHead(["Class", "Photos", "Recall", "Precision", "F1"]);
  return card("Each class", bar, h("div", { class: "scroll" }, h("table", {}, head, body)));
}

/** @param {ClassFigures} figures */
function classRow(figures) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, figures.class_name),
    h("td", {}, formatCount(figures.num_images)),
    h("td", {}, figures.recall ? formatPercent(figures.recall.value) : "–"),
    h("td", {}, figures.precision === null ? "–" : formatPercent(figures.precision)),
    h("td", {}, figures.f1 === null ? "–" : formatPercent(figures.f1)),
  );
}
