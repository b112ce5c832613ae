// The layers to train: names with * as a wildcard, whole blocks, and the layer names of a custom network.

/** @import { LayerSpec } from "../client/types.js" */
/** @import { NamedLayer } from "../model/types.js" */

/**
 * The layers of each block, in order.
 * @param {NamedLayer[]} layers
 * @returns {Map<string, string[]>} The names by block.
 */
export function groupLayers(layers) {
  /** @type {Map<string, string[]>} */
  const groups = new Map();
  for (const [name, group] of layers) groups.set(group, [...(groups.get(group) ?? []), name]);
  return groups;
}

/**
 * The layers that a list of names and patterns selects. A name is kept even if this network has no such layer.
 * @param {string[]} patterns
 * @param {string[]} names The names of all layers.
 * @returns {Set<string>}
 */
export function selectLayers(patterns, names) {
  const selection = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  for (const pattern of patterns.filter((text) => text.includes("*"))) {
    const matcher = wildcard(pattern);
    for (const name of names) if (matcher.test(name)) selection.add(name);
  }
  return selection;
}

/** @param {string} pattern */
function wildcard(pattern) {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*")}$`);
}

/**
 * The names that the user gave to the layers of a custom network.
 * @param {LayerSpec[]} specs
 * @returns {string[]}
 */
export function customNames(specs) {
  return specs.flatMap((spec) => {
    const name = typeof spec === "string" ? undefined : Object.values(spec)[0]?.name;
    return typeof name === "string" && name ? [name] : [];
  });
}

/**
 * Splits "last N" and "from LAYER" in `train.trainable` into a word and the rest. Any other text, such as "blocks 33%",
 * is a word; for a list of layers, the word is "names".
 * @param {unknown} trainable
 * @returns {{ word: string, rest: string | undefined }}
 */
export function parseTrainable(trainable) {
  if (typeof trainable !== "string") return { word: "names", rest: undefined };
  const [word, rest] = trainable.split(" ");
  return word === "last" || word === "from" ? { word, rest } : { word: trainable, rest: undefined };
}
