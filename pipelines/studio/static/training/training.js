// Training: which layers learn, how long and how fast, the estimated time, and the start.

import { get } from "../client/api.js";
import { debounce } from "../client/debounce.js";
import { on, startJob, state } from "../client/state.js";
import { actionButton, announce, card, h } from "../elements/dom.js";
import { formatSeconds } from "../elements/format.js";
import { augmentationCard } from "./augmentation.js";
import { clusterCard, gateCard, photosCard, regularizationCard, tuneCard } from "./cards.js";
import { phasesCard } from "./phases.js";
import { scheduleCard } from "./schedule.js";
import { trainableCard } from "./trainable.js";

/** @import { Commands, Estimate } from "../client/types.js" */

/**
 * The commands that do the same as this screen.
 * @param {Commands} all
 */
export const commands = ({ training, rate }) => [training, rate];

/**
 * Fills the page; the returned function ends the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts Of the address: the setting to go to.
 */
export async function show(page, [key]) {
  const lead = "Every value has a sound default. Change what you know better.";
  page.append(h("h1", {}, "Training"), h("p", { class: "lead" }, lead));
  if (!state.draft.params.data) {
    const link = h("a", { href: "#data" }, "Choose them first.");
    page.append(h("p", { class: "notice" }, "No photos are chosen yet. ", link));
  }
  const decisions = h("ul", { class: "plain small soft" });
  const { element: foot, update } = startBar();
  const draw = () => {
    decisions.replaceChildren(...state.draft.decisions.map((text) => h("li", {}, text)));
    update();
  };
  const learning = [scheduleCard(), trainableCard(), phasesCard(), augmentationCard(), regularizationCard()];
  const moreCards = [photosCard(), tuneCard(), gateCard(), card("What the defaults become", decisions), clusterCard()];
  page.append(h("div", { class: "columns" }, h("div", {}, learning), h("div", {}, moreCards)), foot);
  draw();
  if (key) setTimeout(() => goToSetting(key)); // once the screen is on the page
  return on("draft", draw);
}

/** @param {string} key */
function goToSetting(key) {
  const box = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  for (let fold = box?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
  const control = box?.querySelector("input, select");
  if (!(control instanceof HTMLElement)) return;
  box?.classList.add("sought");
  control.scrollIntoView({ block: "center" });
  control.focus();
}

/** The button that starts the training, with the estimated time, or the reason why it is off. */
function startBar() {
  const estimate = h("p", { class: "estimate", role: "status" });
  const reason = h("p", { class: "fault", role: "alert", id: "reasons" });
  const startTraining = async () => {
    const job = await startJob({ kind: "run" });
    location.hash = `#live/${job.id}`;
  };
  const start = actionButton("Start the training", startTraining, { class: "button main", id: "start" });
  const updateEstimate = debounce(async () => {
    /** @type {Estimate} */
    const { low, high, why } = await get("/api/estimate").catch(() => ({ low: null, high: null, why: "" }));
    const time = h("b", {}, `${formatSeconds(low)} to ${formatSeconds(high)}`);
    estimate.replaceChildren(low ? h("span", {}, "About ", time, `. ${why}`) : "");
  }, 200);
  let announced = "";
  const update = () => {
    const { params, reasons, ready } = state.draft;
    const text = params.data ? (reasons[0] ?? "") : "";
    start.disabled = !ready;
    reason.textContent = text;
    reason.hidden = !text;
    if (text && text !== announced) announce(`The start is off: ${text}`);
    announced = text;
    updateEstimate();
  };
  const element = h("div", { class: "next sticky" }, h("div", {}, reason, estimate), start);
  return { element, update };
}
