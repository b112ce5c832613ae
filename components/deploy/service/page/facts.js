// The facts about the model that the page shows.

/** @import { Interval, Lineage, ModelCard } from "./types.js" */

/** @typedef {{ term: string, text: string, isCode?: boolean }} Fact */

const FINGERPRINT_LENGTH = 16;

/** The maximum number of listed classes. */
export const MAX_LISTED = 60;

/**
 * Lists at most MAX_LISTED classes whose names contain a string.
 * @param {string[]} names
 * @param {string} text
 */
export function describeMatches(names, text) {
  const wanted = text.trim().toLowerCase();
  const matches = names.filter((name) => name.toLowerCase().includes(wanted));
  if (!matches.length) return "No class name contains this text.";
  const more = matches.length > MAX_LISTED ? ` and ${(matches.length - MAX_LISTED).toLocaleString("en")} more` : "";
  return matches.slice(0, MAX_LISTED).join(", ") + more;
}

/**
 * Formats a share as a percentage.
 * @param {number} share
 */
export const formatPercent = (share) => `${(100 * share).toFixed(1)} %`;

/**
 * Formats a share with its confidence interval.
 * @param {Interval} interval
 */
const formatShareWithRange = ({ value, low, high }) =>
  `${formatPercent(value)} (${formatPercent(low)} to ${formatPercent(high)})`;

/**
 * The name of the model.
 * @param {ModelCard} model
 */
export const nameOf = ({ tag }) => tag.split(":")[0];

/**
 * What to expect from the model, in two sentences.
 * @param {ModelCard} model
 */
export function expectation({ class_names: classNames, test }) {
  const quality = test
    ? `Expect ${Math.floor(100 * test.accuracy.low)} to ${Math.round(100 * test.accuracy.high)} correct answers in a ` +
      "hundred photos of the same kind"
    : "It was not evaluated";
  return `Distinguishes ${classNames.length} classes. ${quality}.`;
}

/**
 * The facts about the model, without its classes.
 * @param {ModelCard} model
 * @returns {Fact[]}
 */
export function factsOf(model) {
  return [
    ...networkFacts(model),
    ...testFacts(model),
    { term: "Confidence", text: model.calibrated ? "calibrated" : "not calibrated: often overconfident" },
    ...abstentionFacts(model),
    { term: "Explanation", text: model.explanation },
    { term: "Bento", text: model.tag, isCode: true },
    ...lineageFacts(model.lineage),
  ];
}

/**
 * @param {ModelCard} card
 * @returns {Fact[]}
 */
function networkFacts({ model, precision }) {
  if (!model) return [];
  return [{ term: "Network", text: precision === "int8" ? `${model}, in int8` : model }];
}

/**
 * @param {ModelCard} model
 * @returns {Fact[]}
 */
function testFacts({ test, verdict }) {
  /** @type {Fact[]} */
  const facts = [];
  if (test) {
    facts.push({ term: "Accuracy on test photos", text: formatShareWithRange(test.accuracy) });
    facts.push({ term: "Macro F1", text: formatShareWithRange(test.macro_f1) });
    facts.push({ term: "Test photos", text: test.num_images.toLocaleString("en") });
  }
  if (verdict) facts.push({ term: "Verdict", text: verdict });
  return facts;
}

/**
 * @param {ModelCard} model
 * @returns {Fact[]}
 */
function abstentionFacts({ abstention }) {
  if (!abstention) return [];
  const { threshold } = abstention;
  const text = threshold > 0 ? `below ${formatPercent(threshold)}` : "never";
  return [{ term: "Abstains", text }];
}

/**
 * @param {Lineage} lineage
 * @returns {Fact[]}
 */
function lineageFacts({ dataset_fingerprint: fingerprint, source, mlflow_run_id: mlflowRunId }) {
  /** @type {Fact[]} */
  const facts = [{ term: "Data", text: fingerprint.slice(0, FINGERPRINT_LENGTH), isCode: true }];
  if (source.dvc) facts.push({ term: "DVC hash", text: source.dvc, isCode: true });
  if (source.git_revision) facts.push({ term: "Git revision", text: shortRevision(source.git_revision), isCode: true });
  if (mlflowRunId) facts.push({ term: "MLflow run", text: mlflowRunId, isCode: true });
  return facts;
}

/**
 * Shortens the hash of a Git revision, and keeps a suffix such as `-dirty`.
 * @param {string} revision
 */
export const shortRevision = (revision) => revision.replace(/^([0-9a-f]{12})[0-9a-f]*/, "$1");
