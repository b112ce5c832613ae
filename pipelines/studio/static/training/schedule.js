// How long and how fast the model learns, and the range test that finds a learning rate.

import { get } from "../client/api.js";
import { changeParams, findJob, isUnfinished, on, startJob } from "../client/state.js";
import { actionButton, byId, card, h } from "../elements/dom.js";
import { roundTo } from "../elements/format.js";
import { settingField } from "./setting.js";

/** @import { Job, JobWithOutput } from "../client/types.js" */

/** The card of the epochs, the batch size and the learning rate. */
export function scheduleCard() {
  const { status, start } = rangeTest();
  const attributes = { class: "button small", id: "range-test" };
  return card(
    "How long and how fast",
    h(
      "div",
      { class: "fields" },
      settingField("train.epochs", "Epochs", {
        help: "How often every photo is seen. It stops earlier where nothing is gained.",
      }),
      settingField("train.batch_size", "Photos at once", {
        help: "Halved by itself where the memory is too small.",
      }),
      settingField("train.learning_rate", "Learning rate", {
        help: "How large a step is. Too large bursts, too small crawls.",
      }),
      settingField("train.optimizer", "Optimizer", {
        help: "How steps are made; adam is a safe choice.",
        names: { adam: "Adam", adamw: "AdamW", sgd: "SGD with momentum", rmsprop: "RMSprop" },
      }),
      settingField("train.schedule", "The rate goes on", {
        help: "What becomes of the rate over the epochs.",
        names: {
          constant: "as it is",
          cosine: "down to 0, softly",
          one_cycle: "up, then down",
          step: "down in steps",
          plateau: "down where nothing is gained",
        },
      }),
      settingField("train.warmup_epochs", "Warm-up, epochs", { help: "The rate rises to its value first." }),
    ),
    actionButton("Find a learning rate by a range test", start, attributes),
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
      status.replaceChildren(h("progress", { "aria-label": "The range test runs" }));
      return;
    }
    jobId = undefined;
    status.replaceChildren(await rangeTestResult(job));
  });
  const start = async () => {
    jobId = (await startJob({ kind: "rate" })).id;
    status.replaceChildren(h("progress", { "aria-label": "The range test waits or runs" }));
  };
  return { status, start };
}

/** @param {Job} job That has finished. */
async function rangeTestResult(job) {
  /** @type {JobWithOutput<{ proposed: number }>} */
  const { output, error } = await get(`api/jobs/${job.id}`);
  const proposed = output?.proposed;
  if (job.state !== "done" || !proposed) return h("p", { class: "fault" }, error ?? "No rate was found.");
  const take = async () => {
    const rate = roundTo(proposed, 2);
    await changeParams({ "train.learning_rate": rate });
    const input = byId("main").querySelector("[data-key='train.learning_rate'] input");
    if (input instanceof HTMLInputElement) input.value = String(rate);
  };
  return h(
    "p",
    {},
    "The loss fell fastest at ",
    h("b", {}, proposed.toExponential(1)),
    ". ",
    actionButton("Take it", take, { class: "button small", id: "take-rate" }),
  );
}
