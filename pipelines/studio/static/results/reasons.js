// The reasons for the verdict of the quality gate.

import { h } from "../elements/dom.js";
import { reasonsText } from "./runs.js";

const MAX_SHOWN_LENGTH = 160;

/**
 * The reasons for a verdict; a long text with statistics is folded.
 * @param {{ reasons: string[] }} gate
 */
export function verdictReasons(gate) {
  const text = h("p", {}, reasonsText(gate));
  if (reasonsText(gate).length <= MAX_SHOWN_LENGTH) return text;
  return h("details", { class: "reasons" }, h("summary", {}, "Why?"), text);
}
