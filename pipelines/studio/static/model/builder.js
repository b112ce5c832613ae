// A custom network: a list of layers, checked after every change, and drawn when it can be built.

import { get, post } from "../client/api.js";
import { debounce } from "../client/debounce.js";
import { changeParams, paramValue, resolvedValue } from "../client/state.js";
import { actionButton, announce, child, figure, h, select, showProblem } from "../elements/dom.js";
import { abbreviate, formatBytes, formatCount } from "../elements/format.js";
import { settingField } from "../training/setting.js";
import { layerItem } from "./layer_editor.js";
import { copyOf, layerOf, moveLayer, newLayer, specOf } from "./layer_list.js";

/** @import { LayerActions } from "./layer_editor.js" */
/** @import { Layer, LayerKind, LayerTemplate, LayerView, NetworkView } from "./types.js" */

/** @typedef {{ kinds: Map<string, LayerKind>, templates: LayerTemplate[] }} Catalog */

/** @type {Catalog | null} */
let catalog = null;
const FIRST_KIND = "Conv2D";
const KEEP_MILLISECONDS = 300;
const PROPOSAL = " These layers are suggested for your photos. Edit them to build your own network.";

/** @returns {Promise<Catalog>} */
async function loadCatalog() {
  if (!catalog) {
    /** @type {{ layers: LayerKind[], templates: LayerTemplate[] }} */
    const { layers, templates } = await get("api/layers");
    catalog = { kinds: new Map(layers.map((layer) => [layer.kind, layer])), templates };
  }
  return catalog;
}

/** The layers in the params; before a model is chosen, the layers that Darkroom suggests. */
function firstLayers() {
  const ownLayers = paramValue("train.model.layers");
  if (ownLayers) return ownLayers;
  return (paramValue("train.model") ? undefined : resolvedValue("train.model")?.layers) ?? [];
}

/**
 * Fills the panel; the returned function stores the last change.
 * @param {HTMLElement} panel
 * @param {() => void} drawFoot
 */
export async function builder(panel, drawFoot) {
  const { kinds, templates } = await loadCatalog();
  let layers = firstLayers().map(layerOf);
  const proposalNote = h("span", {}, layers.length && !paramValue("train.model.layers") ? PROPOSAL : "");
  const list = h("ol", { class: "layers" });
  const { element: side, showNetwork } = networkView();

  const check = async () => {
    const batchSize = paramValue("train.batch_size"); // undefined means the default
    try {
      /** @type {NetworkView} */
      const view = await post("api/network", { layers: layers.map(specOf), batch_size: batchSize });
      markLayers(list, view.layers);
      showNetwork(view);
    } catch (error) {
      showProblem(error);
    }
  };
  const keep = debounce(async () => {
    if (layers.length) await changeParams({ "train.model": { layers: layers.map(specOf) } });
    else await changeParams({}, ["train.model"]);
    if (panel.isConnected) drawFoot();
  }, KEEP_MILLISECONDS);
  const onEdit = () => {
    proposalNote.textContent = "";
    check();
    keep();
  };
  /**
   * Draws the changed list, and moves the focus to an element of a layer.
   * @param {number} position
   * @param {string} selector
   */
  const onMove = (position, selector) => {
    draw();
    focusLayer(list, position, selector);
    onEdit();
  };
  const draw = () => {
    const items = layers.map((layer, position) => {
      const kind = /** @type {LayerKind} */ (kinds.get(layer.kind));
      const actions = layerActions(layers, position, onEdit, onMove);
      return layerItem(layer, kind, { position, numLayers: layers.length }, actions);
    });
    list.replaceChildren(...items);
  };
  /** @param {LayerTemplate} template */
  const useTemplate = (template) => {
    layers = structuredClone(template.layers).map(layerOf);
    announce(template.help);
    draw();
    onEdit();
  };
  /** @param {LayerKind} kind */
  const addLayer = (kind) => {
    layers.push(newLayer(kind));
    onMove(layers.length - 1, "summary");
  };
  const imageSize = imageSizeField(() => {
    check();
    drawFoot();
  });
  const head = h("div", { class: "row between" }, h("h2", {}, "Layers"), templateChoice(templates, useTemplate));
  const input = h("p", { class: "soft small" }, "The first layer receives pixel values from 0 to 1.", proposalNote);
  const fields = h("div", { class: "fields" }, imageSize);
  const card = h("section", { class: "card" }, head, fields, input, list, layerChoice(kinds, addLayer));
  panel.replaceChildren(h("div", { class: "build" }, card, side));
  draw();
  await check();
  return keep.now; // the last change is stored even if the user leaves the screen immediately
}

/**
 * @param {Layer[]} layers Modified in place.
 * @param {number} position
 * @param {() => void} onEdit
 * @param {(position: number, selector: string) => void} onMove
 * @returns {LayerActions}
 */
