// Loss and accuracy over the epochs: empty axes until the first epoch has ended.

import { isUnfinished } from "../client/state.js";
import { lineChart } from "../elements/chart.js";
import { h } from "../elements/dom.js";
import { bestEpoch, curve, plannedEpochs } from "./progress.js";

/** @import { LiveView } from "../client/types.js" */

/**
 * @param {LiveView} live
 */
export function learningCharts({ epochs, steps, state }) {
  const isExpected = steps?.length && isUnfinished({ state });
  if (!epochs.length && !isExpected) return "";
  const options = epochs.length
    ? { numPlanned: plannedEpochs(epochs), bestEpoch: bestEpoch(epochs) }
    : { note: "The first point appears when the first epoch has ended." };
  const loss = [
    { name: "training", kind: "train", values: curve(epochs, "loss") },
    { name: "validation", kind: "validation", values: curve(epochs, "val_loss") },
  ];
  const accuracy = [
    { name: "training", kind: "train", values: curve(epochs, "accuracy") },
    { name: "validation", kind: "validation", values: curve(epochs, "val_accuracy") },
  ];
  return h(
    "div",
    { class: "plots" },
    lineChart("Loss", loss, options),
    lineChart("Accuracy", accuracy, { ...options, isShare: true }),
  );
}
