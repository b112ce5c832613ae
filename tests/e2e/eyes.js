// What eyes and fingers find on a page; the tests put this into it.

const leastContrast = 4.5; // WCAG 2.1, level AA, for text of any size
const unseen = ":disabled, .away, svg, option, noscript";
const moving = ".scroll, pre, .places, .tree, nav, .away, svg"; // these scroll by themselves, or are not seen

function channels(text) {
  const found = text.match(/[\d.]+/g).map(Number);
  return text.startsWith("color(srgb") ? found.map((one, place) => (place < 3 ? one * 255 : one)) : found;
}

function brightness(rgb) {
  const linear = rgb.map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function over(top, below) {
  const share = top[3] ?? 1;
  return [0, 1, 2].map((place) => top[place] * share + below[place] * (1 - share));
}

function ground(element) {
  return element ? over(channels(getComputedStyle(element).backgroundColor), ground(element.parentElement)) : [255, 255, 255];
}

// Texts that stand out too little from what is behind them.
function pale() {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest(unseen)) continue;
    const below = ground(element);
    const pair = [over(channels(getComputedStyle(element).color), below), below].map(brightness).sort((one, other) => other - one);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < leastContrast) found.push([element.className, text.slice(0, 40), contrast.toFixed(2)]);
  }
  return found;
}

// Elements that reach over the right edge.
function wide() {
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(moving))
    .map((one) => `${one.tagName} ${one.className}`);
}

function twice() {
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}

let before = null;

// Where the focus is; null where it has left the page.
function stop() {
  const now = document.activeElement;
  const last = before?.isConnected ? before : null;
  before = now;
  if (now === document.body || (last && now.matches(".skip"))) return null; // some browsers go round
  const shown = now.classList.contains("away") ? now.labels[0] : now;
  const box = shown.getBoundingClientRect();
  const met = [0.15, 0.5, 0.85].map((share) => document.elementFromPoint(box.x + Math.min(box.width / 2, 20), box.y + box.height * share));
  return {
    what: now.outerHTML.slice(0, 160),
    outlined: getComputedStyle(shown).outlineStyle !== "none",
    uncovered: met.some((one) => one && (shown.contains(one) || one.contains(shown))),
    inOrder: !last || last === document.body || Boolean(last.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING),
  };
}
