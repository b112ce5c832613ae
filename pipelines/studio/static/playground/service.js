// The service of a model, and its promotion to champion.

import { get, post } from "../client/api.js";
import { isReady, isUnfinished, state } from "../client/state.js";
import { actionButton, card, copyableCode, h, ignoreFailure, showProblem } from "../elements/dom.js";

/** @import { Job, JobWithOutput } from "../client/types.js" */
/** @import { FinishedRun } from "../results/types.js" */

/**
 * Starts the service of a model, or shows the one that runs.
 * @param {string} model
 */
export function serviceCard(model) {
  const services = state.jobs.filter((job) => job.kind === "serve");
  const runningJob = services.find(isUnfinished);
  if (runningJob) return runningService(runningJob, model);
  const latestJob = services.find((job) => job.about.model === model);
  const start = () => post(`/api/models/${encodeURIComponent(model)}/serve`);
  return card(
    "Serve it",
    h("p", {}, "Programs ask it over HTTP, and people on its own page."),
    latestJob?.state === "failed" ? h("p", { class: "fault" }, latestJob.error) : null,
    actionButton("Start the service", start, { class: "button main", id: "serve" }),
  );
}

/**
 * @param {Job} job
 * @param {string} model
 */
function runningService(job, model) {
  const { url } = job.about;
  const isThis = job.about.model === model;
  const stop = () => post(`/api/jobs/${job.id}`, { action: "stop" });
  return card(
    "Served",
    h(
      "p",
      {},
      isThis ? "This model answers at " : `${job.about.model} is served at `,
      h("a", { href: url, target: "_blank", rel: "noopener" }, url),
      ". ",
      readiness(job.id),
    ),
    h("h3", {}, "From a shell"),
    copyableCode(`curl -F files=@PHOTO.jpg ${url}/predict`),
    h("h3", {}, "From Python"),
    copyableCode(pythonExample(url)),
    actionButton("Stop the service", stop, { id: "unserve" }),
  );
}

/** @param {string} url */
const pythonExample = (url) => `from pathlib import Path

from components.deploy.client import ServiceClient

with ServiceClient("${url}") as client:
    print(client.predict([Path("PHOTO.jpg").read_bytes()]))`;

/** @param {string} jobId */
function readiness(jobId) {
  const status = h("span", { role: "status", id: "served" }, "It starts …");
  const wait = async () => {
    while (!(await isReady(jobId))) if (!status.isConnected) return;
    status.textContent = "It is ready.";
  };
  setTimeout(() => wait().catch(ignoreFailure)); // once it is on the page
  return status;
}

/**
 * Asks the quality gate to make a model the champion.
 * @param {string} model
 * @param {FinishedRun | undefined} run
 */
export function promotionCard(model, run) {
  const job = state.jobs.find(({ kind, about }) => kind === "promote" && about.model === model);
  const help =
    "The champion is what others roll out. The gate's verdict decides; what has changed since is looked at again.";
  const promote = () => post(`/api/models/${encodeURIComponent(model)}/promote`);
  return card(
    "Promote it",
    h("p", {}, run?.promoted ? "It was made champion when it was built." : help),
    run ? h("p", {}, "It was judged ", h("b", {}, run.verdict), ": ", run.reasons.join(" ")) : null,
    job ? promotionStatus(job) : null,
    actionButton("Ask the gate", promote, { id: "promote" }),
  );
}

/** @param {Job} job */
function promotionStatus(job) {
  const style = job.state === "failed" ? "fault" : "";
  const status = h("p", { role: "status", class: style }, job.error ?? "The gate looks …");
  if (job.state !== "done") return status;
  status.textContent = "The gate has answered.";
  /** @type {Promise<JobWithOutput<{ reason: string }>>} */
  const answer = get(`/api/jobs/${job.id}`);
  answer
    .then(({ output }) => {
      if (output) status.textContent = output.reason;
    })
    .catch(showProblem);
  return status;
}
