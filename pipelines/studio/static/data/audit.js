// The audit of the data: its progress, its findings, and what the user can do about them.

import { get, post } from "../client/api.js";
import { changeParams, isUnfinished, on, paramValue } from "../client/state.js";
import { actionButton, announce, h, ignoreFailure, showProblem } from "../elements/dom.js";
import { formatCount, pluralize } from "../elements/format.js";
import { pages } from "../elements/pages.js";
import { decisionBar } from "../photos/decision_bar.js";
import { decisionsAbout } from "../photos/decision_log.js";
import { choiceOf, classTotals, SPLITS, splitTotals } from "./decisions.js";
import { findingItem, setChoice } from "./findings.js";
import { splitsCard } from "./splits.js";

/** @import { FindingsState } from "./findings.js" */
/** @import { AuditInfo, AuditView, DataView } from "./types.js" */

const POLL_MILLISECONDS = 700;

/**
 * The card that shows the audit; `leave` stops its updates.
 * @param {DataView} data
 */
export function auditCard(data) {
  const element = h("section", { class: "card", "aria-labelledby": "audit-title" });
  /** @type {FindingsState} */
  const findingsState = { decisions: decisionsAbout(data.uri), openKinds: new Set() };
  let lastView = "";
  let lastState = "";
  const update = async () => {
    /** @type {AuditView} */
    const view = await get("api/audit");
    const text = JSON.stringify(view);
    if (text === lastView) return;
    lastView = text;
    if (view.state === "done" && lastState === "running") announce("The audit has finished.");
    lastState = view.state;
    draw(element, view, data, findingsState, update);
  };
  update().catch(showProblem);
  const updateQuietly = () => update().catch(ignoreFailure);
  const timer = setInterval(() => isUnfinished({ state: lastState }) && updateQuietly(), POLL_MILLISECONDS);
  const stopListening = [on("jobs", updateQuietly), on("draft", updateQuietly)];
  const leave = () => {
    clearInterval(timer);
    for (const stop of stopListening) stop();
  };
  return { element, leave };
}

/**
 * @param {HTMLElement} element
 * @param {AuditView} view
 * @param {DataView} data
 * @param {FindingsState} findingsState
 * @param {() => Promise<void>} update
 */
function draw(element, view, data, findingsState, update) {
  const isBusy = isUnfinished(view);
  const hasFailed = view.state === "failed";
  const start = actionButton(
    view.info ? "Audit again" : "Audit the photos",
    async () => {
      await post("api/audit");
      await update();
    },
    { class: view.info ? "button small" : "button main", id: "audit" },
  );
  const purpose = "Finds broken, duplicate, leaked, mislabeled and unusual photos before you train.";
  element.replaceChildren(
    h("div", { class: "row between" }, h("h2", { id: "audit-title" }, "Audit"), isBusy ? null : start),
    isBusy ? progress(view) : "",
    hasFailed ? h("p", { class: "fault", role: "alert" }, view.error) : "",
    !view.info && !isBusy && !hasFailed ? h("p", { class: "soft" }, purpose) : "",
    view.info ? auditResult(view, view.info, data, findingsState) : "",
  );
}

/** @param {AuditView} view */
function progress(view) {
  const text = view.state === "waiting" ? "Waiting for the previous job." : view.told || "Starting …";
  const bar = h("progress", { "aria-label": "The audit is running" });
  return h("div", { role: "status" }, bar, h("p", { class: "soft small" }, text));
}

/**
 * @param {AuditView} view
 * @param {AuditInfo} info
 * @param {DataView} data
 * @param {FindingsState} findingsState
 */
