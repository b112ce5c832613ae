import assert from "node:assert/strict";
import { test } from "node:test";
import { summary } from "../../../../pipelines/studio/static/elements/chart.js";
import { shownRange, smooth } from "../../../../pipelines/studio/static/elements/chart_view.js";
import * as scale from "../../../../pipelines/studio/static/elements/scale.js";

test("ticks are round and enclose the range", () => {
  for (const [low, high, expected] of [
    [0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0, 2.5, [0, 0.5, 1, 1.5, 2, 2.5]],
    [0.83, 1, [0.8, 0.85, 0.9, 0.95, 1]],
    [0, 0.000021, [0, 0.000005, 0.00001, 0.000015, 0.00002, 0.000025]],
    [0, 7e8, [0, 2e8, 4e8, 6e8, 8e8]],
  ]) {
    const { ticks } = scale.roundScale(Number(low), Number(high));
    const rounded = ticks.map((tick) => Number(tick.toPrecision(6)));
    assert.deepEqual(rounded, expected);
  }
});

test("every range gets two to seven ticks", () => {
  for (let exponent = -6; exponent <= 6; exponent += 1) {
    for (const factor of [1, 1.3, 2, 4.99, 5, 7, 9.99]) {
      const high = factor * 10 ** exponent;
      const { ticks, step } = scale.roundScale(0, high);
      assert.ok(ticks.length >= 2 && ticks.length <= 7, `found ${ticks.length} ticks from 0 to ${high}`);
      assert.ok(ticks[0] <= 0 && ticks[ticks.length - 1] >= high * (1 - 1e-6), `must enclose 0 to ${high}`);
      assert.ok(step > 0);
    }
  }
});

test("the axis of shares ends at 1, and that of other values starts at 0", () => {
  assert.deepEqual(scale.valueRange([0.8, 0.9], true), [0.8, 1]);
  assert.deepEqual(scale.valueRange([0.8, 3], false), [0, 3]);
  assert.deepEqual(scale.valueRange([-1, -2], false), [0, 1]);
});

test("the axis goes from 0 to 1 if its range would otherwise be empty", () => {
  for (const [values, isShare] of [
    [[], true],
    [[], false],
    [[1, 1], true],
    [[0], false],
  ]) {
    assert.deepEqual(scale.valueRange(/** @type {number[]} */ (values), Boolean(isShare)), [0, 1]);
  }
});

test("a step is written with as many decimal places as it needs", () => {
  for (const [step, digits] of [
    [1, 0],
    [20, 0],
    [0.5, 1],
    [0.1, 1],
    [0.05, 2],
    [0.001, 3],
  ]) {
    assert.equal(scale.digitsOf(step), digits, `for ${step}`);
  }
});

test("values have one more decimal place than ticks, at least two and at most six", () => {
  const { value, tick } = scale.formatsOf(0.05, false);
  assert.equal(value(0.12345), "0.123");
  assert.equal(tick(0.05), "0.05");
  assert.equal(scale.formatsOf(10, false).value(3), "3.00");
  assert.equal(scale.formatsOf(1e-9, false).value(1e-9), "0.000000");
  assert.equal(scale.formatsOf(0.005, true).tick(0.985), "98.5\u00a0%");
  assert.equal(scale.formatsOf(0.05, true).tick(0.95), "95\u00a0%");
});

test("positions are between the edges, even if these are reversed", () => {
  assert.equal(scale.place(0, [0, 10], [62, 548]), 62);
  assert.equal(scale.place(10, [0, 10], [62, 548]), 548);
  assert.equal(scale.place(1, [0, 1], [210, 12]), 12);
  assert.equal(scale.place(5, [5, 5], [62, 548]), 62);
});

test("a chart has a text summary for people who cannot see it", () => {
  const formats = scale.formatsOf(0.1, false);
  const series = [
    { name: "training", kind: "train", values: [2, 1, 0.5] },
    { name: "validation", kind: "validation", values: [] },
  ];
  assert.equal(summary("Loss", series, formats), "Loss: training from 2.00 to 0.50 by epoch 3");
  assert.equal(summary("Loss", [], formats), "Loss: nothing yet");
});

test("a zoom shows at least two epochs, and none beyond the end of the chart", () => {
  const view = { first: 0, last: null, smoothing: 0 };
  assert.deepEqual(shownRange(view, 10), [0, 9]);
  assert.deepEqual(shownRange({ ...view, first: 3, last: 5 }, 10), [3, 5]);
  assert.deepEqual(shownRange({ ...view, first: 4, last: 4 }, 10), [4, 5]);
  assert.deepEqual(shownRange({ ...view, first: 8, last: 20 }, 4), [2, 3], "the zoom must fit a shorter run");
  assert.deepEqual(shownRange(view, 0), [0, 1]);
});

test("smooth lines begin at the first value and keep gaps", () => {
  assert.deepEqual(smooth([1, 3], 0), [1, 3]);
  assert.ok(smooth([2, 2, 2], 0.9).every((value) => Math.abs(value - 2) < 1e-12));
  const [first, second, gap, last] = smooth([1, 3, Number.NaN, 3], 0.5);
  assert.equal(first, 1);
  assert.ok(Math.abs(second - 7 / 3) < 1e-12);
  assert.ok(Number.isNaN(gap) && last > second && last < 3);
});
