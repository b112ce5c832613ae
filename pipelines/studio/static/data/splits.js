// The splits: two sliders for the fractions, and the photos that a change would move to a different split.

import { get, post, query } from "../client/api.js";
import { debounce } from "../client/debounce.js";
import { changeParams, paramValue, schemaOf } from "../client/state.js";
import { actionButton, field, h, ignoreFailure, showProblem } from "../elements/dom.js";
import { formatCount, formatPercent, pluralize } from "../elements/format.js";

/** @import { Division } from "../photos/types.js" */
/** @import { DataView } from "./types.js" */

/** @typedef {"validation" | "test"} HeldOut */

/** @type {Record<HeldOut, string>} */
const LABELS = { validation: "Validation fraction", test: "Test fraction" };
const MAX_SHARE = 0.45;

/** @param {HeldOut} split */
const keyOf = (split) => /** @type {const} */ (`preprocess.${split}_fraction`);

/**
 * The card for setting the splits, shown after the audit has assigned them.
 * @param {DataView} data
 */
export function splitsCard({ splits }) {
  const preview = h("div", { role: "status" });
  const shares = { validation: currentShare("validation"), test: currentShare("test") };
  const keep = async () => {
    await changeParams({ [keyOf("validation")]: shares.validation, [keyOf("test")]: shares.test });
    await post("api/audit").catch(ignoreFailure);
  };
  const use = actionButton("Use these fractions", keep, { class: "button small", id: "use-splits", disabled: true });
  const update = async () => {
    /** @type {Division} */
    const division = await get(`api/data/splits?${query(shares)}`);
    preview.replaceChildren(...divisionParts(division));
    use.disabled = Boolean(division.fault) || division.num_moved === 0;
  };
  const updateLater = debounce(() => update().catch(showProblem), 150);
  const sliders = /** @type {HeldOut[]} */ (["validation", "test"])
    .filter((split) => !splits.includes(split))
    .map((split) => shareSlider(split, shares, updateLater));
  const given = splits.length ? h("p", { class: "soft small" }, `Defined by the data: ${splits.join(", ")}.`) : null;
  const ontoggle = (/** @type {{ currentTarget: HTMLDetailsElement }} */ { currentTarget }) => {
    if (currentTarget.open) updateLater();
  };
  return h(
    "details",
    { class: "card fold", id: "splits", ontoggle },
    h("summary", {}, "Train, validation and test"),
    given,
    h("div", { class: "fields" }, sliders),
    preview,
    sliders.length ? use : null,
  );
}

/** @param {HeldOut} split */
const currentShare = (split) => Number(paramValue(keyOf(split)) ?? schemaOf(keyOf(split)).default);

/**
 * @param {HeldOut} split
 * @param {Record<HeldOut, number>} shares Modified in place.
 * @param {() => void} onChange
 */
function shareSlider(split, shares, onChange) {
  const output = h("output", {}, formatPercent(shares[split], 0));
  const input = h("input", {
    type: "range",
    id: `share-${split}`,
    min: 0.05,
    max: MAX_SHARE,
    step: 0.01,
    value: shares[split],
    oninput: ({ currentTarget }) => {
      shares[split] = Number(currentTarget.value);
      output.textContent = formatPercent(shares[split], 0);
      onChange();
    },
  });
  const box = field(LABELS[split], input);
  box.append(output);
  return box;
}

/** @param {Division} division */
function divisionParts({ counts, num_moved: numMoved, moves, fault }) {
  if (fault) return [h("p", { class: "fault" }, fault)];
  const totals = Object.entries(counts).map(([split, classes]) => {
    return `${formatCount(Object.values(classes).reduce((sum, number) => sum + number, 0))} ${split}`;
  });
  const sentence = numMoved ? `${pluralize(numMoved, "photo")} would change splits.` : "These are the current splits.";
  const items = moves.map(([path, before, after]) => h("li", {}, `${path}: ${before} → ${after}`));
  return [
    h("p", {}, `${totals.join(", ")}. `, h("b", {}, sentence)),
    items.length
      ? h("details", {}, h("summary", {}, "Show these photos"), h("ul", { class: "plain small path" }, items))
      : "",
  ];
}
