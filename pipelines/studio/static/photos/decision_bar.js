// The decisions so far, which the user can save as a new version of the data, undo, or discard.

import { post } from "../client/api.js";
import { changeData } from "../client/state.js";
import { actionButton, h, ignoreFailure } from "../elements/dom.js";
import { pluralize } from "../elements/format.js";

/** @import { DecisionLog } from "./decision_log.js" */

/**
 * The bar, and a function that updates it.
 * @param {DecisionLog} log
 * @param {() => void} onChange Called after the bar has changed decisions.
 */
export function decisionBar(log, onChange) {
  const element = h("div", { class: "decide", hidden: true });
  const makeVersion = async () => {
    await changeData("api/data/decide", { decisions: Object.fromEntries(log.decisions) });
    log.clear();
    await post("api/audit").catch(ignoreFailure);
  };
  const undo = () => {
    log.undo();
    onChange();
  };
  const forget = () => {
    log.clear();
    onChange();
  };
  const show = () => {
    element.hidden = log.size === 0;
    const sentence = `${pluralize(log.size, "photo")} changed. Save a new version; your files are not modified.`;
    element.replaceChildren(
      h("p", { role: "status" }, sentence),
      h(
        "div",
        { class: "row" },
        actionButton("Save as a new version", makeVersion, { class: "button main", id: "make-version" }),
        actionButton("Undo", undo, { class: "button", id: "undo" }),
        actionButton("Discard all", forget, { class: "link" }),
      ),
    );
  };
  show();
  return { element, show };
}
