// The params of a draft and their JSON schema: finds values, finds parts of the schema, and parses user input.

/** @import { Json, Schema, SchemaPart } from "./types.js" */

/**
 * The value at a dotted key; undefined if there is none.
 * @param {Json | { [name: string]: Json | undefined } | undefined} tree
 * @param {string} key
 * @returns {Json | undefined}
 */
export function valueAt(tree, key) {
  let value = tree;
  for (const name of key.split(".")) {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
    value = value[name];
  }
  return /** @type {Json | undefined} */ (value);
}

/**
 * @param {Schema} schema
 * @param {SchemaPart | undefined} part
 * @returns {SchemaPart | undefined}
 */
function followReferences(schema, part) {
  if (!part?.$ref) return part;
  const name = part.$ref.split("/").at(-1) ?? "";
  return followReferences(schema, schema.$defs?.[name]);
}

/**
 * The part of the schema for a dotted key; an empty part if there is none.
 * @param {Schema} schema
 * @param {string} key
 * @returns {SchemaPart}
 */
export function schemaPart(schema, key) {
  /** @type {SchemaPart | undefined} */
  let part = { properties: schema.properties };
  for (const name of key.split(".")) {
    const parent = followReferences(schema, part);
    const options = [parent, ...(parent?.anyOf ?? []).map((option) => followReferences(schema, option))];
    part = options.find((option) => option?.properties?.[name])?.properties?.[name];
  }
  return part ?? {};
}

/**
 * @typedef {object} ValueKind The possible values of a key.
 * @property {string[] | undefined} choices
 * @property {boolean} isNumber
 * @property {boolean} isBoolean
 * @property {boolean} isNullable
 */

/**
 * The values that a part of the schema allows.
 * @param {Schema} schema
 * @param {SchemaPart} part
 * @returns {ValueKind}
 */
export function valueKind(schema, part) {
  const options = (part.anyOf ?? [part]).map((option) => followReferences(schema, option));
  return {
    choices: options.find((option) => option?.enum)?.enum,
    isNumber: options.some((option) => option?.type === "integer" || option?.type === "number"),
    isBoolean: part.type === "boolean",
    isNullable: options.some((option) => option?.type === "null"),
  };
}

/**
 * Converts user input to null, a number or a pair such as 96 × 128; any other text is returned as is.
 * @param {string} text The input, trimmed.
 * @param {{ isNullable: boolean }} kind
 * @returns {null | number | string | [number, number]}
 */
export function parseValue(text, kind) {
  if (text === "" && kind.isNullable) return null;
  const pair = text.match(/^(\d+)\s*[×x,]\s*(\d+)$/);
  if (pair) return [Number(pair[1]), Number(pair[2])];
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}

/**
 * Whether two values of params.yaml are equal.
 * @param {Json | undefined} first
 * @param {Json | undefined} second
 */
export const isSame = (first, second) => JSON.stringify(first) === JSON.stringify(second);

/**
 * The dotted keys of the values that differ from the defaults, except the keys for the data, the audit and the model.
 * @param {{ [section: string]: Json | undefined }} params
 * @returns {string[]}
 */
export function changedKeys(params) {
  return Object.entries(params).flatMap(([section, values]) => {
    if (section === "data" || values === null || typeof values !== "object" || Array.isArray(values)) return [];
    return Object.entries(values).flatMap(([name, value]) => {
      const key = `${section}.${name}`;
      if (key === "train.model" || key === "preprocess.audit") return [];
      if (key !== "evaluate.gate" || typeof value !== "object" || value === null) return [key];
      return Object.keys(value).map((inner) => `${key}.${inner}`);
    });
  });
}
