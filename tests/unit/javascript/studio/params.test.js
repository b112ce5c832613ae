import assert from "node:assert/strict";
import { test } from "node:test";
import * as params from "../../../../pipelines/studio/static/client/params.js";

const SCHEMA = {
  $defs: {
    Train: {
      properties: {
        epochs: { type: "integer", default: 20 },
        model: { anyOf: [{ $ref: "#/$defs/Pretrained" }, { $ref: "#/$defs/Layers" }] },
        optimizer: { $ref: "#/$defs/Optimizer", default: "adam" },
        minutes: { anyOf: [{ type: "number" }, { type: "null" }] },
        mixed: { type: "boolean" },
      },
    },
    Pretrained: { properties: { name: { type: "string" } } },
    Layers: { properties: { layers: { type: "array" } } },
    Optimizer: { enum: ["adam", "sgd"], type: "string" },
  },
  properties: { train: { $ref: "#/$defs/Train" } },
};

test("values are found by their dotted keys", () => {
  const tree = { train: { epochs: 0, model: { name: "VGG16" }, phases: [{ epochs: 3 }], stop: null } };
  assert.equal(params.valueAt(tree, "train.epochs"), 0);
  assert.equal(params.valueAt(tree, "train.model.name"), "VGG16");
  assert.equal(params.valueAt(tree, "train.stop"), null);
});

test("a key that does not exist has no value", () => {
  const tree = { train: { epochs: 5, phases: [{ epochs: 3 }], stop: null } };
  for (const key of ["", "data", "data.uri", "train.epochs.more", "train.stop.more", "train.phases.length"]) {
    assert.equal(params.valueAt(tree, key), undefined, key);
  }
  assert.equal(params.valueAt(null, "train"), undefined);
  assert.equal(params.valueAt(undefined, "train"), undefined);
});

test("the schema of a key is found through references and alternatives", () => {
  assert.equal(params.schemaPart(SCHEMA, "train.epochs").default, 20);
  assert.equal(params.schemaPart(SCHEMA, "train.model.name").type, "string");
  assert.equal(params.schemaPart(SCHEMA, "train.model.layers").type, "array");
});

test("an unknown key has an empty schema", () => {
  for (const key of ["tune.trials", "train.unknown", "train.epochs.more", ""]) {
    assert.deepEqual(params.schemaPart(SCHEMA, key), {}, key);
  }
  assert.deepEqual(params.schemaPart({}, "train.epochs"), {});
  assert.deepEqual(params.schemaPart({ properties: { train: { $ref: "#/$defs/Gone" } } }, "train.epochs"), {});
});

test("the kind of a value follows from its schema", () => {
  const kind = (/** @type {string} */ key) => params.valueKind(SCHEMA, params.schemaPart(SCHEMA, key));
  assert.deepEqual(kind("train.optimizer").choices, ["adam", "sgd"]);
  assert.equal(kind("train.epochs").isNumber, true);
  assert.deepEqual(kind("train.minutes"), { choices: undefined, isNumber: true, isBoolean: false, isNullable: true });
  assert.equal(kind("train.mixed").isBoolean, true);
});

test("user input is parsed as null, a number or a pair, or remains text", () => {
  const nullable = { isNullable: true };
  assert.equal(params.parseValue("", nullable), null);
  assert.equal(params.parseValue("", { isNullable: false }), "");
  assert.equal(params.parseValue("0", nullable), 0);
  assert.equal(params.parseValue("1e-4", nullable), 0.0001);
  for (const text of ["96×128", "96 x 128", "96, 128"]) assert.deepEqual(params.parseValue(text, nullable), [96, 128]);
  for (const text of ["auto", "96 x", "96 × 128 × 3", "-96 × 128", "1,5 m"]) {
    assert.equal(params.parseValue(text, nullable), text);
  }
});

test("values are compared by their content", () => {
  assert.ok(params.isSame([96, 128], [96, 128]));
  assert.ok(!params.isSame(null, undefined));
  assert.ok(!params.isSame("1", 1));
});
