// The list of layers in the editor: converts layers from and to params.yaml, parses their arguments, and moves them.

/** @import { Json, LayerSpec } from "../client/types.js" */
/** @import { Argument, Layer, LayerArguments, LayerKind } from "./types.js" */

/**
 * Converts a layer from its form in params.yaml to its form in the editor.
 * @param {LayerSpec} spec
 * @returns {Layer}
 */
export function layerOf(spec) {
  if (typeof spec === "string") return { kind: spec, values: {} };
  const [kind, values] = Object.entries(spec)[0];
  return { kind, values: { ...values } };
}

/**
 * Converts a layer from its form in the editor to its form in params.yaml, without empty arguments.
 * @param {Layer} layer
 * @returns {LayerSpec}
 */
export function specOf(layer) {
  /** @type {{ [argument: string]: Json }} */
  const values = {};
  for (const [name, value] of Object.entries(layer.values)) {
    if (value !== undefined && value !== null && value !== "") values[name] = value;
  }
  return Object.keys(values).length ? { [layer.kind]: values } : layer.kind;
}

/** @type {{ [argument: string]: Json }} */
const FIRST_VALUES = {
  activation: "relu",
  dims: [2, 1, 3],
  factor: 0.1,
  filters: 32,
  height: 64,
  height_factor: 0.1,
  kernel_size: 3,
  rate: 0.3,
  scale: 1,
  target_shape: [-1],
  units: 64,
  width: 64,
  width_factor: 0.1,
  with: "",
};

/**
 * Creates a layer with valid arguments.
 * @param {LayerKind} layerKind
 * @returns {Layer}
 */
export function newLayer({ kind, arguments: all }) {
  /** @type {LayerArguments} */
  const values = {};
  for (const { name, low, required } of all) if (required) values[name] = FIRST_VALUES[name] ?? low ?? 1;
  if (kind.includes("Conv")) Object.assign(values, { padding: "same", activation: "relu" });
  if (kind === "Dense") values.activation = "relu";
  return { kind, values };
}

/**
 * Copies a layer without its name, because names must be unique.
 * @param {Layer} layer
 * @returns {Layer}
 */
export const copyOf = (layer) => structuredClone({ ...layer, values: { ...layer.values, name: undefined } });

/**
 * Moves a layer.
 * @param {Layer[]} layers Modified in place.
 * @param {number} from
 * @param {number} to
 */
export function moveLayer(layers, from, to) {
  layers.splice(to, 0, ...layers.splice(from, 1));
}

/**
 * Parses the user's input for an argument; undefined if the field is empty. An invalid number remains text, which the
 * server rejects with a reason.
 * @param {string} text The input, trimmed.
 * @param {Pick<Argument, "kind">} argument
 * @returns {Json | undefined}
 */
export function parseArgument(text, { kind }) {
  if (text === "") return undefined;
  if (kind === "string") return text;
  if (kind === "names") return text.includes(",") ? splitNames(text) : text;
  const parts = text.split(/[,×x ]+/).filter(Boolean);
  const isList = kind === "list" || (kind === "pair" && parts.length === 2);
  if (isList && !parts.some((part) => Number.isNaN(Number(part)))) return parts.map(Number);
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/** @param {string} text */
const splitNames = (text) =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
