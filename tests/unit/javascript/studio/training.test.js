import assert from "node:assert/strict";
import { test } from "node:test";
import * as selection from "../../../../pipelines/studio/static/training/layer_selection.js";
import * as phases from "../../../../pipelines/studio/static/training/phase_list.js";

const NAMES = ["conv1", "conv10", "block1_conv", "block1.bn", "head(1)"];

test("layers are grouped by block, in order", () => {
  const groups = selection.groupLayers([
    ["b2", "b"],
    ["a1", "a"],
    ["b1", "b"],
  ]);
  assert.deepEqual(
    [...groups],
    [
      ["b", ["b2", "b1"]],
      ["a", ["a1"]],
    ],
  );
  assert.equal(selection.groupLayers([]).size, 0);
});

test("a pattern with * selects every name that it matches completely", () => {
  const select = (/** @type {string[]} */ ...patterns) => [...selection.selectLayers(patterns, NAMES)];
  assert.deepEqual(select("conv*"), ["conv1", "conv10"]);
  assert.deepEqual(select("*conv"), ["block1_conv"]);
  assert.deepEqual(select("*"), NAMES);
  assert.deepEqual(select("nothing*"), []);
  assert.deepEqual(select(), []);
});

test("other special characters in patterns are literal", () => {
  assert.deepEqual([...selection.selectLayers(["block1.*"], NAMES)], ["block1.bn"]);
  assert.deepEqual([...selection.selectLayers(["head(*)"], NAMES)], ["head(1)"]);
  assert.deepEqual([...selection.selectLayers(["[*"], NAMES)], []);
});

test("names without a * are kept, even if this network has no such layers", () => {
  assert.deepEqual([...selection.selectLayers(["conv1", "gone", "conv1*"], NAMES)], ["conv1", "gone", "conv10"]);
});

test("only named layers of a custom network can be chosen", () => {
  const specs = ["Flatten", { Dense: { units: 3, name: "last" } }, { Dense: { units: 3 } }, { Dense: { name: "" } }];
  assert.deepEqual(selection.customNames(specs), ["last"]);
});

test("train.trainable is either a word with an optional argument, or a list of layer names", () => {
  assert.deepEqual(selection.parseTrainable("last 20"), { word: "last", rest: "20" });
  assert.deepEqual(selection.parseTrainable("from conv2"), { word: "from", rest: "conv2" });
  assert.deepEqual(selection.parseTrainable("auto"), { word: "auto", rest: undefined });
  assert.deepEqual(selection.parseTrainable("blocks 33%"), { word: "blocks 33%", rest: undefined });
  assert.deepEqual(selection.parseTrainable(["conv1"]), { word: "names", rest: undefined });
});

test("editing phases does not modify the original list", () => {
  const original = structuredClone(phases.TWO_PHASES);
  const edited = phases.withPhaseValue(phases.TWO_PHASES, 1, "epochs", "12", true);
  assert.equal(edited[1].epochs, 12);
  assert.equal(phases.withoutPhase(phases.TWO_PHASES, 0).length, 1);
  assert.equal(phases.withAnotherPhase(phases.TWO_PHASES).length, 3);
  assert.deepEqual(phases.TWO_PHASES, original);
});

test("editing the phases of a preset keeps only the values that the page shows", () => {
  const complete = {
    trainable: "head",
    epochs: 3,
    optimizer: "adam",
    learning_rate: 0.001,
    warmup_epochs: 0,
    mixup: 0.2,
  };
  const { mixup, ...visible } = complete;
  assert.deepEqual(phases.essentials(complete), visible);
  assert.equal(mixup, 0.2);
  assert.deepEqual(phases.essentials({ epochs: 3 }), { epochs: 3 });
});

test("empty text removes a value, but zero is a value", () => {
  assert.deepEqual(phases.withPhaseValue([{ epochs: 3, optimizer: "sgd" }], 0, "optimizer", "", false), [
    { epochs: 3 },
  ]);
  assert.deepEqual(phases.withPhaseValue([{}], 0, "warmup_epochs", "0", true), [{ warmup_epochs: 0 }]);
  assert.deepEqual(phases.withPhaseValue([{}], 0, "trainable", "12", false), [{ trainable: "12" }]);
});
