// The frame around the screens: the steps, the jobs, the message line, and the panel "No magic".

import { RequestError } from "./client/api.js";
import { load, on, paramValue, state } from "./client/state.js";
import { byId, clearProblem, h, showProblem } from "./elements/dom.js";
import { showJobs, toggleJobs } from "./frame/job_list.js";
import { showNoMagic } from "./frame/no_magic.js";
import { parseHash } from "./frame/route.js";
import { showTitle } from "./frame/title.js";

/** @import { Commands } from "./client/types.js" */

/**
 * @typedef {object} Screen The module of a screen.
 * @property {(page: HTMLElement, parts: string[]) => Promise<Leave>} show Fills the page.
 * @property {(commands: Commands) => string[]} commands Returns the command-line equivalents.
 */
/** @typedef {(() => unknown) | null | undefined} Leave Cleans up when the user leaves a screen. */

/** @type {{ [name: string]: { title: string, load: () => Promise<Screen> } }} By name; scripts are loaded on demand. */
const SCREENS = {
  data: { title: "Data", load: () => import("./data/data.js") },
  model: { title: "Model", load: () => import("./model/model.js") },
  training: { title: "Training", load: () => import("./training/training.js") },
  live: { title: "Live", load: () => import("./live/live.js") },
  results: { title: "Results", load: () => import("./results/results.js") },
  try: { title: "Try", load: () => import("./playground/playground.js") },
};

let screenName = "";
/** @type {Screen | null} */
let screen = null;
/** @type {Leave} */
let leave = null;

async function showScreen() {
  const [name, parts] = parseHash(location.hash, Object.keys(SCREENS));
  leave?.();
  leave = null;
  screen = null;
  clearProblem();
  screenName = name;
  showSteps();
  const main = byId("main");
  const page = h("div", { class: `screen ${name}` });
  main.replaceChildren(page);
  main.setAttribute("aria-busy", "true");
  showTitle(SCREENS[name].title);
  /** @type {Leave} */
  let leavePage = null;
  try {
    const module = await loadScreen(name);
    if (!page.isConnected) return;
    screen = module;
    leavePage = await module.show(page, parts);
  } catch (error) {
    showProblem(error);
  }
  if (!page.isConnected) {
    // The user has opened another screen in the meantime.
    leavePage?.();
    return;
  }
  leave = leavePage;
  main.removeAttribute("aria-busy");
  showCommands();
  scrollTo(0, 0);
}

/**
 * @param {string} name
 * @returns {Promise<Screen>}
 * @throws {RequestError} if the script cannot be loaded, because the studio has stopped or Darkroom was updated.
 */
async function loadScreen(name) {
  const { title, load: loadModule } = SCREENS[name];
  return loadModule().catch((error) => {
    throw new RequestError(`The screen "${title}" cannot be loaded; reload the page. ${error}`, 0);
  });
}

function showSteps() {
  /** @type {{ [name: string]: boolean }} */
  const isDone = {
    data: Boolean(state.draft.params.data),
    model: Boolean(paramValue("train.model")),
  };
  const steps = Object.entries(SCREENS).map(([name, { title }], position) => {
    const number = h("span", { class: "number", "aria-hidden": "true" }, String(position + 1));
    const current = name === screenName ? "step" : null;
    const link = h(
      "a",
      { href: `#${name}`, "aria-current": current, class: isDone[name] ? "done" : "" },
      number,
      title,
    );
    return h("li", {}, link);
  });
  byId("steps").replaceChildren(...steps);
  // Not all steps fit on the screen of a phone, so the current one is scrolled into view.
  const current = byId("steps").querySelector("[aria-current]");
  const nav = current?.closest("nav");
  if (current instanceof HTMLElement && nav) nav.scrollLeft = current.offsetLeft - 60;
}

function showCommands() {
  if (screen) showNoMagic(screen.commands(state.draft.commands), showScreen);
}

byId("problem-close").addEventListener("click", clearProblem);
byId("queue-button").addEventListener("click", toggleJobs);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("queue").hidden) toggleJobs();
});
addEventListener("hashchange", async () => {
  await showScreen();
  byId("main").focus({ preventScroll: true });
});
on("jobs", showJobs);
on("online", showJobs);
on("progress", () => showTitle(SCREENS[screenName].title));
on("draft", ({ elsewhere }) => {
  showSteps();
  showCommands();
  if (elsewhere && screenName !== "data" && screenName !== "live") showScreen();
});

try {
  await load();
  showJobs();
  await showScreen();
} catch (error) {
  showProblem(error);
}
document.body.dataset.ready = "yes";
