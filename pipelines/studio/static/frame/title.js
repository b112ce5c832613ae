// The title of the tab: the progress of the current training run, then the screen.

import { state } from "../client/state.js";
import { formatPercent } from "../elements/format.js";
import { STEP_NAMES } from "../live/step_names.js";

/** @import { Progress } from "../client/types.js" */

/**
 * @param {Progress | null} progress
 * @param {string} screenTitle
 */
export function titleOf(progress, screenTitle) {
  if (!progress) return `${screenTitle} · Darkroom`;
  const share = progress.share === null ? "" : `${formatPercent(progress.share, 0)} `;
  return `${share}${STEP_NAMES[progress.step] ?? progress.step} · ${screenTitle} · Darkroom`;
}

/** @param {string} screenTitle */
export function showTitle(screenTitle) {
  document.title = titleOf(state.progress, screenTitle);
}
