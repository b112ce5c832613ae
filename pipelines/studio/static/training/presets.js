// Cards for choosing how thorough training is, each with its estimated time.

import { get } from "../client/api.js";
import { debounce } from "../client/debounce.js";
import { latest } from "../client/latest.js";
import { changeParams } from "../client/state.js";
import { h, showProblem } from "../elements/dom.js";
import { formatSeconds } from "../elements/format.js";

/** @import { Estimate, Preset, PresetsAnswer } from "../client/types.js" */

/** The cards, and a function that updates them after a change of the draft. */
export function presetCards() {
  const cards = h("div", { class: "presets", role: "radiogroup", "aria-label": "Thoroughness" });
  const note = h("p", { class: "soft small" });
  /** @type {(path: string) => Promise<{ answer: PresetsAnswer } | null>} */
  const request = latest((path) => get(path));
  /** @param {string} path */
  const draw = async (path) => {
    const received = await request(path);
    if (!received) return;
    const { presets, chosen } = received.answer;
    const focused = document.activeElement?.closest("[data-preset]");
    cards.replaceChildren(...presets.map((preset) => presetCard(preset, preset.name === chosen)));
    note.textContent = chosen ? "" : "Your own values below are used. Choose a card to use its values instead.";
    const name = focused instanceof HTMLElement ? focused.dataset.preset : null;
    const input = name ? cards.querySelector(`[data-preset="${name}"] input`) : null;
    if (input instanceof HTMLElement) input.focus();
  };
  // Estimating the times requires reading the photos, which is slow, so the cards are first drawn without them.
  const update = async () => {
    if (!cards.children.length) await draw("api/presets");
    await draw("api/presets?times=yes");
  };
  return { element: h("div", {}, cards, note), update: debounce(() => update().catch(showProblem), 100) };
}

/**
 * @param {Preset} preset
 * @param {boolean} isChosen
 */
function presetCard({ name, title, text, values, estimate }, isChosen) {
  const choose = () => {
    const entries = Object.entries(values);
    const set = Object.fromEntries(entries.filter(([, value]) => value !== null));
    const unset = entries.filter(([, value]) => value === null).map(([key]) => key);
    changeParams(set, unset);
  };
  const id = `preset-${name}`;
  const input = h("input", { type: "radio", name: "preset", id, checked: isChosen, onchange: choose });
  return h(
    "label",
    { class: isChosen ? "card preset chosen" : "card preset", dataset: { preset: name }, htmlFor: id },
    h("span", { class: "row" }, input, h("b", {}, title)),
    h("span", { class: "time" }, estimateText(estimate)),
    h("span", { class: "soft small" }, text),
  );
}

/**
 * The estimated time of a training run in words; empty before data is chosen.
 * @param {Estimate | null} estimate
 */
export function estimateText(estimate) {
  if (!estimate) return "";
  const [low, high] = [formatSeconds(estimate.low), formatSeconds(estimate.high)];
  return low === high ? `about ${low}` : `${low} to ${high}`;
}
