import assert from "node:assert/strict";
import { test } from "node:test";
import * as pages from "../../../../pipelines/studio/static/elements/pages.js";
import * as confusion from "../../../../pipelines/studio/static/results/confusion.js";
import * as runs from "../../../../pipelines/studio/static/results/runs.js";

test("the color of a confusion matrix cell depends on its share of the class", () => {
  assert.deepEqual(
    runs.colorLevels([
      [100, 0, 1],
      [0, 0, 0],
      [20, 20, 60],
    ]),
    [
      [5, 0, 1],
      [0, 0, 0],
      [1, 1, 3],
    ],
  );
  assert.deepEqual(runs.colorLevels([]), []);
});

test("a run below the threshold is not called worse than the champion if there is none", () => {
  assert.equal(runs.verdictText({ verdict: "worse", champion: null }), "Below the required minimum");
  assert.equal(runs.verdictText({ verdict: "worse", champion: {} }), "Worse than the champion");
  assert.equal(runs.verdictText({ verdict: "first", champion: null }), "The first model for this data");
});

test("the gate's reasons at evaluation and the current standing of a run do not contradict each other", () => {
  const run = /** @type {import("../../../../pipelines/studio/static/results/types.js").FinishedRun} */ ({
    promotion_reason: "Version 1 is champion.",
  });
  assert.equal(runs.promotionText({ ...run, standing: "champion" }), "Version 1 is champion.");
  assert.match(runs.promotionText({ ...run, standing: "former champion" }), /until another run was promoted/);
  const reasons = ["None is champion.", "It is quick."];
  assert.equal(runs.reasonsText({ reasons }), "When it was evaluated: None is champion. It is quick.");
  assert.equal(runs.reasonsText({ reasons: [] }), "");
});

test("two to six runs can be compared", () => {
  assert.deepEqual([1, 2, 6, 7].map(runs.canCompare), [false, true, true, false]);
});

test("Python's constants are shown in plain words, and long values are shortened", () => {
  assert.equal(runs.plainValue("None"), "–");
  assert.equal(runs.plainValue("False"), "no");
  assert.equal(runs.plainValue("0"), "0");
  assert.equal(runs.plainValue("x".repeat(401)).length, 400);
});

test("a key can be wrapped after its dots and underscores", () => {
  assert.deepEqual(runs.keyParts("train.batch_size"), ["train.", "batch_", "size"]);
  assert.deepEqual(runs.keyParts("seed"), ["seed"]);
});

test("a curve that is missing in the history is drawn empty", () => {
  const { loss, accuracy } = runs.learningCurves({ loss: [2, 1] });
  assert.deepEqual(
    [...loss, ...accuracy].map((line) => line.values),
    [[2, 1], [], [], []],
  );
});

test("the confused pairs of many classes are listed, the most common first", () => {
  const cells = /** @type {[number, number, number][]} */ ([
    [0, 0, 8],
    [0, 2, 2],
    [1, 0, 2],
    [2, 1, 5],
  ]);
  assert.deepEqual(confusion.confusedPairs(cells), [
    { label: 2, predicted: 1, number: 5, share: 1 },
    { label: 1, predicted: 0, number: 2, share: 1 },
    { label: 0, predicted: 2, number: 2, share: 0.2 },
  ]);
  assert.deepEqual(confusion.matrixOf(cells, 3), [
    [8, 0, 2],
    [2, 0, 0],
    [0, 5, 0],
  ]);
});

test("a search finds any part of the text, and ignores case", () => {
  const names = ["Article 1", "article 12", "Hat"];
  const textOf = (/** @type {string} */ name) => name;
  assert.deepEqual(pages.search(names, textOf, " ARTICLE 1 "), ["Article 1", "article 12"]);
  assert.deepEqual(pages.search(names, textOf, ""), names);
  assert.deepEqual(pages.search(names, textOf, "shoe"), []);
});
