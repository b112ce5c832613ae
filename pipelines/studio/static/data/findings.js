// The findings of an audit: the possible actions, and the photos with the decisions about them.

import { post, query } from "../client/api.js";
import { changeParams, resolvedJson } from "../client/state.js";
import { h, photo, select, showProblem } from "../elements/dom.js";
import { formatCount, pluralize } from "../elements/format.js";
import { choiceOf, choicesFor, decide, NUM_GENERAL_CHOICES } from "./decisions.js";

/** @import { DecisionLog } from "../photos/decision_log.js" */
/** @import { AuditedPhoto, AuditView, DataView, Finding, Policy } from "./types.js" */

/**
 * @typedef {object} FindingsState The user's decisions and expanded findings, which are kept when the card is redrawn.
 * @property {DecisionLog} decisions
 * @property {Set<string>} openKinds The kinds of findings that are expanded.
 */

/** @type {Record<Policy, string>} */
const POLICY_NAMES = {
  ignore: "Accept",
  report: "Report only",
  quarantine: "Leave the photos out",
  fail: "Stop the run",
};
const MAX_PHOTOS_OF_CASE = 4;
const MANY_CLASSES = 40;

/**
 * The list item of a finding.
 * @param {Finding} finding
 * @param {AuditView} view
 * @param {DataView} data
 * @param {FindingsState} findingsState
 * @param {() => void} showDecisions
 */
export function findingItem(finding, view, data, { decisions, openKinds }, showDecisions) {
  const numHidden = finding.num_cases - finding.cases.length;
  const ontoggle = (/** @type {{ currentTarget: HTMLDetailsElement }} */ { currentTarget }) => {
    openKinds[currentTarget.open ? "add" : "delete"](finding.kind);
  };
  const cases = finding.cases.flatMap((group) =>
    group.photos
      .slice(0, MAX_PHOTOS_OF_CASE)
      .map((audited) => caseItem(audited, group.note, data, decisions, showDecisions)),
  );
  return h(
    "li",
    {},
    h(
      "details",
      { class: "finding", open: openKinds.has(finding.kind), ontoggle },
      h(
        "summary",
        {},
        h(
          "span",
          { class: `tag ${finding.policy}` },
          finding.num_photos ? pluralize(finding.num_photos, "photo") : "data set",
        ),
        h("b", {}, finding.title),
        " ",
        h("span", { class: "soft" }, finding.message),
      ),
      h("p", { class: "small" }, finding.advice),
      policyField(finding, view.policies[finding.kind] ?? []),
      h("ul", { class: "cases" }, cases),
      numHidden > 0 ? h("p", { class: "soft small" }, `Further cases in the report: ${formatCount(numHidden)}.`) : null,
    ),
  );
}

/**
 * @param {Finding} finding
 * @param {Policy[]} policies The possible choices.
 */
function policyField(finding, policies) {
  if (!policies.length) return null;
  const key = `preprocess.audit.${finding.kind}`;
  const policy = String(resolvedJson(key) ?? finding.policy);
  /** @type {[string, string][]} */
  const options = policies.map((name) => [name, POLICY_NAMES[name]]);
  /** @param {string} choice */
  const onchange = async (choice) => {
    await changeParams({ [key]: choice });
    await post("api/audit").catch(showProblem);
  };
  return h("label", { class: "row small" }, "Action: ", select(options, policy, onchange));
}

/**
 * @param {AuditedPhoto} audited
 * @param {string | null} note
 * @param {DataView} data
 * @param {DecisionLog} decisions
 * @param {() => void} showDecisions
 */
function caseItem(audited, note, data, decisions, showDecisions) {
  const { path } = audited;
  const classNames = data.classes.map(({ name }) => name);
  const facts = [audited.class_name, audited.split, audited.kept ? null : "left out"].filter(Boolean).join(" · ");
  const choices = choicesFor(classNames, audited.class_name);
  // With a thousand classes, full lists would need too many elements, so a list gets its classes when it is focused.
  const choice = select(
    classNames.length > MANY_CLASSES ? choices.slice(0, NUM_GENERAL_CHOICES) : choices,
    choiceOf(decisions, path),
    (key) => {
      decide(decisions, path, key);
      showDecisions();
    },
    { "aria-label": `Action for ${path}`, dataset: { path }, onfocus: () => complete(choice, choices) },
  );
  setChoice(choice, choiceOf(decisions, path));
  return h(
    "li",
    { class: "case" },
    photo(`api/data/photo?${query({ path, side: 160 })}`, path),
    h("p", { class: "small path" }, path.split("/").slice(-2).join("/")),
    h("p", { class: "soft small" }, facts, note ? ` · ${note}` : ""),
    classNames.length && audited.class_name !== null ? choice : null,
  );
}

/**
 * Adds the missing choices to a list.
 * @param {HTMLSelectElement} choice
 * @param {[key: string, text: string][]} choices
 */
function complete(choice, choices) {
  for (const [value, text] of choices.slice(choice.options.length)) choice.append(h("option", { value }, text));
}

/**
 * Selects a choice; if the list does not contain it yet, the missing choices are added first.
 * @param {HTMLSelectElement} choice
 * @param {string} key
 */
export function setChoice(choice, key) {
  if (![...choice.options].some(({ value }) => value === key)) choice.dispatchEvent(new Event("focus"));
  choice.value = key;
}
