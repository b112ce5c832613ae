// The current metrics of a training run.

import { figure, h } from "../elements/dom.js";
import { formatCount, formatPercent, roundTo } from "../elements/format.js";
import { bestEpoch } from "./progress.js";

/** @import { LiveView } from "../client/types.js" */

/**
 * The metrics of the newest epoch, and the accuracy of the epoch with the lowest validation loss, which is kept.
 * @param {LiveView} live
 */
export function epochFigures(live) {
  const { epochs, part } = live;
  if (!epochs.length && !part) return "";
  const lastEpoch = epochs.at(-1);
  const progress = part ?? (lastEpoch?.epoch ? lastEpoch : null);
  const epoch = progress ? `${progress.epoch} of ${progress.planned}` : "–";
  const speed = lastEpoch?.images_per_second ? formatCount(Math.round(lastEpoch.images_per_second)) : "–";
  const accuracy = epochs.length ? formatPercent(epochs[bestEpoch(epochs) - 1].val_accuracy) : "–";
  const rate = lastEpoch?.learning_rate === undefined ? "–" : String(roundTo(lastEpoch.learning_rate, 2));
  const figures = h(
    "dl",
    { class: "figures" },
    figure("Epoch", epoch),
    figure("Phase", String(progress?.phase ?? lastEpoch?.phase ?? 1)),
    figure("Photos per second", speed),
    figure("Validation accuracy, kept epoch", accuracy),
    figure("Learning rate", rate),
  );
  const bar = part ? h("progress", { value: part.done, max: 1, "aria-label": `Epoch ${part.epoch}` }) : null;
  return h("div", { class: "card" }, figures, bar);
}
