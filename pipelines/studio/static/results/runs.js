// Formats runs and their metrics.

/** @import { FinishedRun, History, OtherRun } from "./types.js" */

/**
 * @param {FinishedRun | OtherRun} run
 * @returns {run is FinishedRun}
 */
export const isFinished = (run) => run.status === "finished";

/**
 * @param {FinishedRun | OtherRun} run
 * @returns {run is OtherRun}
 */
export const isUnfinishedRun = (run) => run.status !== "finished";

/** @type {{ [verdict: string]: string }} */
const VERDICTS = {
  first: "The first model for this data",
  better: "Better than the champion",
  worse: "Worse than the champion",
  "cannot tell": "Not significantly different from the champion",
  "not comparable": "Not comparable with the champion",
};

/**
 * The verdict of the quality gate.
 * @param {{ verdict: string, champion: unknown }} gate
 */
export const verdictText = ({ verdict, champion }) =>
  verdict === "worse" && !champion ? "Below the required minimum" : VERDICTS[verdict];

/**
 * The title of a run: the name that the user gave it, or its model.
 * @param {FinishedRun} run
 */
export const runTitle = (run) => run.name || run.model;

/** @type {Record<FinishedRun["standing"], string>} */
const STANDING_STYLES = { champion: "done", "former champion": "waiting", "not promoted": "waiting" };

/**
 * The style of the tag with the standing of a run.
 * @param {FinishedRun} run
 */
export const standingStyle = ({ standing }) => `tag ${STANDING_STYLES[standing]}`;

/**
 * The reasons for the gate's verdict at the time of the evaluation; later promotions do not change them.
 * @param {{ reasons: string[] }} gate
 */
export const reasonsText = ({ reasons }) => (reasons.length ? `When it was evaluated: ${reasons.join(" ")}` : "");

/**
 * Why a run is the champion, no longer is, or was not promoted.
 * @param {FinishedRun} run
 */
export const promotionText = ({ standing, promotion_reason: reason }) =>
  standing === "former champion" ? "It was the champion until another run was promoted." : reason;

const MAX_VALUE_LENGTH = 400;
/** @type {{ [text: string]: string }} */
const PYTHON_WORDS = { None: "–", True: "yes", False: "no" };

/**
 * The value of a param in words.
 * @param {string} text The value as Python prints it.
 */
export const plainValue = (text) => PYTHON_WORDS[text] ?? text.slice(0, MAX_VALUE_LENGTH);

/**
 * The parts of a key, split after each dot and underscore, where a narrow column can break the line.
 * @param {string} key
 */
export const keyParts = (key) => key.split(/(?<=[._])/);

const NUM_LEVELS = 5;

/**
 * The color level of each cell of a confusion matrix, by its share of the class's photos: 0 for none, otherwise 1 to 5.
 * @param {number[][]} matrix One row for each class.
 */
export function colorLevels(matrix) {
  return matrix.map((row) => {
    const total = Math.max(
      1,
      row.reduce((sum, number) => sum + number, 0),
    );
    return row.map((number) => (number ? Math.max(1, Math.ceil((number / total) * NUM_LEVELS)) : 0));
  });
}

/**
 * Whether this number of runs can be compared.
 * @param {number} number
 */
export const canCompare = (number) => number >= 2 && number <= 6;

/**
 * Whether all runs were validated on the same photos.
 * @param {FinishedRun[]} runs
 */
export const haveSameData = (runs) => new Set(runs.map((run) => run.photos)).size === 1;

/**
 * The loss and accuracy curves of a training run.
 * @param {History} history
 * @returns {{ loss: import("../elements/chart.js").Series[], accuracy: import("../elements/chart.js").Series[] }}
 */
export function learningCurves(history) {
  return {
    loss: [
      { name: "training", kind: "train", values: history.loss ?? [] },
      { name: "validation", kind: "validation", values: history.val_loss ?? [] },
    ],
    accuracy: [
      { name: "training", kind: "train", values: history.accuracy ?? [] },
      { name: "validation", kind: "validation", values: history.val_accuracy ?? [] },
    ],
  };
}
