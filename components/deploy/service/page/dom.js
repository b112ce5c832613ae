// The elements of the page.

/**
 * The element with an id, which the page must have.
 * @template {HTMLElement} [Target=HTMLElement]
 * @param {string} id
 * @param {new () => Target} [type]
 * @returns {Target}
 * @throws {Error} if there is none, or it is of another type.
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof (type ?? HTMLElement))) throw new Error(`The page must have an element #${id}.`);
  return /** @type {Target} */ (element);
}

/**
 * The first match within an element, which must have one.
 * @template {HTMLElement} [Target=HTMLElement]
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => Target} [type]
 * @returns {Target}
 * @throws {Error} if there is none, or it is of another type.
 */
export function child(parent, selector, type) {
  const element = parent.querySelector(selector);
  if (!(element instanceof (type ?? HTMLElement))) throw new Error(`There must be an element ${selector} here.`);
  return /** @type {Target} */ (element);
}

const TINY_PIXELS = 64;

/**
 * Lets tiny photos keep their pixels.
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
