// The reasons for the verdict of the quality gate.

import { h } from "../elements/dom.js";
import { reasonsText } from "./runs.js";

const MAX_SHOWN_LENGTH = 160;

/**
 * The reasons for a verdict; a long text with statistics is folded.
 * @param {{ reasons: string[] }} gate
 */
export function verdictReasons(gate) {
  const text = reasonsText(gate);
  const paragraph = h("p", {}, text);
  return text.length > MAX_SHOWN_LENGTH ? h("details", {}, h("summary", {}, "Why?"), paragraph) : paragraph;
}
