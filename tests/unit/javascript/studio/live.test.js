import assert from "node:assert/strict";
import { test } from "node:test";
import { nextAction } from "../../../../pipelines/studio/static/elements/next_action.js";
import { titleOf } from "../../../../pipelines/studio/static/frame/title.js";
import { pickJob } from "../../../../pipelines/studio/static/live/live.js";
import * as progress from "../../../../pipelines/studio/static/live/progress.js";
import { commandsFor } from "../../../../pipelines/studio/static/playground/playground.js";
import { jobOf } from "./jobs.js";

/** @import { Epoch, JobState, LiveView, StepView } from "../../../../pipelines/studio/static/client/types.js" */

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

test("the best epoch is the first one with the lowest validation loss", () => {
  assert.equal(progress.bestEpoch(epochsOf([3, 1, 2, 1])), 2);
  assert.equal(progress.bestEpoch(epochsOf([5])), 1);
  assert.equal(progress.bestEpoch(epochsOf([Number.NaN, 1])), 1, "no loss compares as lower than NaN");
  assert.equal(progress.bestEpoch([]), 1);
});

test("a chart has room for the planned epochs, but at most ten or twice the completed ones, whichever is more", () => {
  assert.equal(progress.plannedEpochs([]), 0);
  assert.equal(progress.plannedEpochs(epochsOf([1], 3)), 3);
  assert.equal(progress.plannedEpochs(epochsOf([1])), 10);
  assert.equal(progress.plannedEpochs(epochsOf(Array(30).fill(1))), 60);
  assert.equal(progress.plannedEpochs(epochsOf(Array(90).fill(1))), 100);
});

test("the newest message is the last complete line, without its time and step", () => {
  assert.equal(progress.newestMessage("08:01:02 train Epoch 1\n08:01:09 train Epoch 2\n08:02"), "Epoch 2");
  assert.equal(progress.newestMessage("Only a line\n"), "Only a line");
  assert.equal(progress.newestMessage("Only a line\n", ["train"]), "Only a line");
  assert.equal(progress.newestMessage("08:01:02 train Epoch 1\n", ["train"]), "Epoch 1");
  assert.equal(progress.newestMessage("08:01:02 train Epoch 1\n", ["evaluate"]), "", "other steps must be ignored");
  const tasks = ["preprocess", "read-photos-2"];
  assert.equal(progress.newestMessage("08:01:02 read-photos-2 Read portion 3\n", tasks), "Read portion 3");
  assert.equal(progress.newestMessage("half a line"), "");
  assert.equal(progress.newestMessage(""), "");
  assert.equal(progress.newestMessage("first\n\n"), "");
});

test("new text is appended to a log, whose start is cut off if it becomes too long", () => {
  assert.equal(progress.appendLog("a", "b"), "ab");
  const log = progress.appendLog("x".repeat(299_999), "yz");
  assert.equal(log.length, 300_000);
  assert.ok(log.startsWith("x") && log.endsWith("xyz"));
});

/**
 * @param {Partial<StepView>} facts
 * @returns {StepView}
 */
const stepOf = (facts) => ({
  name: "train",
  state: "running",
  started: 100,
  seconds: null,
  expected_seconds: null,
  share: null,
  parts: [],
  num_parts: 0,
  ...facts,
});

test("the tasks that share a step are counted, and those that are running or have failed are named", () => {
  const part = (/** @type {string} */ name, /** @type {JobState} */ state) => ({
    name,
    state,
    seconds: null,
  });
  const done = [part("list-photos", "done"), part("read-photos", "done")];
  assert.equal(progress.partsText(stepOf({})), "");
  assert.equal(progress.partsText(stepOf({ parts: done, num_parts: 4 })), "2 of 4 tasks done");
  const running = [...done, part("read-photos-2", "running")];
  assert.equal(
    progress.partsText(stepOf({ parts: running, num_parts: 4 })),
    "2 of 4 tasks done; running: read-photos-2",
  );
  const failed = [...done, part("read-photos-2", "failed")];
  assert.equal(progress.partsText(stepOf({ parts: failed, num_parts: 4 })), "2 of 4 tasks done; failed: read-photos-2");
});

test("the completed share of a step is the reported one, or else an estimate below 1 from the last run", () => {
  assert.equal(progress.shareDone(stepOf({ share: 0.4, expected_seconds: 1 }), 150), 0.4);
  assert.equal(progress.shareDone(stepOf({ expected_seconds: 100 }), 150), 0.5);
  assert.equal(progress.shareDone(stepOf({ expected_seconds: 100 }), 900), 0.97);
  assert.equal(progress.shareDone(stepOf({}), 150), null);
  assert.equal(progress.shareDone(stepOf({ state: "waiting", expected_seconds: 9 }), 150), 0);
  assert.equal(progress.shareDone(stepOf({ state: "done" }), 150), 1);
});

