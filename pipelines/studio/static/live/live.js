// Live: a job as it goes on, in every tab, also after a restart of the studio.

import { get, post } from "../client/api.js";
import { action, complain, count, h, percent, plural, say, seconds, when } from "../elements/dom.js";
import { job, on, state, watch } from "../client/state.js";
import { lines } from "../elements/chart.js";

let shown = null;

export const commands = (all) => {
  const job = state.jobs.find((one) => one.id === shown);
  return job ? [`${job.command[0].startsWith("/") ? "" : "darkroom "}${job.command.map(quoted).join(" ")}`] : [all.training];
};

const quoted = (word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
const STEPS = { preprocess: "Prepare photos", tune: "Search", train: "Train", evaluate: "Evaluate", deploy: "Build the service" };
const STATES = { waiting: "It waits for the jobs before it.", running: "It runs.", done: "Done.", failed: "It failed.", stopped: "It was stopped.", lost: "It was cut off." };

export async function show(page, [asked]) {
  const pick = () => asked ?? (state.jobs.find((job) => job.state === "running" && ["run", "submit"].includes(job.kind)) ?? state.jobs.find((job) => ["run", "submit"].includes(job.kind)) ?? state.jobs[0])?.id;
  const body = h("div", {});
  page.append(body);
  const log = { text: "", element: h("pre", { class: "log", tabIndex: 0, "aria-label": "Log" }) };
  let last = null;
  let view = null;
  const begin = () => {
    shown = pick();
    if (shown) watch(shown);
    else body.replaceChildren(h("h1", {}, "Live"), h("p", { class: "lead" }, "Nothing was started yet."), h("a", { class: "button main", href: "#training" }, "To the training"));
  };
  begin();
  const offs = [
    on("live", (live) => {
      if (live.log) {
        const follows = log.element.scrollTop + log.element.clientHeight >= log.element.scrollHeight - 30;
        log.text = (log.text + live.log).slice(-300000);
        log.element.textContent = log.text;
        if (follows) log.element.scrollTop = log.element.scrollHeight;
      }
      if (last && last.state !== live.state) say(`${live.title}: ${STATES[live.state] ?? live.state}`);
      last = live;
      if (!live.steps) return body.replaceChildren(h("h1", {}, "Live"), h("p", { class: "notice fault" }, live.error));
      if (!view) {
        view = parts(log);
        body.replaceChildren(...view.elements);
      }
      return view.draw(live);
    }),
    on("jobs", () => { if (!shown) begin(); }),
  ];
  return () => {
    offs.forEach((off) => off());
    watch(null);
    shown = null;
  };
}

// The page in parts, each drawn anew only when what it shows is another: a button that is pressed stays where it is.
function parts(log) {
  const slots = ["head", "fault", "steps", "now", "figures", "plots", "trials"].map((name) => h("div", { class: `part ${name}-part` }));
  const known = [];
  const fold = h("details", { class: "card fold log-fold" }, h("summary", {}, "Log"), log.element);
  const draw = (live) => {
    const going = live.state === "running" || live.state === "waiting";
    const now = going && live.steps.length ? newest(log.text) : "";
    if (!known.length) fold.open = !live.steps?.length;
    [
      [[live.id, live.state, live.finishing, live.run_id, live.started, live.ended, ...live.steps.map((step) => step.state)], () => head(live, going)],
      [live.error, () => live.error ? h("p", { class: "notice fault", role: "alert" }, live.error) : ""],
      [[live.steps, going], () => live.steps.length ? stepper(live) : going ? h("progress", { "aria-label": live.title }) : ""],
      [now, () => now ? h("p", { class: "now soft" }, now) : ""],
      [[live.epochs.length, live.part, live.state, live.steps], () => live.epochs.length || live.part ? figures(live) : ""],
      [live.epochs, () => live.epochs.length ? plots(live) : ""],
      [live.trials, () => live.trials.length ? trials(live.trials) : ""],
    ].forEach(([facts, render], place) => {
      const shows = JSON.stringify(facts);
      if (known[place] === shows) return;
      known[place] = shows;
      slots[place].replaceChildren(render());
    });
  };
  return { elements: [...slots, fold], draw };
}

function head(live, going) {
  const learns = live.steps.some((step) => ["train", "tune"].includes(step.name) && step.state === "running");
  const act = (name) => () => post(`/api/jobs/${live.id}`, { action: name });
  return h("div", { class: "row between head" }, h("div", {}, h("h1", {}, live.title), h("p", { class: "lead" }, STATES[live.state] ?? "", began(live))),
    h("div", { class: "row" },
      live.state === "running" && live.run_id && learns && !live.finishing ? action("Finish now, keep the best", act("finish"), { class: "button", id: "finish" }) : null,
      live.finishing && learns ? h("span", { class: "soft small" }, "It ends after this epoch.") : null,
      going ? action(live.state === "waiting" ? "Take out" : "Stop", act("stop"), { class: "button", id: "stop" }) : null,
      ["failed", "stopped", "lost"].includes(live.state) ? action(live.kind === "run" ? "Resume" : "Again", async () => {
        const job = await act("again")();
        location.hash = `#live/${job.id}`;
      }, { class: "button main", id: "again" }) : null,
      live.kind === "submit" ? elsewhere(live) : null,
      live.kind === "package" && live.state === "done" ? h("a", { class: "button main", href: `#try/${job(live.id)?.about.model}`, id: "to-try" }, "Try it") : null,
      live.state === "done" && live.run_id ? h("a", { class: "button main", href: `#results/${live.run_id}`, id: "to-results" }, "See the results") : null));
}

// Where a run on a cluster can be watched, as soon as the cluster has taken it.
function elsewhere(live) {
  const place = h("span", {});
  get(`/api/jobs/${live.id}`).then(({ output }) => output && place.replaceChildren(h("a", { class: "button", id: "elsewhere", href: output.url, target: "_blank", rel: "noopener" }, "See it on Kubeflow"))).catch(complain);
  return place;
}

// What the run told last, in a whole line, without its time and its step.
function newest(text) {
  const end = Math.max(0, text.lastIndexOf("\n"));
  return text.slice(text.lastIndexOf("\n", end - 1) + 1, end).replace(/^\s*[\d:]+\s+\w+\s+/, "");
}

function began(live) {
  if (!live.started) return "";
  return live.ended ? ` It began ${when(live.started)}, and took ${seconds(live.ended - live.started)}.` : ` It began ${when(live.started)}.`;
}

function plots(live) {
  return h("div", { class: "plots" },
    lines("Loss", [series(live, "training", "loss", "train"), series(live, "validation", "val_loss", "validation")], { planned: planned(live), best: best(live) }),
    lines("Accuracy", [series(live, "training", "accuracy", "train"), series(live, "validation", "val_accuracy", "validation")], { share: true, planned: planned(live), best: best(live) }));
}

const planned = (live) => Math.min(live.epochs.at(-1)?.planned ?? 0, Math.max(10, live.epochs.length * 2));
const series = (live, name, key, kind) => ({ name, kind, values: live.epochs.map((epoch) => epoch[key]) });
const best = (live) => 1 + live.epochs.reduce((found, epoch, place) => epoch.val_loss < live.epochs[found].val_loss ? place : found, 0);

function stepper(live) {
  return h("ol", { class: "stepper" }, live.steps.map((step) => h("li", { class: step.state, "aria-current": step.state === "running" ? "step" : null },
    h("span", { class: "mark", "aria-hidden": "true" }), h("b", {}, STEPS[step.name]), h("span", { class: "soft small" }, step.state === "running" ? "now" : step.seconds ? seconds(step.seconds) : step.state))));
}

function figures(live) {
  const last = live.epochs.at(-1) ?? {};
  const { part } = live;
  const going = live.state === "running" && live.steps.some((step) => ["train", "tune"].includes(step.name) && step.state === "running");
  const facts = [["Epoch", part ? `${part.epoch} of ${part.planned}` : last.epoch ? `${last.epoch} of ${last.planned}` : "–"], ["Phase", last.phase ?? 1], ["Photos a second", last.images_per_second ? count(Math.round(last.images_per_second)) : "–"], ["Best validation", live.epochs.length ? percent(live.epochs[best(live) - 1].val_accuracy) : "–"],
    going ? ["At most left", seconds(last.seconds_left ?? part?.seconds_left)] : null, ["Learning rate", last.learning_rate === undefined ? "–" : Number(last.learning_rate.toPrecision(2))]].filter(Boolean);
  return h("div", { class: "card" }, h("dl", { class: "figures" }, facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(text))))),
    part ? h("progress", { value: part.done, max: 1, "aria-label": `Epoch ${part.epoch}` }) : null);
}

function trials(rows) {
  const top = Math.max(...rows.map((row) => row.accuracy ?? 0));
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row.values)))];
  return h("section", { class: "card" }, h("h2", {}, plural(rows.length, "trial")), h("div", { class: "scroll" }, h("table", { class: "small" },
    h("thead", {}, h("tr", {}, ["Trial", "State", "Validation", ...keys].map((word) => h("th", { scope: "col" }, word)))),
    h("tbody", {}, rows.map((row) => h("tr", { class: row.accuracy === top && top ? "first" : "" }, h("th", { scope: "row" }, row.number + 1), h("td", {}, row.state), h("td", {}, row.accuracy ? percent(row.accuracy) : "–"), keys.map((key) => h("td", {}, typeof row.values[key] === "number" ? Number(row.values[key].toPrecision(3)) : String(row.values[key] ?? "")))))))));
}

