// Access to the elements of the page.

/**
 * Returns the element with this id.
 * @template {HTMLElement} [Target=HTMLElement]
 * @param {string} id
 * @param {new () => Target} [type]
 * @returns {Target}
 * @throws {Error} if the element is missing or has a different type.
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof (type ?? HTMLElement))) throw new Error(`The page must have an element #${id}.`);
  return /** @type {Target} */ (element);
}

/**
 * Returns the first match within an element.
 * @template {HTMLElement} [Target=HTMLElement]
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => Target} [type]
 * @returns {Target}
 * @throws {Error} if there is no match, or the match has a different type.
 */
export function child(parent, selector, type) {
  const element = parent.querySelector(selector);
  if (!(element instanceof (type ?? HTMLElement))) throw new Error(`The element ${selector} is missing.`);
  return /** @type {Target} */ (element);
}

const TINY_PIXELS = 64;

/**
 * Shows tiny photos with sharp pixels.
 * @param {HTMLImageElement} image
 */
export function keepTinyPixels(image) {
  image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth <= TINY_PIXELS));
}

/**
 * The message of an error.
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));
