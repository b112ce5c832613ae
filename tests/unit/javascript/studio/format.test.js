import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../../../pipelines/studio/static/elements/format.js";

/**
 * @template Value
 * @param {(value: Value) => string} write
 * @param {[Value, string][]} examples
 */
function examplesOf(write, examples) {
  for (const [value, text] of examples) assert.equal(write(value), text, `for ${value}`);
}

test("whole numbers have thousands separators, and nouns agree with their numbers", () => {
  examplesOf(format.formatCount, [
    [0, "0"],
    [999, "999"],
    [1000, "1,000"],
    [-1234567, "-1,234,567"],
  ]);
  assert.equal(format.pluralize(0, "photo"), "0 photos");
  assert.equal(format.pluralize(1, "photo"), "1 photo");
  assert.equal(format.pluralize(2000, "class", "classes"), "2,000 classes");
});

test("only exact percentages are written without decimal places", () => {
  examplesOf(format.formatPercent, [
    [0, "0\u00a0%"],
    [1, "100\u00a0%"],
    [0.99999, "100.0\u00a0%"],
    [0.00001, "0.0\u00a0%"],
    [0.9876, "98.8\u00a0%"],
  ]);
  assert.equal(format.formatPercent(0.5, 0), "50\u00a0%");
  const interval = { value: 0.9, low: 0.85, high: 1 };
  assert.equal(format.formatShareWithRange(interval), "90.0\u00a0% (85.0 to 100)");
});

test("large numbers change their unit at the right boundaries", () => {
  examplesOf(format.abbreviate, [
    [9999, "9,999"],
    [9999.4, "9,999"],
    [1e4, "10 k"],
    [999_999, "1000 k"],
    [1e6, "1.0 M"],
    [1e9, "1.0 G"],
  ]);
});

test("a size is shown as at least 1 kB", () => {
  examplesOf(format.formatBytes, [
    [0, "1 kB"],
    [1499, "1 kB"],
    [1500, "2 kB"],
    [1e6, "1.0 MB"],
    [9_999_999, "10.0 MB"],
    [1e7, "10 MB"],
    [2.55e9, "2.5 GB"],
  ]);
});

test("durations are written in a suitable unit, and unknown durations are empty", () => {
  /** @type {[number | null | undefined, string][]} */
  const examples = [
    [null, ""],
    [undefined, ""],
    [Number.NaN, ""],
    [Number.POSITIVE_INFINITY, ""],
    [0, "0 s"],
    [89, "89 s"],
    [90, "2 min"],
    [5399, "90 min"],
    [5400, "1.5 h"],
  ];
  examplesOf(format.formatSeconds, examples);
});

test("a time today is shown without a date", () => {
  const now = new Date(2026, 4, 17, 12, 0);
  const morning = new Date(2026, 4, 17, 8, 5).getTime() / 1000;
  assert.equal(format.formatDateTime(morning, now), "08:05");
  assert.equal(format.formatDateTime("2026-05-16T23:59:00", now), "16 May 2026, 23:59");
});

test("an image size is written with both sides", () => {
  assert.equal(format.formatSides(96), "96 × 96");
  assert.equal(format.formatSides([96, 128]), "96 × 128");
});

test("rounded numbers have no trailing zeros", () => {
  assert.equal(format.roundTo(0.000123456, 2), 0.00012);
  assert.equal(String(format.roundTo(0.1, 3)), "0.1");
  assert.equal(format.roundTo(1234, 2), 1200);
});
