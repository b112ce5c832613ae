import assert from "node:assert/strict";
import { test } from "node:test";
import { debounce } from "../../../../pipelines/studio/static/client/debounce.js";
import { flatten } from "../../../../pipelines/studio/static/elements/dom.js";
import { queueText } from "../../../../pipelines/studio/static/frame/job_list.js";
import { parseHash } from "../../../../pipelines/studio/static/frame/route.js";
import { jobOf } from "./jobs.js";

const SCREENS = ["data", "model", "results"];

test("an address is split into the name of a screen and the other parts", () => {
  assert.deepEqual(parseHash("#model/layers", SCREENS), ["model", ["layers"]]);
  assert.deepEqual(parseHash("#results/compare/a%2Fb/c", SCREENS), ["results", ["compare", "a/b", "c"]]);
});

test("an unknown address leads to the first screen", () => {
  for (const hash of ["", "#", "#nowhere", "#constructor", "#DATA"]) {
    assert.deepEqual(parseHash(hash, SCREENS), ["data", []], hash);
  }
});

test("a part of an address that is not encoded correctly is used as is", () => {
  assert.deepEqual(parseHash("#data/%", SCREENS), ["data", ["%"]]);
  assert.deepEqual(parseHash("#results/a%2Fb/100%/%E0%A4", SCREENS), ["results", ["a/b", "100%", "%E0%A4"]]);
});

test("the button of the job list names the running job and counts the waiting ones", () => {
  const [running, waiting, service] = [jobOf("run", "running"), jobOf("run", "waiting"), jobOf("serve", "running")];
  assert.equal(queueText([], true), "Idle");
  assert.equal(queueText([service], true), "Idle");
  assert.equal(queueText([waiting, waiting], true), "2 waiting");
  assert.equal(queueText([running], true), "run job");
  assert.equal(queueText([running, waiting, service], true), "run job · 1 waiting");
  assert.equal(queueText([running], false), "Not connected");
  assert.equal(queueText([running, waiting], false), "Not connected · 1 waiting");
});

test("nested children are flattened into one list, without null, undefined and false", () => {
  assert.deepEqual(flatten(["a", null, [undefined, ["b", [false, 0]]], ""]), ["a", "b", "0", ""]);
});

test("several calls of debounced work run it once after a delay, or immediately on request", async () => {
  let calls = 0;
  const work = debounce(() => {
    calls += 1;
    return calls;
  }, 5);
  assert.equal(work.now(), null, "before any call, there must be no work to run");
  work();
  work();
  assert.equal(calls, 0);
  assert.equal(work.now(), 1);
  work();
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.equal(calls, 2);
  assert.equal(work.now(), null);
});
