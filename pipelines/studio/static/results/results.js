// Results: the verdict, the figures, the photos behind each confusion, and runs side by side.

import { get, post, query } from "../client/api.js";
import { action, bytes, card, complain, count, h, percent, photo, plural, points, seconds, when } from "../elements/dom.js";
import { answers, job, on, state } from "../client/state.js";
import { lines } from "../elements/chart.js";

let shown = null;
export const commands = () => shown ? [`darkroom trace ${shown}`, "darkroom runs", "darkroom ui"] : ["darkroom compare RUN RUN", "darkroom runs", "darkroom ui"];

const VERDICTS = { first: "The first of its kind", better: "Better than the champion", worse: "Worse than the champion", "cannot tell": "As good as the champion, as far as these photos tell", "not comparable": "Not comparable with the champion" };

export async function show(page, [asked]) {
  const found = await get("/api/runs");
  const finished = found.runs.filter((run) => run.status === "finished");
  shown = asked && asked !== "compare" ? asked : null;
  if (asked === "compare") return compare(page, location.hash.split("/").slice(2).map(decodeURIComponent));
  if (shown) return one(page, shown);
  page.append(h("h1", {}, "Results"));
  if (!found.runs.length) {
    page.append(h("p", { class: "lead" }, "There are no runs yet."), h("a", { class: "button main", href: "#training" }, "To the training"));
    return null;
  }
  const chosen = new Set();
  const button = action("Side by side", () => { location.hash = `#results/compare/${[...chosen].map(encodeURIComponent).join("/")}`; }, { class: "button", disabled: true, id: "compare" });
  const take = action("Which one to take?", async () => {
    await post("/api/compare", { runs: [...chosen] });
  }, { class: "button", disabled: true, id: "take" });
  const picked = h("div", {});
  const byId = new Map(finished.map((run) => [run.run_id, run]));
  page.append(h("div", { class: "row between" }, h("p", { class: "lead" }, "Ordered by the validation photos; the test photos choose nothing. Tick two to compare them."), h("div", { class: "row" }, button, take, mlflow())), picked);
  for (const board of found.boards) {
    page.append(card(board.data, h("p", {}, board.sentence), h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["", "Model", "Validation", "Test", "Verdict", "Weights", "Took", "When"].map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", {}, board.runs.map((id) => runRow(byId.get(id), chosen, [button, take])))))));
  }
  const others = found.runs.filter((run) => run.status !== "finished");
  if (others.length) page.append(h("details", { class: "card fold" }, h("summary", {}, `${plural(others.length, "run")} without a result`), h("ul", { class: "plain small" }, others.map((run) => h("li", {}, h("b", {}, run.run_id), ` ${run.status}`, run.error ? h("span", { class: "fault" }, ` ${run.error.split("\n")[0]}`) : "")))));
  tellPick(picked).catch(complain);
  return on("jobs", () => tellPick(picked).catch(() => {}));
}

// What the newest comparison says, on the same photos and with what chance may explain taken off.
async function tellPick(place) {
  const last = state.jobs.find((each) => each.kind === "compare");
  if (!last) return;
  if (["waiting", "running"].includes(last.state)) {
    place.replaceChildren(card(last.title, h("progress", { "aria-label": last.title })));
    return;
  }
  const { output, error } = await get(`/api/jobs/${last.id}`);
  place.replaceChildren(last.state === "done" && output ? card(`To take: ${output.pick}`, h("p", {}, output.reason), output.left_out.map((why) => h("p", { class: "soft small" }, why)), h("a", { href: `/comparisons/${last.about.page}`, target: "_blank", rel: "noopener" }, "The whole comparison"))
    : h("p", { class: "notice fault" }, error ?? "The runs could not be compared."));
}

function runRow(run, chosen, buttons) {
  return h("tr", {}, h("td", {}, h("input", { type: "checkbox", "aria-label": `Compare ${run.run_id}`, onchange: (event) => {
    if (event.target.checked) chosen.add(run.run_id);
    else chosen.delete(run.run_id);
    for (const button of buttons) button.disabled = chosen.size < 2 || chosen.size > 6;
  } })), h("th", { scope: "row" }, h("a", { href: `#results/${run.run_id}` }, run.model), run.promoted ? h("span", { class: "tag done" }, "promoted") : null), h("td", {}, interval(run.validation.accuracy)), h("td", {}, percent(run.test.accuracy.value)), h("td", {}, run.verdict), h("td", {}, count(run.num_parameters)), h("td", {}, seconds(run.seconds)), h("td", { class: "soft" }, when(run.started)));
}

const WORDS = { None: "–", True: "yes", False: "no" };
const plainly = (text) => WORDS[text] ?? text.slice(0, 400);
const range = (given) => `${points(given.low)} to ${points(given.high)}`;
const interval = (given) => `${percent(given.value)} (${range(given)})`;

// MLflow's own page, as soon as it answers.
function mlflow() {
  return action("Open MLflow", async (button) => {
    const { id, about } = await post("/api/mlflow");
    button.textContent = "MLflow starts …";
    while (!await answers(id)) {
      if (!button.isConnected) return;
      if (!["waiting", "running"].includes(job(id)?.state ?? "waiting")) throw new Error(job(id).error ?? "MLflow did not start.");
    }
    button.replaceWith(h("a", { class: "button", id: "to-mlflow", href: `${about.url}/#/experiments?workflowType=machine_learning`, target: "_blank", rel: "noopener" }, "MLflow is ready: open it"));
  });
}

// --- one run ---------------------------------------------------------------------------------------------------------

async function one(page, id) {
  const run = await get(`/api/runs/${encodeURIComponent(id)}`);
  const { summary, gate, test } = run;
  const photos = h("div", { id: "cell", role: "status" });
  const promoted = run.deployment?.promoted;
  page.append(
    h("p", {}, h("a", { href: "#results" }, "← All results")),
    h("div", { class: "row between head" }, h("div", {}, h("h1", {}, summary.model.name.replaceAll("_", " ")), h("p", { class: "lead" }, `${summary.dataset.name}, ${plural(summary.dataset.num_classes, "class", "classes")} · ${id}`)),
      h("div", { class: "row" }, h("a", { class: "button", href: `/runs/${id}/report.html`, target: "_blank", rel: "noopener" }, "The report"), h("a", { class: "button", href: `/runs/${id}/report.pdf` }, "PDF"), h("a", { class: "button main", href: `#try/${id}`, id: "to-try" }, "Try it"))),
    h("section", { class: `card verdict ${gate.verdict.replace(" ", "-")}` }, h("div", { class: "row between" }, h("h2", {}, gate.verdict === "worse" && !gate.champion ? "Below what was asked for" : VERDICTS[gate.verdict]), h("span", { class: `tag ${promoted ? "done" : "waiting"}` }, promoted ? "champion" : "not promoted")), gate.reasons.map((reason) => h("p", {}, reason)), h("p", { class: "soft small" }, run.deployment?.promotion_reason ?? "")),
    h("dl", { class: "figures big card" }, figure("Test accuracy", percent(test.accuracy.value), range(test.accuracy)), figure("Macro F1", percent(test.macro_f1.value), range(test.macro_f1)), figure("Validation", percent(summary.validation.accuracy.value), range(summary.validation.accuracy)),
      figure("A photo takes", run.latency_ms ? `${run.latency_ms.toFixed(1)} ms` : "–", "here, as served"), figure("Size", run.size_bytes ? bytes(run.size_bytes) : "–", `${count(summary.model.num_parameters)} weights`), figure("It took", seconds(summary.seconds.total), `epoch ${summary.model.best_epoch} of ${summary.model.epochs_run} kept`)),
    card("Which is taken for which", h("p", { class: "soft" }, `${plural(test.num_images, "test photo")}: rows are what they are, columns what was said. Choose a cell to see its photos.`), matrix(run, id, photos), photos),
    run.history ? h("div", { class: "plots" }, lines("Loss", [of(run, "training", "loss", "train"), of(run, "validation", "val_loss", "validation")], { best: summary.model.best_epoch }), lines("Accuracy", [of(run, "training", "accuracy", "train"), of(run, "validation", "val_accuracy", "validation")], { share: true, best: summary.model.best_epoch })) : "",
    classTable(test),
    run.label_errors ? h("p", { class: "notice" }, `${plural(run.label_errors, "photo")} may have a wrong label; the report shows them.`) : "",
    h("details", { class: "card fold" }, h("summary", {}, "Its params, with every auto settled"), h("pre", { class: "log", tabIndex: 0 }, run.params)),
  );
  return null;
}

const of = (run, name, key, kind) => ({ name, kind, values: run.history[key] ?? [] });
const figure = (name, text, more) => h("div", {}, h("dt", {}, name), h("dd", {}, text), h("dd", { class: "soft small" }, more));

function matrix(run, id, photos) {
  const names = run.class_names;
  const rows = run.test.confusion_matrix;
  const sums = rows.map((row) => Math.max(1, row.reduce((sum, one) => sum + one, 0)));
  return h("div", { class: "scroll" }, h("table", { class: "matrix" }, h("caption", { class: "away" }, "Confusion matrix of the test photos"),
    h("thead", {}, h("tr", {}, h("td", {}), names.map((name) => h("th", { scope: "col" }, h("span", {}, name))))),
    h("tbody", {}, rows.map((row, label) => h("tr", {}, h("th", { scope: "row" }, names[label]), row.map((number, predicted) => {
      const share = number / sums[label];
      const level = number ? Math.max(1, Math.ceil(share * 5)) : 0;
      return h("td", {}, number ? h("button", { type: "button", class: `cell ${label === predicted ? "right" : "wrong"} level-${level}`, "aria-label": `${plural(number, "photo")} of ${names[label]} called ${names[predicted]}`, onclick: () => cell(run, id, label, predicted, photos).catch(complain) }, count(number)) : h("span", { class: "cell" }, ""));
    }))))));
}

async function cell(run, id, label, predicted, place) {
  const found = await get(`/api/runs/${id}/cell?${query({ label, predicted })}`);
  const [is, said] = [run.class_names[label], run.class_names[predicted]];
  const address = (row) => `/api/runs/${id}/photos/test/${row.image_id}`;
  place.replaceChildren(h("h3", {}, label === predicted ? `${is}, named rightly` : `${is}, called ${said}`), h("p", { class: "soft small" }, "The surest first. Choose a photo to see where it looked."),
    h("ul", { class: "thumbs large" }, found.map((row) => {
      const picture = photo(address(row), `A photo of ${is}`);
      let heat = false;
      return h("li", {}, h("button", { type: "button", class: "thumb", "aria-pressed": "false", "aria-label": `A photo of ${is}; show where ${said} was seen`, onclick: (event) => {
        heat = !heat;
        picture.src = heat ? `${address(row)}?${query({ class_name: said })}` : address(row);
        event.currentTarget.setAttribute("aria-pressed", String(heat));
      } }, picture), h("span", { class: "soft small" }, percent(row.sureness, 0)));
    })));
  place.scrollIntoView({ block: "nearest" });
}

function classTable(test) {
  return card("Each class", h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Class", "Photos", "Found", "Right when said", "F1"].map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", {}, test.per_class.map((each) => h("tr", {}, h("th", { scope: "row" }, each.class_name), h("td", {}, count(each.num_images)), h("td", {}, each.recall ? percent(each.recall.value) : "–"), h("td", {}, each.precision === null ? "–" : percent(each.precision)), h("td", {}, each.f1 === null ? "–" : percent(each.f1))))))));
}

