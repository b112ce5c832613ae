// The Training screen: the presets, all other settings under "Advanced", the estimated time, and the start button.

import { get } from "../client/api.js";
import { debounce } from "../client/debounce.js";
import { latest } from "../client/latest.js";
import { changedKeys } from "../client/params.js";
import { changeParams, on, startJob, state } from "../client/state.js";
import { actionButton, announce, card, h } from "../elements/dom.js";
import { augmentationCard } from "./augmentation.js";
import { clusterCard, gateCard, photosCard, regularizationCard, tuneCard } from "./cards.js";
import { phasesCard } from "./phases.js";
import { estimateText, presetCards } from "./presets.js";
import { scheduleCard } from "./schedule.js";
import { trainableCard } from "./trainable.js";

/** @import { Commands, Estimate } from "../client/types.js" */

/**
 * The command-line equivalents of this screen.
 * @param {Commands} all
 */
export const commands = ({ training, rate }) => [training, rate];

/**
 * Fills the page; the returned function cleans up when the user leaves the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts The parts of the address: the key of the setting to show.
 */
export async function show(page, [key]) {
  page.append(
    h("h1", {}, "Training"),
    h("p", { class: "lead" }, "How thorough should training be? Everything else is chosen automatically."),
  );
  if (!state.draft.params.data) {
    page.append(
      h("p", { class: "notice" }, "Choose photos before you train."),
      h("a", { class: "button main", href: "#data" }, "Choose photos"),
    );
  }
  const { element: presets, update: updatePresets } = presetCards();
  const { element: advanced, update: updateAdvanced } = advancedPart();
  const { element: foot, update: updateFoot } = startBar();
  const draw = () => {
    updatePresets();
    updateAdvanced();
    updateFoot();
  };
  page.append(presets, advanced, foot);
  draw();
  if (key) setTimeout(() => goToSetting(key)); // once the screen is on the page
  return on("draft", draw);
}

let isAdvancedOpen = false;

/** The collapsible part with all other settings, and the number of changed ones. */
function advancedPart() {
  const count = h("span", { class: "tag", id: "num-changed" });
  const reset = actionButton("Reset all", () => changeParams({}, changedKeys(state.draft.params)), {
    class: "button small",
    id: "reset-all",
  });
  const decisions = h("ul", { class: "plain small soft" });
  const learning = [scheduleCard(), trainableCard(), phasesCard(), augmentationCard(), regularizationCard()];
  const moreCards = [
    photosCard(),
    tuneCard(),
    gateCard(),
    card("Values chosen automatically", decisions),
    clusterCard(),
  ];
  const ontoggle = (/** @type {{ currentTarget: HTMLDetailsElement }} */ { currentTarget }) => {
    isAdvancedOpen = currentTarget.open;
  };
  const element = h(
    "details",
    { class: "advanced", id: "advanced", open: isAdvancedOpen, ontoggle },
    h("summary", {}, h("b", {}, "Advanced"), " ", count),
    h(
      "div",
      { class: "row between" },
      h("p", { class: "soft" }, "Every value has a default. Changed values are marked."),
      reset,
    ),
    h("div", { class: "columns" }, h("div", {}, learning), h("div", {}, moreCards)),
  );
  const update = () => {
    decisions.replaceChildren(...state.draft.decisions.map((text) => h("li", {}, text)));
    const numChanged = changedKeys(state.draft.params).filter((key) => key !== "train.preset").length;
    count.textContent = numChanged ? `${numChanged} changed` : "";
    count.hidden = !numChanged;
    reset.hidden = !numChanged;
  };
  return { element, update };
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

/** The button that starts training, with the estimated time or the reason why the button is disabled. */
function startBar() {
  const estimate = h("p", { class: "estimate", role: "status" });
  const reason = h("p", { class: "fault", role: "alert", id: "reasons" });
  const startTraining = async () => {
    const job = await startJob({ kind: "run" });
    location.hash = `#live/${job.id}`;
  };
  const start = actionButton("Start training", startTraining, { class: "button main", id: "start" });
  /** @type {() => Promise<{ answer: Estimate | null } | null>} */
  const request = latest(() => get("api/estimate").catch(() => null));
  const updateEstimate = debounce(async () => {
    const received = await request();
    if (!received) return;
    const time = received.answer;
    estimate.replaceChildren(time ? h("span", {}, h("b", {}, estimateText(time)), `. ${time.why}`) : "");
  }, 200);
  let announced = "";
  const update = () => {
    const { params, reasons, ready } = state.draft;
    const text = params.data ? (reasons[0] ?? "") : "";
    start.disabled = !ready;
    reason.textContent = text;
    reason.hidden = !text;
    if (text && text !== announced) announce(`Training cannot start: ${text}`);
    announced = text;
    updateEstimate();
  };
  const element = h("div", { class: "next sticky" }, h("div", {}, reason, estimate), start);
  return { element, update };
}
