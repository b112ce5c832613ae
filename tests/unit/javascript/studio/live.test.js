import assert from "node:assert/strict";
import { test } from "node:test";
import { pickJob } from "../../../../pipelines/studio/static/live/live.js";
import * as progress from "../../../../pipelines/studio/static/live/progress.js";
import { commandsFor } from "../../../../pipelines/studio/static/playground/playground.js";
import { jobOf } from "./jobs.js";

/** @import { Epoch } from "../../../../pipelines/studio/static/client/types.js" */

/**
 * @param {number[]} losses
 * @returns {Epoch[]}
 */
const epochsOf = (losses, planned = 100) =>
  losses.map((loss, position) => ({
    epoch: position + 1,
    planned,
    loss,
    accuracy: 0.5,
    val_loss: loss,
    val_accuracy: 0.5,
  }));

test("the best epoch has the lowest validation loss, the first of equals", () => {
  assert.equal(progress.bestEpoch(epochsOf([3, 1, 2, 1])), 2);
  assert.equal(progress.bestEpoch(epochsOf([5])), 1);
  assert.equal(progress.bestEpoch(epochsOf([Number.NaN, 1])), 1, "nothing is below what is no number");
  assert.equal(progress.bestEpoch([]), 1);
});

test("a chart has room for what is planned, but not for much more than is done", () => {
  assert.equal(progress.plannedEpochs([]), 0);
  assert.equal(progress.plannedEpochs(epochsOf([1], 3)), 3);
  assert.equal(progress.plannedEpochs(epochsOf([1])), 10);
  assert.equal(progress.plannedEpochs(epochsOf(Array(30).fill(1))), 60);
  assert.equal(progress.plannedEpochs(epochsOf(Array(90).fill(1))), 100);
});

test("the newest message is the last whole line without time and step", () => {
  assert.equal(progress.newestMessage("08:01:02 train Epoch 1\n08:01:09 train Epoch 2\n08:02"), "Epoch 2");
  assert.equal(progress.newestMessage("Only a line\n"), "Only a line");
  assert.equal(progress.newestMessage("half a line"), "");
  assert.equal(progress.newestMessage(""), "");
  assert.equal(progress.newestMessage("first\n\n"), "");
});

test("a log grows at its end and drops its start", () => {
  assert.equal(progress.appendLog("a", "b"), "ab");
  const log = progress.appendLog("x".repeat(299_999), "yz");
  assert.equal(log.length, 300_000);
  assert.ok(log.startsWith("x") && log.endsWith("xyz"));
});

test("a command is quoted for a shell", () => {
  assert.equal(progress.shellCommand(["run", "--set", "train.epochs=5"]), "darkroom run --set train.epochs=5");
  assert.equal(progress.shellCommand(["/usr/bin/tool", "a b"]), "/usr/bin/tool 'a b'");
  assert.equal(progress.shellCommand(["run", "it's; rm -rf ~", ""]), "darkroom run 'it'\\''s; rm -rf ~' ''");
});

test("the job to show is a running training, else the newest training, else the newest job", () => {
  const [failed, running, audit] = [jobOf("run", "failed"), jobOf("submit", "running"), jobOf("audit", "running")];
  assert.equal(pickJob([audit, failed, running]), running.id);
  assert.equal(pickJob([audit, failed]), failed.id);
  assert.equal(pickJob([audit]), audit.id);
  assert.equal(pickJob([]), undefined);
});

test("a package has its own command, and no model a placeholder", () => {
  assert.deepEqual(commandsFor("package-VGG16"), ["darkroom serve packages/VGG16"]);
  assert.equal(commandsFor("20260517-ab")[0], "darkroom serve 20260517-ab");
  assert.equal(commandsFor(null)[0], "darkroom serve RUN");
});
