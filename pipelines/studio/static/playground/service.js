// The cards for serving a model and for promoting it to champion.

import { post } from "../client/api.js";
import { isReady, isUnfinished, state } from "../client/state.js";
import { actionButton, card, copyableCode, h, ignoreFailure } from "../elements/dom.js";
import { verdictReasons } from "../results/reasons.js";
import { promotionText, standingStyle, verdictText } from "../results/runs.js";
import { snippets } from "./snippets.js";

/** @import { Job } from "../client/types.js" */
/** @import { FinishedRun } from "../results/types.js" */

/**
 * The card that starts the service of a model, or shows the running service.
 * @param {string} model
 */
export function serviceCard(model) {
  const services = state.jobs.filter((job) => job.kind === "serve");
  const runningJob = services.find(isUnfinished);
  if (runningJob) return runningService(runningJob, model);
  const latestJob = services.find((job) => job.about.model === model);
  const start = () => post(`api/models/${encodeURIComponent(model)}/serve`);
  return card(
    "Serve this model",
    h("p", {}, "Programs can send photos over HTTP, and people can use the web page of the service."),
    latestJob?.state === "failed" ? h("p", { class: "fault" }, latestJob.error) : null,
    actionButton("Start the service", start, { class: "button main", id: "serve" }),
    h(
      "p",
      { class: "soft small" },
      "To serve on Kubernetes, ",
      h("a", { href: "#training" }, "train on the cluster and roll out"),
      ".",
    ),
  );
}

/**
 * @param {Job} job
 * @param {string} model
 */
function runningService(job, model) {
  const { url } = job.about;
  const isThis = job.about.model === model;
  const stop = () => post(`api/jobs/${job.id}`, { action: "stop" });
  return card(
    "Running service",
    h(
      "p",
      {},
      isThis ? "This model is served at " : `${job.about.model} is served at `,
      h("a", { href: url, target: "_blank", rel: "noopener" }, url),
      ". ",
      readiness(job.id),
    ),
    snippets(url).flatMap(([language, code]) => [h("h3", {}, language), copyableCode(code)]),
    actionButton("Stop the service", stop, { id: "unserve" }),
  );
}

/** @param {string} jobId */
function readiness(jobId) {
  const status = h("span", { role: "status", id: "served" }, "Starting …");
  const wait = async () => {
    while (!(await isReady(jobId))) if (!status.isConnected) return;
    status.textContent = "The service is ready.";
  };
  setTimeout(() => wait().catch(ignoreFailure)); // once the element is on the page
  return status;
}

/**
 * The card for promoting a model to champion, which the quality gate must allow.
 * @param {string} model
 * @param {FinishedRun} run
 */
export function promotionCard(model, run) {
  const job = state.jobs.find(({ kind, about }) => kind === "promote" && about.model === model);
  const isChampion = run.standing === "champion";
  const help = isChampion
    ? "Deployments roll out the champion, which is this model."
    : "Deployments roll out the champion. This model can be promoted if the quality gate allows it.";
  const promote = () => post(`api/models/${encodeURIComponent(model)}/promote`);
  const isBusy = job && isUnfinished(job);
  const answer = isBusy ? "Checking …" : (job?.error ?? promotionText(run));
  return card(
    "Promotion",
    h("p", {}, help, " ", h("span", { class: standingStyle(run) }, run.standing)),
    h("p", {}, h("b", {}, verdictText(run)), "."),
    verdictReasons(run),
    h("p", { role: "status", class: job?.state === "failed" ? "fault" : "" }, answer),
    actionButton(isChampion ? "Promote again" : "Promote", promote, { id: "promote" }),
  );
}
