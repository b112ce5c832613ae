// Elements for every screen, and messages to the user.

import { nextAction } from "./next_action.js";

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * @template {Element} Target
 * @typedef {{
 *   [Name in keyof GlobalEventHandlersEventMap as `on${Name}`]?:
 *     (event: GlobalEventHandlersEventMap[Name] & { currentTarget: Target }) => unknown
 * }} EventListeners
 */

/**
 * @template {Element} Target
 * @typedef {{
 *   [Name in Exclude<keyof Target, keyof GlobalEventHandlers | "style" | "dataset">]?:
 *     (Target[Name] extends string ? string | number : Target[Name]) | null
 * }} Properties
 */

/**
 * @template {Element} Target
 * @typedef {EventListeners<Target> & Properties<Target> & {
 *   class?: string,
 *   style?: { [name: string]: string },
 *   dataset?: { [name: string]: string },
 *   [aria: `aria-${string}`]: string | null,
 * }} Attributes
 */

/**
 * Creates an HTML element. Attributes that are null, undefined or false are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes<HTMLElementTagNameMap[Tag]>} attributes
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...flatten(children));
  return element;
}

const NOT_PROPERTIES = ["list", "form", "type", "role"];

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {unknown} value
 */
function setAttribute(element, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  else if (name === "class") element.className = String(value);
  else if (name === "style") Object.assign(element.style, value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name in element && !NOT_PROPERTIES.includes(name)) Reflect.set(element, name, value);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Flattens the children of an element into one list, without those that are null, undefined or false.
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
export function flatten(children) {
  return children.flatMap((child) => {
    if (Array.isArray(child)) return flatten(child);
    if (child === null || child === undefined || child === false) return [];
    return [typeof child === "object" ? child : String(child)];
  });
}

/**
 * Creates an SVG element.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{ [name: string]: string | number }} attributes
 * @param {(Node | string)[]} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Returns the element with this id; it must exist.
 * @param {string} id
 * @returns {HTMLElement}
 * @throws {Error} if it does not exist.
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page must have an element #${id}.`);
  return element;
}

/**
 * Returns the first match of a selector within a parent; it must exist.
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 * @throws {Error} if it does not exist.
 */
export function child(parent, selector) {
  const element = parent.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`The element ${selector} is missing.`);
  return element;
}

/**
 * Shows an error to the user, with a button for the next action.
 * @param {unknown} error
 */
export function showProblem(error) {
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof Error && "status" in error ? Number(error.status) : null;
  const action = nextAction(message, status);
  byId("problem-text").textContent = message;
  byId("problem-action").replaceChildren(...(action ? [actionLink(action)] : []));
  byId("problem").hidden = false;
}

/** @param {import("./next_action.js").NextAction} action */
function actionLink({ text, href }) {
  if (href !== null) return h("a", { class: "button small", href }, text);
  return h("button", { type: "button", class: "button small", onclick: () => location.reload() }, text);
}

/** Hides the last error. */
export function clearProblem() {
  byId("problem").hidden = true;
}

/**
 * Announces a message to users of a screen reader.
 * @param {string} text
 */
export function announce(text) {
  byId("spoken").textContent = text;
}

/** Ignores a rejected promise whose failure does not matter to the user. */
export const ignoreFailure = () => undefined;

/**
 * A button that is marked as busy while its work is running, and reports errors.
 * @param {string} label
 * @param {(button: HTMLButtonElement) => unknown} work
 * @param {Attributes<HTMLButtonElement>} [attributes]
 */
export function actionButton(label, work, attributes = {}) {
  const onclick = async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    clearProblem();
    try {
      await work(button);
    } catch (error) {
      showProblem(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  };
  const button = h("button", { type: "button", class: "button", ...attributes, onclick }, label);
  return button;
}

/**
 * Code with a button that copies it.
 * @param {string} text
 */
export function copyableCode(text) {
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1500);
  };
  const button = actionButton("Copy", copy, { class: "link copy" });
  return h("div", { class: "code" }, h("pre", { tabIndex: 0 }, text), navigator.clipboard ? button : null);
}

/**
 * Opens a window over the page; the window is removed when it is closed.
 * @param {Attributes<HTMLDialogElement> & { onclose?: () => unknown }} attributes
 * @param {Child[]} children
 */
export function openDialog({ onclose, ...attributes }, ...children) {
  /** @type {HTMLDialogElement} */
  const dialog = h("dialog", attributes, ...children);
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * A section of a screen, with a heading unless the title is empty.
 * @param {string} title
 * @param {Child[]} children
 */
export function card(title, ...children) {
  return h("section", { class: "card" }, title ? h("h2", {}, title) : null, ...children);
}

/**
 * A name and its value in a list of values.
 * @param {string} name
 * @param {string} text
 * @param {string} [note]
 */
export function figure(name, text, note) {
  const details = note === undefined ? null : h("dd", { class: "soft small" }, note);
  return h("div", {}, h("dt", {}, name), h("dd", {}, text), details);
}

/**
 * The head of a table.
 * @param {string[]} names The names of the columns; a column of controls has an empty name.
 */
export function tableHead(names) {
  const columns = names.map((name) => (name ? h("th", { scope: "col" }, name) : h("td", {})));
  return h("thead", {}, h("tr", {}, columns));
}

/**
 * A photo. The pixels of tiny photos are enlarged without blur; unreadable photos are dimmed.
 * @param {string} src
 * @param {string} alt
 */
export function photo(src, alt) {
  return h("img", {
    src,
    alt,
    loading: "lazy",
    onload: ({ currentTarget }) => currentTarget.classList.toggle("tiny", currentTarget.naturalWidth <= 64),
    onerror: ({ currentTarget }) => currentTarget.classList.add("broken"),
  });
}

/** Returns a unique id for an element. */
export const randomId = () => Math.random().toString(36).slice(2);

/**
 * A control with its label and help.
 * @param {string} label
 * @param {HTMLElement} input
 * @param {string} [help]
 * @param {boolean} [isWide]
 */
export function field(label, input, help, isWide = false) {
  const id = input.id || `field-${randomId()}`;
  input.id = id;
  if (help) input.setAttribute("aria-describedby", `${id}-help`);
  return h(
    "div",
    { class: isWide ? "field wide" : "field" },
    h("label", { htmlFor: id }, label),
    input,
    help ? h("p", { class: "help", id: `${id}-help` }, help) : null,
  );
}

/**
 * A drop-down list.
 * @param {(string | [key: string, text: string])[]} options
 * @param {string | undefined} value
 * @param {(key: string) => unknown} onchange
 * @param {Attributes<HTMLSelectElement>} [attributes]
 */
export function select(options, value, onchange, attributes = {}) {
  const items = options.map((option) => {
    const [key, text] = Array.isArray(option) ? option : [option, option];
    return h("option", { value: key, selected: key === value }, text);
  });
  return h("select", { ...attributes, onchange: ({ currentTarget }) => onchange(currentTarget.value) }, items);
}
