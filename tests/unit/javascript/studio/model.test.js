import assert from "node:assert/strict";
import { test } from "node:test";
import * as layers from "../../../../pipelines/studio/static/model/layer_list.js";
import { WAYS, wayByArrow, wayOf } from "../../../../pipelines/studio/static/model/model_choice.js";
import { uploadedModelParams } from "../../../../pipelines/studio/static/model/uploaded_model.js";

/** @import { Argument, UploadedModel } from "../../../../pipelines/studio/static/model/types.js" */

/**
 * @param {string} name
 * @param {Partial<Argument>} [facts]
 * @returns {Argument}
 */
const argument = (name, facts) => ({
  name,
  kind: "integer",
  required: true,
  default: null,
  choices: null,
  low: null,
  ...facts,
});

test("a layer is unchanged after conversion to its form in the editor and back", () => {
  for (const spec of ["Flatten", { Dense: { units: 10 } }, { Add: { with: ["a", "b"], name: "sum" } }]) {
    assert.deepEqual(layers.specOf(layers.layerOf(spec)), spec);
  }
});

test("empty arguments are left out, unlike zero and false", () => {
  const values = { units: 0, use_bias: false, name: "", activation: null, rate: undefined };
  assert.deepEqual(layers.specOf({ kind: "Dense", values }), { Dense: { units: 0, use_bias: false } });
  assert.equal(layers.specOf({ kind: "Dense", values: { name: "" } }), "Dense");
});

test("the editor does not modify the original params", () => {
  const spec = { Dense: { units: 10 } };
  layers.layerOf(spec).values.units = 99;
  assert.deepEqual(spec, { Dense: { units: 10 } });
});

test("a new layer has its required arguments, with sensible values", () => {
  const conv = [argument("filters"), argument("kernel_size"), argument("strides", { required: false })];
  assert.deepEqual(layers.newLayer({ kind: "Conv2D", group: "", help: "", arguments: conv }).values, {
    filters: 32,
    kernel_size: 3,
    padding: "same",
    activation: "relu",
  });
  const otherArguments = [argument("groups", { low: 7 }), argument("depth"), argument("width")];
  assert.deepEqual(layers.newLayer({ kind: "Crop", group: "", help: "", arguments: otherArguments }).values, {
    groups: 7,
    depth: 1,
    width: 64,
  });
});

test("a copied layer has no name, and changes to it do not affect the original", () => {
  const layer = { kind: "Add", values: { with: ["a"], name: "sum" } };
  const copy = layers.copyOf(layer);
  assert.equal(copy.values.name, undefined);
  /** @type {string[]} */ (copy.values.with).push("b");
  assert.deepEqual(layer.values, { with: ["a"], name: "sum" });
});

test("layers are moved up, down, to the ends, or to their own position", () => {
  for (const [from, to, expected] of [
    [0, 1, "bac"],
    [2, 1, "acb"],
    [0, 2, "bca"],
    [2, 0, "cab"],
    [1, 1, "abc"],
  ]) {
    const list = ["a", "b", "c"].map((kind) => ({ kind, values: {} }));
    layers.moveLayer(list, Number(from), Number(to));
    assert.equal(list.map((layer) => layer.kind).join(""), expected);
  }
});

test("a typed argument is parsed according to its kind, and remains text if it is invalid", () => {
  for (const [text, kind, expected] of [
    ["", "integer", undefined],
    ["3", "integer", 3],
    ["0.5", "number", 0.5],
    ["many", "integer", "many"],
    ["3", "pair", 3],
    ["3, 5", "pair", [3, 5]],
    ["3×5", "pair", [3, 5]],
    ["3 x 5", "pair", [3, 5]],
    ["3 5 7", "pair", "3 5 7"],
    ["2 1 3", "list", [2, 1, 3]],
    ["2, many", "list", "2, many"],
    ["start", "names", "start"],
    ["start, wide,", "names", ["start", "wide"]],
    ["12", "string", "12"],
  ]) {
    const parsed = layers.parseArgument(String(text), argument("x", { kind: /** @type {Argument["kind"]} */ (kind) }));
    assert.deepEqual(parsed, expected, `${kind} ${text}`);
  }
});

test("the way in which the model was chosen follows from the params", () => {
  for (const [model, way] of [
    [{}, "auto"],
    [{ head: "dense" }, "auto"],
    [{ name: "VGG16" }, "pretrained"],
    [{ name: "VGG16", path: "/a.keras" }, "upload"],
    [{ from: "run" }, "bundle"],
    [{ layers: [] }, "layers"],
  ]) {
    assert.equal(wayOf(/** @type {object} */ (model)), way);
  }
});

test("arrow keys cycle through the tabs, and other keys do nothing", () => {
  assert.equal(wayByArrow("ArrowRight", "auto"), "pretrained");
  assert.equal(wayByArrow("ArrowDown", "bundle"), "auto");
  assert.equal(wayByArrow("ArrowLeft", "auto"), "bundle");
  assert.equal(wayByArrow("ArrowUp", "layers"), "pretrained");
  for (const key of ["Tab", "Enter", "a", "constructor"]) assert.equal(wayByArrow(key, WAYS[0]), undefined, key);
});

/**
 * @param {{ pixels: string, why: string, is_certain: boolean } | null} preprocessing
 * @returns {UploadedModel}
 */
const uploaded = (preprocessing) => ({
  form: "keras",
  keras_version: "3",
  input_shape: [null, null, 3],
  output_shape: [10],
  output: "softmax",
  num_layers: 3,
  num_parameters: 10,
  preprocessing,
  uploaded_sha256: "",
});

test("the params contain the pixel range of an uploaded model unless its file determines it", () => {
  const about = { file: "/m.keras", architecture: "" };
  const certain = { pixels: "-1 to 1", why: "", is_certain: true };
  assert.deepEqual(uploadedModelParams(about, uploaded(certain), "", "0 to 1"), { path: "/m.keras" });
  assert.deepEqual(uploadedModelParams(about, uploaded(null), "linear", "0 to 1"), {
    path: "/m.keras",
    head: "linear",
    pixels: "0 to 1",
  });
  const weights = { file: "/w.h5", architecture: "VGG16" };
  assert.equal(uploadedModelParams(weights, uploaded(certain), "", "").name, "VGG16");
});
