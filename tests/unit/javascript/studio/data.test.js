import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../../../../pipelines/studio/static/client/api.js";
import { parseColumns } from "../../../../pipelines/studio/static/data/columns.js";
import * as decisions from "../../../../pipelines/studio/static/data/decisions.js";
import { classOfPath, rootOfPath } from "../../../../pipelines/studio/static/data/folder_paths.js";
import { uploadAll } from "../../../../pipelines/studio/static/data/upload_queue.js";
import { withOriginal } from "../../../../pipelines/studio/static/data/versions.js";
import { DecisionLog } from "../../../../pipelines/studio/static/photos/decision_log.js";
import { visibleRange } from "../../../../pipelines/studio/static/photos/grid_layout.js";
import { Selection } from "../../../../pipelines/studio/static/photos/selection.js";

/**
 * @param {number} number
 * @param {string} content
 */
const files = (number, content = "photo") =>
  Array.from({ length: number }, (_, position) => new File([content], `${position}.jpg`));

test("a decision is stored, changed and undone", () => {
  const decisionMap = new DecisionLog();
  assert.equal(decisions.choiceOf(decisionMap, "a/1.jpg"), "");
  decisions.decide(decisionMap, "a/1.jpg", "=-");
  assert.equal(decisionMap.get("a/1.jpg"), "-", "choosing a class named '-' must differ from leaving the photo out");
  assert.equal(decisions.choiceOf(decisionMap, "a/1.jpg"), "=-");
  decisions.decide(decisionMap, "a/1.jpg", "-");
  assert.equal(decisionMap.get("a/1.jpg"), null);
  assert.equal(decisions.choiceOf(decisionMap, "a/1.jpg"), "-");
  decisions.decide(decisionMap, "a/1.jpg", "");
  assert.equal(decisionMap.size, 0);
});

test("a photo can be moved to every class but its own", () => {
  const keys = decisions.choicesFor(["cat", "dog", ""], "dog").map(([key]) => key);
  assert.deepEqual(keys, ["", "-", "=cat", "="]);
});

test("photos are counted by split and by class", () => {
  const counts = { train: { cat: 8, dog: 4 }, validation: { cat: 1, dog: 0 }, test: { cat: 0, dog: 2 } };
  const info = { counts, num_kept: 15, num_files: 15, findings: [] };
  assert.deepEqual(decisions.splitTotals(info), [12, 1, 2]);
  assert.deepEqual(decisions.classTotals(info), [
    { name: "cat", counts: [8, 1, 0], total: 9 },
    { name: "dog", counts: [4, 0, 2], total: 6 },
  ]);
  const empty = { counts: { train: {}, validation: {}, test: {} }, num_kept: 0, num_files: 0, findings: [] };
  assert.deepEqual(decisions.splitTotals(empty), [0, 0, 0]);
  assert.deepEqual(decisions.classTotals(empty), []);
});

test("files are uploaded once each, a few at a time, and empty files are skipped", async () => {
  let numActive = 0;
  let maxActive = 0;
  /** @type {string[]} */
  const names = [];
  /** @type {number[]} */
  const progress = [];
  const upload = async (/** @type {File} */ file) => {
    numActive += 1;
    maxActive = Math.max(maxActive, numActive);
    await new Promise((resolve) => setTimeout(resolve, 1));
    names.push(file.name);
    numActive -= 1;
  };
  const onProgress = (numSent) => progress.push(numSent);
  const result = await uploadAll([...files(25), new File([], "empty.jpg")], upload, onProgress);
  assert.deepEqual(result, { numDone: 25, failures: [] });
  assert.equal(maxActive, 4);
  assert.equal(new Set(names).size, 25);
  assert.ok(!names.includes("empty.jpg"));
  assert.deepEqual(
    progress,
    Array.from({ length: 25 }, (_, position) => position + 1),
  );
});

