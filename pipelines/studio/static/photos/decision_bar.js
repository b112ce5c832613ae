// The decisions so far: to be made a new version of the data, undone or forgotten.

import { post } from "../client/api.js";
import { changeData } from "../client/state.js";
import { actionButton, h, ignoreFailure } from "../elements/dom.js";
import { pluralize } from "../elements/format.js";

/** @import { DecisionLog } from "./decision_log.js" */

/**
 * The bar, and a function that shows it as the decisions are now.
 * @param {DecisionLog} log
 * @param {() => void} onChange Is called after the bar has changed decisions.
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
    const sentence = `${pluralize(log.size, "photo")} changed. They become a new version; your files stay as they are.`;
    element.replaceChildren(
      h("p", { role: "status" }, sentence),
      h(
        "div",
        { class: "row" },
        actionButton("Make the version", makeVersion, { class: "button main", id: "make-version" }),
        actionButton("Undo the last", undo, { class: "button", id: "undo" }),
        actionButton("Forget all", forget, { class: "link" }),
      ),
    );
  };
  show();
  return { element, show };
}
