// A network of one's own: a list of layers, checked with every change, drawn when it can be built.

import { get, post } from "../client/api.js";
import { action, bytes, complain, count, debounce, h, say, select, short } from "../elements/dom.js";
import { setting } from "../training/setting.js";
import { change, state, value } from "../client/state.js";

let catalogue = null;
let templates = null;
const MAIN = ["filters", "kernel_size", "units", "pool_size", "rate", "activation", "strides", "padding", "with", "groups", "scale"];

export async function builder(panel, drawFoot) {
  if (!catalogue) {
    const found = await get("/api/layers");
    catalogue = new Map(found.layers.map((layer) => [layer.kind, layer]));
    templates = found.templates;
  }
  const given = value("train.model.layers") ?? (value("train.model") ? null : state.draft.resolved?.train.model.layers) ?? [];
  let layers = given.map(unfold);
  let view = null;
  const list = h("ol", { class: "layers" });
  const facts = h("div", { class: "facts", role: "status" });
  const drawing = h("div", { class: "drawing" });
  const proposed = h("span", {}, value("train.model.layers") || !layers.length ? "" : " These layers are proposed for your photos; a change makes them yours.");
  const batch = () => Math.max(1, value("train.batch_size") ?? 32);

  const check = async () => {
    try {
      view = await post("/api/network", { layers: layers.map(fold), batch_size: batch() });
      mark();
    } catch (error) {
      complain(error);
    }
  };
  const keep = debounce(async () => {
    await change(layers.length ? { "train.model": { layers: layers.map(fold) } } : {}, layers.length ? [] : ["train.model"]);
    if (panel.isConnected) drawFoot();
  }, 300);
  const edited = () => {
    proposed.textContent = "";
    check();
    keep();
  };
  const mark = () => {
    [...list.children].forEach((item, place) => {
      const seen = view.layers[place] ?? {};
      item.classList.toggle("faulty", Boolean(seen.fault));
      item.querySelector(".gives").textContent = seen.gives ?? "?";
      item.querySelector(".weights").textContent = seen.num_parameters ? `${count(seen.num_parameters)} weights` : "";
      item.querySelector(".why").textContent = seen.fault ?? "";
      item.querySelector(".why").hidden = !seen.fault;
    });
    if (view.fault) say(view.fault);
    facts.replaceChildren(view.fault ? h("p", { class: "fault" }, view.fault) : h("dl", { class: "figures" },
      figure("Weights", short(view.num_parameters)), figure("Size", bytes(view.weights_bytes)), figure("Multiply-adds a photo", short(view.multiply_adds)), figure("Memory to train", bytes(view.training_bytes))),
    h("p", { class: "soft small" }, `For photos of ${view.image_size.join(" × ")} pixels and ${view.num_classes} classes.`));
    // The drawing is made by the server, of checked names only.
    drawing.replaceChildren(view.drawing ? h("img", { src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(view.drawing)}`, alt: "The network, layer by layer" }) : h("p", { class: "soft" }, "The drawing appears when the network can be built."));
  };
  const redraw = (focus = null) => {
    list.replaceChildren(...layers.map((layer, place) => layerCard(layer, place, layers.length, {
      edited,
      move: (step) => {
        layers.splice(place + step, 0, layers.splice(place, 1)[0]);
        redraw([place + step, step < 0 ? ".up" : ".down"]);
        edited();
      },
      copy: () => {
        layers.splice(place + 1, 0, structuredClone({ ...layer, given: { ...layer.given, name: undefined } }));
        redraw([place + 1, "summary"]);
        edited();
      },
      remove: () => {
        layers.splice(place, 1);
        redraw([Math.min(place, layers.length - 1), ".remove"]);
        edited();
      },
      drop: (from) => {
        layers.splice(place, 0, layers.splice(from, 1)[0]);
        redraw([place, "summary"]);
        edited();
      },
    })));
    if (focus) (list.children[focus[0]]?.querySelector(`${focus[1]}:not(:disabled)`) ?? list.children[focus[0]]?.querySelector("summary"))?.focus();
  };
  const groups = [...new Set([...catalogue.values()].map((layer) => layer.group))];
  const add = h("select", { id: "add-layer", "aria-label": "Add a layer" }, groups.map((group) => h("optgroup", { label: group }, [...catalogue.values()].filter((layer) => layer.group === group).map((layer) => h("option", { value: layer.kind, selected: layer.kind === "Conv2D" }, layer.kind)))));
  panel.replaceChildren(h("div", { class: "build" },
    h("section", { class: "card" },
      h("div", { class: "row between" }, h("h2", {}, "Layers"), h("label", { class: "row small" }, "Start from ", select([["", "a template …"], ...templates.map((each) => [each.name, each.name])], "", (name) => {
        const chosen = templates.find((each) => each.name === name);
        if (!chosen) return;
        layers = structuredClone(chosen.layers).map(unfold);
        say(chosen.help);
        redraw();
        edited();
      }, { id: "template" }))),
      h("div", { class: "fields" }, setting("preprocess.image_size", "Photos come in at, pixels", { help: "auto, 96, or height × width: 96 × 128.", after: () => {
        check();
        drawFoot();
      } })),
      h("p", { class: "soft small" }, "They come in at the top, their values between 0 and 1.", proposed), list,
      h("div", { class: "row add" }, add, action("Add the layer", () => {
        layers.push({ kind: add.value, given: starting(catalogue.get(add.value)) });
        redraw([layers.length - 1, "summary"]);
        edited();
      }, { id: "add" }))),
    h("aside", { class: "card side" }, h("h2", {}, "What it comes to"), facts, drawing)));
  redraw();
  await check();
  return keep.now; // what was changed last is not lost to a quick step to another screen
}

const figure = (name, text) => h("div", {}, h("dt", {}, name), h("dd", {}, text));

function unfold(spec) {
  if (typeof spec === "string") return { kind: spec, given: {} };
  const [kind, given] = Object.entries(spec)[0];
  return { kind, given: { ...given } };
}

function fold(layer) {
  const given = Object.fromEntries(Object.entries(layer.given).filter(([, one]) => one !== undefined && one !== null && one !== ""));
  return Object.keys(given).length ? { [layer.kind]: given } : layer.kind;
}

function starting(about) {
  const sound = { filters: 32, kernel_size: 3, units: 64, rate: 0.3, scale: 1, activation: "relu", with: "" };
  const given = Object.fromEntries(about.arguments.filter((one) => one.required).map((one) => [one.name, sound[one.name] ?? one.low ?? 1]));
  if (about.kind.includes("Conv")) Object.assign(given, { padding: "same", activation: "relu" });
  if (about.kind === "Dense") given.activation = "relu";
  return given;
}

function layerCard(layer, place, last, work) {
  const about = catalogue.get(layer.kind);
  const main = about.arguments.filter((one) => MAIN.includes(one.name));
  const others = about.arguments.filter((one) => !MAIN.includes(one.name) && one.kind !== "regularizer");
  const control = (one) => h("label", { class: "argument" }, one.name.replaceAll("_", " "), input(one, layer, `${layer.kind} ${place + 1}`, work.edited));
  const item = h("li", { class: "layer", ondragover: (event) => event.preventDefault(), ondrop: (event) => {
    const from = event.dataTransfer.getData("text/x-layer");
    event.preventDefault();
    if (from !== "") work.drop(Number(from));
  } },
  // Only its head is dragged: in the fields the mouse selects text.
  h("div", { class: "row between grip", draggable: true, ondragstart: (event) => event.dataTransfer.setData("text/x-layer", String(place)) }, h("span", { class: "row" }, h("span", { class: "place" }, String(place + 1)), h("b", { title: about.help }, layer.kind), h("span", { class: "gives soft small" }), h("span", { class: "weights soft small" })),
    h("span", { class: "row tools" }, tool("↑", "up", `Move layer ${place + 1} up`, () => work.move(-1), place === 0), tool("↓", "down", `Move layer ${place + 1} down`, () => work.move(1), place === last - 1),
      tool("+", "copy", `Copy layer ${place + 1}`, work.copy), tool("×", "remove", `Remove layer ${place + 1}`, work.remove))),
  h("p", { class: "why fault", hidden: true }),
  main.length ? h("div", { class: "arguments" }, main.map(control)) : null,
  h("details", {}, h("summary", { class: "small soft" }, about.help || "More"), h("div", { class: "arguments" }, others.map(control))));
  return item;
}

function tool(sign, name, label, work, disabled = false) {
  return h("button", { type: "button", class: `icon ${name}`, "aria-label": label, title: label, disabled, onclick: work }, sign);
}

function input(one, layer, where, edited) {
  const set = (given) => {
    layer.given[one.name] = given;
    edited();
  };
  const label = { "aria-label": `${one.name.replaceAll("_", " ")} of ${where}` };
  const standing = layer.given[one.name];
  if (one.kind === "choice") return select([["", one.default ?? "none"], ...one.choices.filter((name) => name !== one.default).map((name) => [name, name])], standing ?? "", (given) => set(given || undefined), label);
  if (one.kind === "boolean") return h("input", { type: "checkbox", checked: standing ?? one.default ?? false, ...label, onchange: (event) => set(event.target.checked) });
  const number = ["integer", "number"].includes(one.kind);
  return h("input", { type: number ? "number" : "text", step: one.kind === "number" ? "any" : 1, value: Array.isArray(standing) ? standing.join(", ") : standing ?? "", placeholder: one.default ?? "", ...label,
    oninput: (event) => set(read(event.target.value.trim(), one)) });
}

function read(text, one) {
  if (text === "") return undefined;
  const parts = text.split(/[,×x ]+/).filter(Boolean);
  if (one.kind === "pair") return parts.length === 2 ? parts.map(Number) : Number.isNaN(Number(text)) ? text : Number(text);
  if (one.kind === "names") return text.includes(",") ? text.split(",").map((name) => name.trim()).filter(Boolean) : text;
  if (one.kind === "string") return text;
  return Number.isNaN(Number(text)) ? text : Number(text);
}