test("a refused file does not stop the others", async () => {
  const upload = async (/** @type {File} */ file) => {
    if (file.name === "3.jpg") throw new RequestError("It is not a photo.", 422);
  };
  const result = await uploadAll(files(9), upload, () => undefined);
  assert.deepEqual(result, { numDone: 9, failures: ["3.jpg: It is not a photo."] });
});

for (const status of [0, 507]) {
  test(`uploads stop after status ${status}`, async () => {
    const upload = async () => {
      throw new RequestError("No room.", status);
    };
    const { numDone, failures } = await uploadAll(files(100), upload, () => undefined);
    assert.equal(numDone, 4, "only the uploads that were already in progress must finish");
    assert.equal(failures.length, 4);
  });
}

test("an upload of no files ends immediately", async () => {
  assert.deepEqual(await uploadAll([], assert.fail, assert.fail), { numDone: 0, failures: [] });
});

test("the original data is the first version", () => {
  const second = { number: 2, uri: "/v2", origin: "/photos", what: "2 left out", created: "", num_photos: 9 };
  assert.deepEqual(
    withOriginal([second]).map(({ number, uri }) => [number, uri]),
    [
      [1, "/photos"],
      [2, "/v2"],
    ],
  );
});

test("columns are assigned by name or number, and empty fields are left out", () => {
  const texts = { path: " id code ", label: "3", split: " ", group: "007" };
  assert.deepEqual(parseColumns(texts), { path: "id code", label: 3, group: "007" });
  assert.deepEqual(parseColumns({ path: "" }), {});
});

test("each undo reverts one step, which may contain several decisions", () => {
  const log = new DecisionLog();
  log.decide(["a", "b"], "cat");
  log.decide(["b", "c"], null);
  log.decide(["b"], null);
  assert.equal(log.steps.length, 2, "a decision that changes nothing must not add an undo step");
  log.undo();
  assert.deepEqual(
    [...log.decisions],
    [
      ["a", "cat"],
      ["b", "cat"],
    ],
  );
  log.undo();
  log.undo();
  assert.equal(log.size, 0);
  log.decide(["a"], "cat");
  log.clear();
  log.undo();
  assert.equal(log.size, 0);
});

test("a range extends from the previously selected photo, in both directions", () => {
  const selection = new Selection();
  const pathAt = (/** @type {number} */ position) => (position < 9 ? String(position) : undefined);
  selection.set("5", 5, true, pathAt, false);
  selection.set("2", 2, true, pathAt, true);
  assert.deepEqual([...selection.paths].sort(), ["2", "3", "4", "5"]);
  selection.set("4", 4, false, pathAt, true);
  assert.deepEqual([...selection.paths], ["5"]);
  selection.clear();
  selection.set("7", 7, true, pathAt, true);
  assert.deepEqual([...selection.paths], ["7"], "without an earlier selection, only this photo must be selected");
});

test("a grid shows the rows in view and a few more", () => {
  const view = { clientWidth: 400, clientHeight: 300, scrollTop: 0 };
  const cell = { width: 130, height: 150 };
  const top = visibleRange(view, cell, 10_000);
  assert.deepEqual([top.first, top.last, top.height], [0, 11, 3334 * 150]);
  const middle = visibleRange({ ...view, scrollTop: 15_000 }, cell, 10_000);
  assert.deepEqual([middle.first, middle.last], [98 * 3, 104 * 3 - 1]);
  assert.equal(middle.top(300), 15_000);
  const end = visibleRange({ ...view, scrollTop: 3334 * 150 - 300 }, cell, 10_000);
  assert.equal(end.last, 9_999);
  assert.ok(visibleRange({ ...view, clientWidth: 0 }, cell, 0).last < 0);
});

test("the class of a photo is the folder that contains it", () => {
  assert.equal(classOfPath("pets/cat/1.jpg"), "cat");
  assert.equal(classOfPath("pets/train/cat/1.jpg"), "cat");
  assert.equal(classOfPath("pets/1.jpg"), "");
  assert.equal(rootOfPath("pets/cat/1.jpg"), "pets");
});
