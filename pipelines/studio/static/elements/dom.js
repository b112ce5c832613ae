// What every screen is made of: elements, words and numbers.

export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && !["list", "form", "type", "role"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(tag, given = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const at = (id) => document.getElementById(id);

export const count = (number) => Number(number).toLocaleString("en");
export const plural = (number, word, many = `${word}s`) => `${count(number)} ${number === 1 ? word : many}`;
// A share as a number of a hundred: 100.0 has been rounded, 100 has not.
export const points = (share, digits = 1) => (100 * share).toFixed(share === 0 || share === 1 ? 0 : digits);
export const percent = (share, digits = 1) => `${points(share, digits)}\u00a0%`;

export function short(number) {
  if (number >= 1e9) return `${(number / 1e9).toFixed(1)} G`;
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)} M`;
  if (number >= 1e4) return `${Math.round(number / 1e3)} k`;
  return count(Math.round(number));
}

export function bytes(number) {
  if (number >= 1e9) return `${(number / 1e9).toFixed(1)} GB`;
  if (number >= 1e6) return `${(number / 1e6).toFixed(number < 1e7 ? 1 : 0)} MB`;
  return `${Math.max(1, Math.round(number / 1e3))} kB`;
}

export function seconds(number) {
  if (number === null || number === undefined || !Number.isFinite(number)) return "";
  if (number < 90) return `${Math.round(number)} s`;
  if (number < 5400) return `${Math.round(number / 60)} min`;
  return `${(number / 3600).toFixed(1)} h`;
}

export function when(stamp) {
  const date = typeof stamp === "number" ? new Date(stamp * 1000) : new Date(stamp);
  const today = new Date().toDateString() === date.toDateString();
  return date.toLocaleString("en-GB", today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

export function complain(error) {
  at("problem-text").textContent = error?.message ?? String(error);
  at("problem").hidden = false;
}

export function calm() {
  at("problem").hidden = true;
}

export function say(text) {
  at("spoken").textContent = text;
}

// A button that works: shows that it does, and says what went wrong.
export function action(label, work, given = {}) {
  const button = h("button", { type: "button", class: "button", ...given, onclick: async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    calm();
    try {
      await work(button);
    } catch (error) {
      complain(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  } }, label);
  return button;
}

// Code to be taken elsewhere.
export function copied(text) {
  const button = action("Copy", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }, { class: "link copy" });
  return h("div", { class: "code" }, h("pre", { tabIndex: 0 }, text), navigator.clipboard ? button : null);
}

export function card(title, ...children) {
  return h("section", { class: "card" }, title ? h("h2", {}, title) : null, ...children);
}

// A photo: tiny ones keep their pixels, those that cannot be read are dimmed.
export function photo(src, alt, given = {}) {
  return h("img", { src, alt, loading: "lazy", ...given, onload: (event) => event.target.classList.toggle("tiny", event.target.naturalWidth <= 64), onerror: (event) => event.target.classList.add("broken") });
}

export function field(label, input, help, wide = false) {
  const id = input.id || `field-${Math.random().toString(36).slice(2)}`;
  input.id = id;
  if (help) input.setAttribute("aria-describedby", `${id}-help`);
  return h("div", { class: wide ? "field wide" : "field" }, h("label", { htmlFor: id }, label), input,
    help ? h("p", { class: "help", id: `${id}-help` }, help) : null);
}

export function select(options, value, onchange, given = {}) {
  return h("select", { ...given, onchange: (event) => onchange(event.target.value) },
    options.map((option) => {
      const [key, text] = Array.isArray(option) ? option : [option, option];
      return h("option", { value: key, selected: key === value }, text);
    }));
}

// Work that waits until nothing more comes for a while; `now` does what still waits.
export function debounce(work, milliseconds = 250) {
  let timer = null;
  const now = (...given) => {
    clearTimeout(timer);
    timer = null;
    return work(...given);
  };
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(now, milliseconds, ...given);
  };
  return Object.assign(later, { now: () => timer === null ? null : now() });
}