// --- several ---------------------------------------------------------------------------------------------------------

// A dotted key that a narrow column breaks at its dots and underscores.
const breakable = (key) => key.split(/(?<=[._])/).map((part) => [part, h("wbr")]);

async function compare(page, ids) {
  const found = await get(`/api/compare?${query({ runs: ids.join(",") })}`);
  const head = ["", ...found.runs.map((run) => `${run.model} · ${run.run_id.slice(0, 15)}`)];
  const sameData = new Set(found.runs.map((run) => run.fingerprint)).size === 1;
  const row = (name, values, strong = false) => h("tr", { class: strong ? "first" : "" }, h("th", { scope: "row" }, name), values.map((value) => h("td", {}, value)));
  page.append(h("p", {}, h("a", { href: "#results" }, "← All results")), h("h1", {}, "Side by side"),
    sameData ? "" : h("p", { class: "notice" }, "These runs learnt from different photos, so their figures cannot be compared."),
    card("Figures", h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head.map((word) => h("th", { scope: "col" }, word)))), h("tbody", {},
      row("Validation", found.runs.map((run) => interval(run.validation.accuracy)), true), row("Test", found.runs.map((run) => interval(run.test.accuracy))), row("Verdict", found.runs.map((run) => run.verdict)), row("Weights", found.runs.map((run) => count(run.num_parameters))), row("Took", found.runs.map((run) => seconds(run.seconds))))))),
    lines("Validation accuracy", found.runs.map((run, place) => ({ name: run.run_id.slice(9, 15), kind: `run-${place}`, values: found.histories[place]?.val_accuracy ?? [] })), { share: true }),
    card("What was set differently", found.params.length ? h("div", { class: "scroll" }, h("table", { class: "small settings", style: { minWidth: `${6.6 * head.length}rem` } }, h("thead", {}, h("tr", {}, head.map((word) => h("th", { scope: "col" }, word)))), h("tbody", {}, found.params.map((one) => row(breakable(one.key), one.values.map(plainly)))))) : h("p", {}, "Nothing: the params are the same.")));
  return null;
}