function layerActions(layers, position, onEdit, onMove) {
  return {
    onEdit,
    move: (step) => {
      moveLayer(layers, position, position + step);
      onMove(position + step, step < 0 ? ".up" : ".down");
    },
    copy: () => {
      layers.splice(position + 1, 0, copyOf(layers[position]));
      onMove(position + 1, "summary");
    },
    remove: () => {
      layers.splice(position, 1);
      onMove(Math.min(position, layers.length - 1), ".remove");
    },
    drop: (from) => {
      moveLayer(layers, from, position);
      onMove(position, "summary");
    },
  };
}

/**
 * @param {HTMLElement} list
 * @param {number} position
 * @param {string} selector
 */
function focusLayer(list, position, selector) {
  const item = list.children[position];
  const target = item?.querySelector(`${selector}:not(:disabled)`) ?? item?.querySelector("summary");
  if (target instanceof HTMLElement) target.focus();
}

/**
 * Shows the output shape and the number of weights of each layer, or why the layer is invalid.
 * @param {HTMLElement} list
 * @param {LayerView[]} views
 */
function markLayers(list, views) {
  [...list.children].forEach((item, position) => {
    const view = views[position];
    item.classList.toggle("faulty", Boolean(view?.fault));
    child(item, ".gives").textContent = view?.gives ?? "?";
    child(item, ".weights").textContent = view?.num_parameters ? `${formatCount(view.num_parameters)} weights` : "";
    child(item, ".why").textContent = view?.fault ?? "";
    child(item, ".why").hidden = !view?.fault;
  });
}

/** @param {() => void} onChange */
function imageSizeField(onChange) {
  const help = "auto, one number such as 96 for square photos, or height × width such as 96 × 128.";
  return settingField("preprocess.image_size", "Input size, pixels", { help, onChange });
}

/** The panel with the size and the cost of the network; `showNetwork` updates it. */
function networkView() {
  const facts = h("div", { class: "facts", role: "status" });
  const drawing = h("div", { class: "drawing" });
  /** @param {NetworkView} view */
  const showNetwork = (view) => {
    if (view.fault) announce(view.fault);
    const input = `For photos of ${view.image_size.join(" × ")} pixels and ${view.num_classes} classes.`;
    facts.replaceChildren(
      view.fault ? h("p", { class: "fault" }, view.fault) : networkFigures(view),
      h("p", { class: "soft small" }, input),
    );
    drawing.replaceChildren(view.drawing ? networkDrawing(view.drawing) : missingDrawing());
  };
  const element = h(
    "aside",
    { class: "card side", tabIndex: 0, "aria-label": "The network in numbers" },
    h("h2", {}, "Size and cost"),
    facts,
    drawing,
  );
  return { element, showNetwork };
}

/** @param {NetworkView} view */
function networkFigures(view) {
  return h(
    "dl",
    { class: "figures" },
    figure("Weights", abbreviate(view.num_parameters)),
    figure("Size", formatBytes(view.weights_bytes)),
    figure("Multiply-adds per photo", abbreviate(view.multiply_adds)),
    figure("Memory for training", formatBytes(view.training_bytes)),
  );
}

/** @param {string} drawing An SVG from the server; the server checks the layer names in it. */
function networkDrawing(drawing) {
  const src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing)}`;
  return h("img", { src, alt: "The network, layer by layer" });
}

const missingDrawing = () => h("p", { class: "soft" }, "The drawing appears when the network can be built.");

/**
 * @param {LayerTemplate[]} templates
 * @param {(template: LayerTemplate) => void} useTemplate
 */
function templateChoice(templates, useTemplate) {
  /** @type {[string, string][]} */
  const options = [["", "a template …"]];
  for (const { name } of templates) options.push([name, name]);
  /** @param {string} name */
  const onchange = (name) => {
    const template = templates.find((candidate) => candidate.name === name);
    if (template) useTemplate(template);
  };
  return h("label", { class: "row small" }, "Start from ", select(options, "", onchange, { id: "template" }));
}

/**
 * @param {Map<string, LayerKind>} kinds
 * @param {(kind: LayerKind) => void} addLayer
 */
function layerChoice(kinds, addLayer) {
  const kindList = [...kinds.values()];
  const groups = [...new Set(kindList.map((kind) => kind.group))].map((group) => {
    const options = kindList
      .filter((kind) => kind.group === group)
      .map(({ kind }) => h("option", { value: kind, selected: kind === FIRST_KIND }, kind));
    return h("optgroup", { label: group }, options);
  });
  const choice = h("select", { id: "add-layer", "aria-label": "Add a layer" }, groups);
  const add = () => addLayer(/** @type {LayerKind} */ (kinds.get(choice.value)));
  return h("div", { class: "row add" }, choice, actionButton("Add layer", add, { id: "add" }));
}
