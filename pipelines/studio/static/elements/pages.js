// Shows long lists page by page, with a search field.

import { h } from "./dom.js";
import { formatCount } from "./format.js";

const PAGE_SIZE = 24;

/** @type {Map<string, { text: string, start: number }>} */
const positions = new Map(); // a redrawn list keeps its search and page

/**
 * The items whose text contains a search term, ignoring case.
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => string} textOf
 * @param {string} text
 */
export function search(items, textOf, text) {
  const wanted = text.trim().toLowerCase();
  return wanted ? items.filter((item) => textOf(item).toLowerCase().includes(wanted)) : items;
}

/**
 * Shows the items of a list page by page. A list that fits on one page gets no search field or buttons.
 * @template Item
 * @param {Item[]} items
 * @param {string} label The label of the search field; lists with the same label share their search and page.
 * @param {(item: Item) => string} textOf Returns the text to search in.
 * @param {(items: Item[]) => void} show Draws the items of a page.
 * @returns {HTMLElement | null} The search field and the buttons; null if there is only one page.
 */
export function pages(items, label, textOf, show) {
  if (items.length <= PAGE_SIZE) {
    show(items);
    return null;
  }
  const position = positions.get(label) ?? { text: "", start: 0 };
  positions.set(label, position);
  const status = h("span", { class: "soft small", role: "status" });
  const turn = (/** @type {number} */ step) => {
    position.start += step;
    draw();
  };
  const back = h("button", { type: "button", class: "button small", onclick: () => turn(-PAGE_SIZE) }, "Back");
  const forward = h("button", { type: "button", class: "button small", onclick: () => turn(PAGE_SIZE) }, "Next");
  const field = h("input", {
    type: "search",
    "aria-label": label,
    placeholder: label,
    value: position.text,
    oninput: ({ currentTarget }) => {
      position.text = currentTarget.value;
      turn(-position.start);
    },
  });
  const draw = () => {
    const matches = search(items, textOf, position.text);
    if (position.start >= matches.length) position.start = 0;
    const shown = matches.slice(position.start, position.start + PAGE_SIZE);
    show(shown);
    const range = `${position.start + 1} to ${position.start + shown.length} of ${formatCount(matches.length)}`;
    status.textContent = shown.length ? range : "No matches.";
    back.disabled = position.start === 0;
    forward.disabled = position.start + PAGE_SIZE >= matches.length;
  };
  draw();
  return h("div", { class: "row pages" }, field, status, back, forward);
}
