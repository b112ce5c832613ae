// Continues training from the model of an earlier run.

import { get } from "../client/api.js";
import { changeParams, paramValue } from "../client/state.js";
import { actionButton, h } from "../elements/dom.js";
import { formatDateTime, formatPercent } from "../elements/format.js";
import { isFinished, runTitle } from "../results/runs.js";

/** @import { FinishedRun, RunsAnswer } from "../results/types.js" */

/**
 * Fills the panel with the finished runs.
 * @param {HTMLElement} panel
 * @param {() => void} drawFoot
 */
export async function earlierRuns(panel, drawFoot) {
  /** @type {RunsAnswer} */
  const { runs } = await get("api/runs");
  const finishedRuns = runs.filter(isFinished);
  const help =
    "If a run has the same classes as your data, training starts with its whole network, and only its output layer " +
    "is trained further; to train more layers, choose them in Training, under Advanced. If the classes differ, the " +
    "network gets a new output layer.";
  /** @param {FinishedRun} run */
  const continueFrom = async (run) => {
    await changeParams({ "train.model": { from: run.run_id } });
    draw();
    drawFoot();
  };
  const draw = () => {
    const items = finishedRuns.map((run) => runItem(run, () => continueFrom(run)));
    panel.replaceChildren(
      h(
        "section",
        { class: "card" },
        h("h2", {}, "Earlier runs"),
        h("p", { class: "soft" }, help),
        items.length
          ? h("ul", { class: "plain lines" }, items)
          : h("p", {}, "There is no finished run yet. Train a model first."),
      ),
    );
  };
  draw();
  return null;
}

/**
 * @param {FinishedRun} run
 * @param {() => Promise<void>} onContinue
 */
function runItem(run, onContinue) {
  const accuracy = formatPercent(run.validation.accuracy.value);
  const facts = ` on ${run.data}, ${formatDateTime(run.started)} · validation ${accuracy}`;
  const isChosen = paramValue("train.model.from") === run.run_id;
  return h(
    "li",
    { class: "row between" },
    h("span", {}, h("b", {}, runTitle(run)), h("span", { class: "soft" }, facts)),
    isChosen
      ? h("span", { class: "tag done" }, "chosen")
      : actionButton("Continue from this run", onContinue, { class: "button small" }),
  );
}
