import assert from "node:assert/strict";
import { test } from "node:test";
import * as pages from "../../../../pipelines/studio/static/elements/pages.js";
import * as confusion from "../../../../pipelines/studio/static/results/confusion.js";
import * as photoMap from "../../../../pipelines/studio/static/results/photo_map.js";
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

test("a run below the required minimum is not called worse than the champion if there is no champion", () => {
  assert.equal(runs.verdictText({ verdict: "worse", champion: null }), "Below the required minimum");
  assert.equal(runs.verdictText({ verdict: "worse", champion: {} }), "Worse than the champion");
  assert.equal(runs.verdictText({ verdict: "first", champion: null }), "The first model for this data");
});

test("the gate's reasons at evaluation and the current standing of a run do not contradict each other", () => {
  const run = /** @type {import("../../../../pipelines/studio/static/results/types.js").FinishedRun} */ ({
    promotion_reason: "Version 1 is the champion.",
  });
  assert.equal(runs.promotionText({ ...run, standing: "champion" }), "Version 1 is the champion.");
  assert.match(runs.promotionText({ ...run, standing: "former champion" }), /until another run was promoted/);
  const reasons = ["No model is the champion.", "It is quick."];
  assert.equal(runs.reasonsText({ reasons }), "When it was evaluated: No model is the champion. It is quick.");
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

test("a curve that is missing from the history is empty", () => {
  const { loss, accuracy } = runs.learningCurves({ loss: [2, 1] });
  assert.deepEqual(
    [...loss, ...accuracy].map((line) => line.values),
    [[2, 1], [], [], []],
  );
});

test("the pairs of confused classes are listed, the most common first", () => {
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

/** @param {Partial<import("../../../../pipelines/studio/static/results/types.js").MapPhoto>} facts */
const mapPhoto = (facts) => {
  return { image_id: "0", split: "test", path: "a.jpg", label: 0, predicted: 0, x: 0, y: 0, findings: [], ...facts };
};

test("the filter of the map selects photos by class, misclassification and finding", () => {
  const wrong = mapPhoto({ label: 1, predicted: 2, findings: ["label error"] });
  assert.ok(photoMap.passes(wrong, { label: "", show: "all" }));
  assert.ok(photoMap.passes(wrong, { label: "1", show: "wrong" }));
  assert.ok(photoMap.passes(wrong, { label: "1", show: "label error" }));
  assert.ok(!photoMap.passes(wrong, { label: "2", show: "all" }));
  assert.ok(!photoMap.passes(wrong, { label: "", show: "outlier" }));
  assert.ok(!photoMap.passes(mapPhoto({}), { label: "", show: "wrong" }));
});

test("the pointer selects the nearest photo that passes the filter of the map", () => {
  const photos = [mapPhoto({ x: 0, y: 0 }), mapPhoto({ x: 0.01, y: 0, label: 1 }), mapPhoto({ x: 1, y: 1 })];
  const all = () => true;
  assert.equal(photoMap.findNearest(photos, { x: 16, y: 544 }, all), 0);
  assert.equal(photoMap.findNearest(photos, { x: 28, y: 544 }, all), 1);
  assert.equal(
    photoMap.findNearest(photos, { x: 28, y: 544 }, ({ label }) => label === 0),
    0,
  );
  assert.equal(photoMap.findNearest(photos, { x: 984, y: 16 }, all), 2);
  assert.equal(photoMap.findNearest(photos, { x: 500, y: 300 }, all), -1);
});

test("arrow keys move through the photos that pass the filter of the map", () => {
  const photos = [0, 1, 0, 1].map((label) => mapPhoto({ label }));
  /** @param {{ label: number }} photo */
  const isShown = ({ label }) => label === 1;
  assert.equal(photoMap.findNext(photos, -1, 1, isShown), 1);
  assert.equal(photoMap.findNext(photos, 1, 1, isShown), 3);
  assert.equal(photoMap.findNext(photos, 3, 1, isShown), 3);
  assert.equal(photoMap.findNext(photos, 3, -1, isShown), 1);
  assert.equal(photoMap.findNext(photos, 4, -1, isShown), 3);
});
