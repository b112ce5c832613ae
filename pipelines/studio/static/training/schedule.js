// Epochs, batch size and learning rate, and the range test that suggests a learning rate.

import { get } from "../client/api.js";
import { changeParams, findJob, isUnfinished, on, startJob } from "../client/state.js";
import { actionButton, byId, card, h } from "../elements/dom.js";
import { roundTo } from "../elements/format.js";
import { settingField } from "./setting.js";

/** @import { Job, JobWithOutput } from "../client/types.js" */

/** The card for setting the epochs, the batch size and the learning rate. */
export function scheduleCard() {
  const { status, start } = rangeTest();
  const attributes = { class: "button small", id: "range-test" };
  return card(
    "Epochs and learning rate",
    h(
      "div",
      { class: "fields" },
      settingField("train.epochs", "Epochs", {
        help: "The number of passes through the photos. Training stops earlier if the model no longer improves.",
      }),
      settingField("train.batch_size", "Batch size", {
        help: "Halved automatically if there is not enough memory.",
      }),
      settingField("train.learning_rate", "Learning rate", {
        help: "The size of a step. If it is too large, training diverges; if it is too small, training is slow.",
      }),
      settingField("train.optimizer", "Optimizer", {
        help: "The method that computes the steps; Adam is a safe choice.",
        names: { adam: "Adam", adamw: "AdamW", sgd: "SGD with momentum", rmsprop: "RMSprop" },
      }),
      settingField("train.schedule", "Learning rate schedule", {
        help: "How the learning rate changes over the epochs.",
        names: {
          constant: "constant",
          cosine: "cosine decay to 0",
          one_cycle: "one cycle: up, then down",
          step: "decay in steps",
          plateau: "decay on plateaus",
        },
      }),
      settingField("train.warmup_epochs", "Warm-up, epochs", { help: "The learning rate first rises from near 0." }),
    ),
    actionButton("Find a learning rate with a range test", start, attributes),
    status,
  );
}

function rangeTest() {
  const status = h("div", { role: "status" });
  /** @type {string | undefined} */
  let jobId;
  const stopListening = on("jobs", async () => {
    if (!status.isConnected) {
      stopListening();
      return;
    }
    const job = findJob(jobId);
    if (!job) return;
    if (isUnfinished(job)) {
      status.replaceChildren(h("progress", { "aria-label": "The range test is running" }));
      return;
    }
    jobId = undefined;
    status.replaceChildren(await rangeTestResult(job));
  });
  const start = async () => {
    jobId = (await startJob({ kind: "rate" })).id;
    status.replaceChildren(h("progress", { "aria-label": "The range test is waiting or running" }));
  };
  return { status, start };
}

/** @param {Job} job A finished job. */
async function rangeTestResult(job) {
  /** @type {JobWithOutput<{ proposed: number }>} */
  const { output, error } = await get(`api/jobs/${job.id}`);
  const proposed = output?.proposed;
  if (job.state !== "done" || !proposed)
    return h("p", { class: "fault" }, error ?? "The range test found no suitable learning rate.");
  const take = async () => {
    const rate = roundTo(proposed, 2);
    await changeParams({ "train.learning_rate": rate });
    const input = byId("main").querySelector("[data-key='train.learning_rate'] input");
    if (input instanceof HTMLInputElement) input.value = String(rate);
  };
  return h(
    "p",
    {},
    "The loss fell fastest at a learning rate of ",
    h("b", {}, proposed.toExponential(1)),
    ". ",
    actionButton("Use it", take, { class: "button small", id: "take-rate" }),
  );
}
