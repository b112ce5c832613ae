// Checks what people can see and reach on a page; the tests run this script in the page.

const MIN_CONTRAST = 4.5; // WCAG 2.1, level AA, for text of any size
const UNSEEN = ":disabled, .away, svg, option, noscript";
const SCROLLING = ".scroll, pre, .places, .tree, nav, .away, svg"; // these scroll separately or are invisible
const TEXT_LENGTH = 40;

/** @typedef {number[]} Color Red, green and blue from 0 to 255, then the opacity unless it is 1. */

/**
 * Parses the color of a computed style.
 * @param {string} style
 * @returns {Color}
 */
function parseColour(style) {
  const numbers = (style.match(/[\d.]+/g) ?? []).map(Number);
  if (!style.startsWith("color(srgb")) return numbers;
  return numbers.map((number, channel) => (channel < 3 ? number * 255 : number));
}

/**
 * The relative luminance as defined in WCAG 2.1.
 * @param {Color} color
 */
function luminance(color) {
  const [red, green, blue] = color
    .map((channel) => channel / 255)
    .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * The color that results from a translucent color over another color.
 * @param {Color} top
 * @param {Color} below
 * @returns {Color}
 */
function blend(top, below) {
  const opacity = top[3] ?? 1;
  return [0, 1, 2].map((channel) => top[channel] * opacity + below[channel] * (1 - opacity));
}

/**
 * The background color behind an element's text, given that the page is drawn on white.
 * @param {Element | null} element
 * @returns {Color}
 */
function backgroundOf(element) {
  if (!element) return [255, 255, 255];
  return blend(parseColour(getComputedStyle(element).backgroundColor), backgroundOf(element.parentElement));
}

/**
 * The contrast of an element's text as defined in WCAG 2.1.
 * @param {Element} element
 */
function contrastOf(element) {
  const background = backgroundOf(element);
  const text = blend(parseColour(getComputedStyle(element).color), background);
  const [darker, lighter] = [text, background].map(luminance).sort((first, second) => first - second);
  return (lighter + 0.05) / (darker + 0.05);
}

/**
 * All text with too little contrast against its background.
 * @returns {[className: string, text: string, contrast: string][]}
 */
function lowContrastTexts() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  /** @type {[string, string, string][]} */
  const faults = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent?.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element || element.closest(UNSEEN)) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const contrast = contrastOf(element);
    if (contrast < MIN_CONTRAST) faults.push([element.className, text.slice(0, TEXT_LENGTH), contrast.toFixed(2)]);
  }
  return faults;
}

/** Elements that extend beyond the right edge of the window. */
function overflowingElements() {
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(SCROLLING))
    .map((element) => `${element.tagName} ${element.className}`);
}

/** Ids that more than one element has. */
function duplicateIds() {
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return ids.filter((id, position) => ids.indexOf(id) !== position);
}

/** @type {HTMLElement | null} */
let lastFocused = null;

/** Describes the focused element and whether it follows the previous one; null if the focus has left the page. */
function describeFocus() {
  const focused = /** @type {HTMLElement} */ (document.activeElement);
  const last = lastFocused?.isConnected ? lastFocused : null;
  lastFocused = focused;
  // After the last element, some browsers continue at the start of the page.
  if (focused === document.body || (last && focused.matches(".skip"))) return null;
  const shown = visibleElement(focused);
  return {
    what: focused.outerHTML.slice(0, 160),
    outlined: getComputedStyle(shown).outlineStyle !== "none",
    uncovered: isUncovered(shown),
    inOrder: !last || last === document.body || isAfter(focused, last),
  };
}

/**
 * The element that a user sees: for an invisible input, its label.
 * @param {HTMLElement} element
 */
function visibleElement(element) {
  const label = element instanceof HTMLInputElement && element.classList.contains("away") && element.labels?.[0];
  return label || element;
}

/**
 * Whether no other element covers the element.
 * @param {Element} element
 */
function isUncovered(element) {
  const box = element.getBoundingClientRect();
  const x = box.x + Math.min(box.width / 2, 20);
  const hits = [0.15, 0.5, 0.85].map((share) => document.elementFromPoint(x, box.y + box.height * share));
  return hits.some((hit) => hit && (element.contains(hit) || hit.contains(element)));
}

/**
 * @param {Node} node
 * @param {Node} other
 */
const isAfter = (node, other) => Boolean(other.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING);

// The tests call these by name.
for (const eye of [lowContrastTexts, overflowingElements, duplicateIds, describeFocus]) {
  Reflect.set(globalThis, eye.name, eye);
}