test("the remaining time follows from the completed share, or else from the last run", () => {
  assert.equal(progress.secondsLeft(stepOf({ share: 0.25 }), 110), 30);
  assert.equal(progress.secondsLeft(stepOf({ share: 0.01, expected_seconds: 60 }), 110), 50, "must ignore low shares");
  assert.equal(progress.secondsLeft(stepOf({ expected_seconds: 60 }), 900), 0);
  assert.equal(progress.secondsLeft(stepOf({}), 110), null);
  assert.equal(progress.secondsLeft(stepOf({ state: "waiting", expected_seconds: 7 }), 110), 7);
});

test("the remaining time of a run is known if that of each step is known", () => {
  const done = stepOf({ name: "start", state: "done" });
  const known = stepOf({ name: "deploy", state: "waiting", expected_seconds: 20, started: null });
  const unknown = stepOf({ name: "deploy", state: "waiting", started: null });
  const running = stepOf({ share: 0.5 });
  const live = (/** @type {StepView[]} */ steps) => /** @type {LiveView} */ ({ steps, started: 90 });
  assert.equal(progress.remainingSeconds(live([done, running, known]), 110), 30);
  assert.equal(progress.remainingSeconds(live([done, running, unknown]), 110), null);
  assert.equal(progress.totalShare(live([done, running, known]), 110), 0.4);
  assert.equal(progress.totalShare(live([done, running, unknown]), 110), 0.5);
  assert.equal(progress.totalShare(live([]), 110), null);
});

test("the settings that an error names are found, without duplicates", () => {
  const isSetting = (/** @type {string} */ key) => key !== "train.nothing";
  const text =
    "Set a smaller train.learning_rate (it is 1), or train.nothing; train.learning_rate. evaluate.gate.max_x";
  assert.deepEqual(progress.settingsNamed(text, isSetting), ["train.learning_rate", "evaluate.gate.max_x"]);
  assert.deepEqual(progress.settingsNamed("see /train.log", isSetting), ["train.log"]);
  assert.deepEqual(progress.settingsNamed("", isSetting), []);
});

test("an error message offers the next action", () => {
  assert.deepEqual(nextAction("The studio does not answer.", 0), { text: "Try again", href: null });
  assert.equal(nextAction("The settings were changed in another tab.", 409)?.text, "Reload");
  assert.equal(nextAction("Choose photos first.", 409)?.href, "#data");
  assert.equal(nextAction("train.epochs: must be positive.", 400)?.href, "#training/train.epochs");
  assert.equal(nextAction("train.model.weights: there is nothing", 400)?.href, "#model");
  assert.equal(nextAction("A photo may have 10 MB.", 413), null);
  assert.equal(nextAction("ends.train", null), null);
});

test("the title of the tab shows the progress of the training run", () => {
  assert.equal(titleOf({ job: "1", step: "train", share: 0.424 }, "Live"), "42\u00a0% Train · Live · Darkroom");
  assert.equal(titleOf({ job: "1", step: "preprocess", share: null }, "Data"), "Prepare photos · Data · Darkroom");
  assert.equal(titleOf(null, "Data"), "Data · Darkroom");
});

test("a command is quoted for a shell", () => {
  assert.equal(progress.shellCommand(["run", "--set", "train.epochs=5"]), "darkroom run --set train.epochs=5");
  assert.equal(progress.shellCommand(["/usr/bin/tool", "a b"]), "/usr/bin/tool 'a b'");
  assert.equal(progress.shellCommand(["run", "it's; rm -rf ~", ""]), "darkroom run 'it'\\''s; rm -rf ~' ''");
});

test("the job to show is a running training run, else the newest training run, else the newest job", () => {
  const [failed, running, audit] = [jobOf("run", "failed"), jobOf("submit", "running"), jobOf("audit", "running")];
  assert.equal(pickJob([audit, failed, running]), running.id);
  assert.equal(pickJob([audit, failed]), failed.id);
  assert.equal(pickJob([audit]), audit.id);
  assert.equal(pickJob([]), undefined);
});

test("a package is served from its folder, a run by its id; without a model, commands contain a placeholder", () => {
  assert.deepEqual(commandsFor("package-VGG16"), ["darkroom serve packages/VGG16"]);
  assert.equal(commandsFor("20260517-ab")[0], "darkroom serve 20260517-ab");
  assert.equal(commandsFor(null)[0], "darkroom serve RUN");
});