function auditResult(view, info, data, findingsState) {
  const { decisions } = findingsState;
  const showDecisions = () => {
    // A photo may be in several findings, each with its own list of choices.
    for (const choice of document.querySelectorAll(".case select")) {
      if (choice instanceof HTMLSelectElement) setChoice(choice, choiceOf(decisions, choice.dataset.path ?? ""));
    }
    bar.show();
  };
  const bar = decisionBar(decisions, showDecisions);
  const totals = splitTotals(info);
  const splits = SPLITS.map((split, position) => `${formatCount(totals[position])} ${split}`).join(", ");
  const findings = info.findings.map((finding) => findingItem(finding, view, data, findingsState, showDecisions));
  return h(
    "div",
    {},
    h(
      "p",
      {},
      `${formatCount(info.num_kept)} of ${pluralize(info.num_files, "file")} kept: ${splits}. `,
      h("a", { href: "audit.html", target: "_blank", rel: "noopener" }, "Full report"),
    ),
    classChart(info),
    splitsCard(data),
    findings.length ? h("ul", { class: "findings" }, findings) : h("p", { class: "good" }, "No problems found."),
    checkList(info.checks),
    acceptedKinds(info),
    bar.element,
  );
}

/**
 * The kinds of findings that the user accepted and the audit no longer reports; each has a button that undoes this.
 * @param {AuditInfo} info
 */
function acceptedKinds({ checks }) {
  const policies = Object.entries(paramValue("preprocess.audit") ?? {});
  const kinds = policies.filter(([, policy]) => policy === "ignore").map(([kind]) => kind);
  if (!kinds.length) return "";
  const items = kinds.map((kind) => {
    const name = checks.find((check) => check.kind === kind)?.title ?? kind;
    const undo = async () => {
      await changeParams({}, [`preprocess.audit.${kind}`]);
      await post("api/audit");
    };
    const button = actionButton("Report again", undo, {
      class: "link",
      "aria-label": `Report again: ${name}`,
    });
    return h("span", { class: "row" }, name, button);
  });
  return h("p", { class: "row small", id: "accepted" }, "Accepted and no longer reported: ", items);
}

/**
 * The checks without findings, the checks that were not done, and the reasons.
 * @param {import("./types.js").Check[]} checks
 */
function checkList(checks) {
  if (!checks.length) return null;
  const clear = checks.filter(({ state }) => state === "clear").map(({ title }) => title.toLowerCase());
  const others = checks.filter(({ state }) => state !== "clear" && state !== "found");
  const items = others.map(({ title, detail, state }) =>
    h("li", {}, h("b", {}, title), state === "after training" ? " (after training): " : ": ", detail),
  );
  return h(
    "details",
    { class: "small", id: "checks" },
    h("summary", {}, `Checks without findings (${clear.length}), and checks that were not done (${others.length})`),
    clear.length ? h("p", {}, `Nothing found: ${clear.join("; ")}.`) : null,
    others.length ? [h("p", {}, "Not checked:"), h("ul", {}, items)] : null,
  );
}

/** @param {AuditInfo} info */
function classChart(info) {
  const classes = classTotals(info);
  const maxTotal = Math.max(1, ...classes.map(({ total }) => total));
  const keys = SPLITS.map((split) => [h("span", { class: `key ${split}` }), split]);
  /** @param {(typeof classes)[number]} view */
  const barItem = ({ name, counts, total }) => {
    const label = SPLITS.map((split, position) => `${counts[position]} ${split}`).join(", ");
    const parts = SPLITS.map((split, position) =>
      h("span", { class: split, style: { width: `${(100 * counts[position]) / maxTotal}%` } }),
    );
    return h(
      "li",
      {},
      h("span", { class: "name" }, name),
      h("span", { class: "track", role: "img", "aria-label": label }, parts),
      h("span", { class: "soft" }, formatCount(total)),
    );
  };
  const list = h("ul", { class: "plain" });
  const bar = pages(
    classes,
    "Search the audited classes",
    ({ name }) => name,
    (shown) => list.replaceChildren(...shown.map(barItem)),
  );
  return h("figure", { class: "bars" }, h("figcaption", { class: "row small" }, keys), bar, list);
}
