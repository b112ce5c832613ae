// The frame: steps, jobs, the message line, and the panel that shows what is done without a page.

import { post } from "./client/api.js";
import { action, at, calm, complain, copied, h, seconds, when } from "./elements/dom.js";
import { on, load, reload, state } from "./client/state.js";
import * as data from "./data/data.js";
import * as model from "./model/model.js";
import * as training from "./training/training.js";
import * as live from "./live/live.js";
import * as results from "./results/results.js";
import * as trying from "./playground/playground.js";

const SCREENS = { data, model, training, live, results, try: trying };
const NAMES = { data: "Data", model: "Model", training: "Training", live: "Live", results: "Results", try: "Try" };
let shown = null;
let leave = null;

function place() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  return [SCREENS[name] ? name : "data", rest.map(decodeURIComponent)];
}

async function show() {
  const [name, rest] = place();
  leave?.();
  leave = null;
  calm();
  shown = name;
  showSteps();
  const main = at("main");
  const page = h("div", { class: `screen ${name}` });
  main.replaceChildren(page);
  main.setAttribute("aria-busy", "true");
  document.title = `${NAMES[name]} · Darkroom`;
  let left = null;
  try {
    left = await SCREENS[name].show(page, rest);
  } catch (error) {
    complain(error);
  }
  if (!page.isConnected) { // another screen was asked for meanwhile
    left?.();
    return;
  }
  leave = left;
  main.removeAttribute("aria-busy");
  showMagic();
  scrollTo(0, 0);
}

function showSteps() {
  const done = { data: Boolean(state.draft?.params.data), model: Boolean(state.draft?.params.train?.model) };
  at("steps").replaceChildren(...Object.entries(NAMES).map(([name, text], number) =>
    h("li", {}, h("a", { href: `#${name}`, "aria-current": name === shown ? "step" : null, class: done[name] ? "done" : "" },
      h("span", { class: "number", "aria-hidden": "true" }, String(number + 1)), text))));
  const here = at("steps").querySelector("[aria-current]");
  if (here) here.closest("nav").scrollLeft = here.offsetLeft - 60; // on a phone not all steps are in sight
}

// --- jobs ------------------------------------------------------------------------------------------------------------

const STATES = { waiting: "waits", running: "runs", done: "done", failed: "failed", stopped: "stopped", lost: "cut off" };

function showJobs() {
  const going = state.jobs.filter((job) => job.state === "running" && job.kind !== "serve" && job.kind !== "ui");
  const waiting = state.jobs.filter((job) => job.state === "waiting");
  const text = !state.online ? "Not connected" : going.length ? going[0].title : waiting.length ? `${waiting.length} waiting` : "Idle";
  at("queue-text").textContent = text + (going.length && waiting.length ? ` · ${waiting.length} waiting` : "");
  at("queue-dot").className = `dot ${!state.online ? "off" : going.length ? "on" : ""}`;
  at("queue").replaceChildren(
    h("div", { class: "row between" }, h("h2", {}, "Jobs"),
      h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: toggleJobs }, "×")),
    h("p", { class: "soft small" }, "One at a time; the rest waits here, also over a restart of the studio."),
    state.jobs.length ? h("ol", { class: "jobs" }, state.jobs.slice(0, 30).map(jobLine)) : h("p", { class: "soft" }, "Nothing was started yet."),
  );
}

function jobLine(job) {
  const over = !["running", "waiting"].includes(job.state);
  const took = job.started && job.ended ? ` · ${seconds(job.ended - job.started)}` : "";
  return h("li", { class: `job ${job.state}` },
    h("div", { class: "row between" }, h("a", { href: `#live/${job.id}`, onclick: toggleJobs }, job.title),
      h("span", { class: `tag ${job.state}` }, STATES[job.state])),
    h("p", { class: "soft small" }, when(job.created) + took),
    job.error ? h("p", { class: "small fault" }, job.error.split("\n")[0]) : null,
    h("div", { class: "row" },
      over ? null : action(job.state === "waiting" ? "Take out" : "Stop", () => post(`/api/jobs/${job.id}`, { action: "stop" }), { class: "link" }),
      over && !["done"].includes(job.state) && !["serve", "ui"].includes(job.kind) ? action("Again", () => post(`/api/jobs/${job.id}`, { action: "again" }), { class: "link" }) : null));
}

function toggleJobs() {
  const queue = at("queue");
  queue.hidden = !queue.hidden;
  at("queue-button").setAttribute("aria-expanded", String(!queue.hidden));
  if (!queue.hidden) queue.querySelector("button").focus();
}

// --- no magic --------------------------------------------------------------------------------------------------------

let isOpen = false;

function showMagic() {
  const commands = SCREENS[shown].commands?.(state.draft.commands) ?? [];
  const file = h("input", { type: "file", accept: ".yaml,.yml", class: "away", id: "import-file", onchange: importParams });
  at("magic").replaceChildren(h("details", { class: "magic", open: isOpen, ontoggle: (event) => { isOpen = event.target.open; } },
    h("summary", {}, "No magic: the same without this page"),
    h("div", { class: "two" },
      h("div", {}, h("h3", {}, "On the command line"), commands.map(copied),
        h("p", { class: "soft small" }, "Saved as studio.yaml, these are your settings; all else is default."),
        h("form", { class: "row", onsubmit: (event) => {
          event.preventDefault();
          takeOver(event.target.querySelector("input").value.trim(), "command");
        } }, h("input", { type: "text", "aria-label": "A command to take over", placeholder: "darkroom run --data … --set …", autocomplete: "off", spellcheck: false }), h("button", { class: "button small" }, "Take over"))),
      h("div", {}, h("h3", {}, "studio.yaml"), copied(state.draft.yaml),
        h("div", { class: "row" }, h("a", { class: "button", href: "/api/draft/params.yaml", download: "studio.yaml" }, "Export"),
          h("label", { class: "button", htmlFor: "import-file" }, "Import…"), file)))));
}

async function importParams(event) {
  const [file] = event.target.files;
  event.target.value = "";
  await takeOver(await file.text());
}

async function takeOver(text, kind = "file") {
  calm();
  try {
    await post("/api/draft/import", { revision: state.draft.revision, text, kind });
    await reload();
    await show();
  } catch (error) {
    complain(error);
  }
}

at("problem-close").addEventListener("click", calm);
at("queue-button").addEventListener("click", toggleJobs);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !at("queue").hidden) toggleJobs();
});
addEventListener("hashchange", async () => {
  await show();
  at("main").focus({ preventScroll: true });
});
on("jobs", showJobs);
on("online", showJobs);
on("draft", ({ elsewhere }) => {
  showSteps();
  showMagic();
  if (elsewhere && shown !== "data" && shown !== "live") show();
});

try {
  await load();
  showJobs();
  await show();
} catch (error) {
  complain(error);
}
document.body.dataset.ready = "yes";
