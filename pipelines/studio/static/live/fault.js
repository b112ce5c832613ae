// Why a job failed, with a button for each setting that the error message names.

import { schemaOf } from "../client/state.js";
import { h } from "../elements/dom.js";
import { settingsNamed } from "./progress.js";

/** @import { LiveView } from "../client/types.js" */

/** @param {LiveView} live */
export function faultCard(live) {
  if (!live.error) return "";
  const [first, ...rest] = live.error.split("\n");
  const isSetting = (/** @type {string} */ key) => Object.keys(schemaOf(key)).length > 0;
  const failedStep = live.steps?.find(({ state }) => state === "failed")?.name;
  const links = settingsNamed(live.error, isSetting).map(settingLink);
  if (!links.length && failedStep === "preprocess") links.push(["#data", "Show the photos"]);
  return h(
    "section",
    { class: "notice fault", role: "alert" },
    h("p", {}, h("b", {}, first)),
    rest.length
      ? h("details", {}, h("summary", {}, "The last lines of the log"), h("pre", { tabIndex: 0 }, rest.join("\n")))
      : null,
    h(
      "div",
      { class: "row" },
      links.map(([href, text]) => h("a", { class: "button small", href }, text)),
    ),
  );
}

/**
 * The screen that contains a setting, and the text of the button.
 * @param {string} key
 * @returns {[href: string, text: string]}
 */
function settingLink(key) {
  if (key.startsWith("data.")) return ["#data", "Choose other photos"];
  if (key.startsWith("train.model")) return ["#model", "Change the model"];
  return [`#training/${key}`, `Change ${key}`];
}
