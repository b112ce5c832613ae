// One photo in full size, with its facts and the possible decisions.

import { query } from "../client/api.js";
import { h, openDialog } from "../elements/dom.js";

/** @import { Decision, DecisionLog } from "./decision_log.js" */
/** @import { PhotoSource } from "./photo_source.js" */
/** @import { PhotoRow } from "./types.js" */

const FULL_SIDE = 1600;

/**
 * @typedef {object} ViewerFacts
 * @property {string[]} classNames
 * @property {DecisionLog} log
 * @property {{ [kind: string]: string }} findingKinds The title of each kind of finding.
 */

/**
 * Opens the photo at a position; arrow keys go to its neighbors.
 * @param {PhotoSource} source
 * @param {number} start
 * @param {ViewerFacts} facts
 * @param {() => void} onChange
 */
export function openViewer(source, start, facts, onChange) {
  let position = start;
  const body = h("div", { class: "viewer-body" });
  const draw = async () => {
    await source.load(position);
    const photo = source.at(position);
    if (!photo) return;
    const decide = (/** @type {Decision} */ decision) => {
      facts.log.decide([photo.path], decision);
      onChange();
    };
    body.replaceChildren(...photoParts(photo, facts, decide));
    back.disabled = position === 0;
    forward.disabled = position >= source.total - 1;
    status.textContent = `${position + 1} of ${source.total}`;
  };
  const turn = (/** @type {number} */ step) => {
    position = Math.min(source.total - 1, Math.max(0, position + step));
    draw();
  };
  const back = h("button", { type: "button", class: "button small", onclick: () => turn(-1) }, "Back");
  const forward = h("button", { type: "button", class: "button small", onclick: () => turn(1) }, "Next");
  const status = h("span", { class: "soft small", role: "status" });
  const close = () => dialog.close();
  /** @type {HTMLDialogElement} */
  const dialog = openDialog(
    {
      class: "viewer",
      "aria-label": "A photo",
      onkeydown: (event) => {
        if (event.target instanceof HTMLSelectElement) return;
        if (event.key === "ArrowLeft") turn(-1);
        if (event.key === "ArrowRight") turn(1);
      },
    },
    body,
    h(
      "div",
      { class: "row between" },
      h("div", { class: "row" }, back, forward, status),
      h("button", { type: "button", class: "button", onclick: close }, "Close"),
    ),
  );
  return draw();
}

/**
 * @param {PhotoRow} photo
 * @param {ViewerFacts} facts
 * @param {(decision: Decision) => void} decide
 */
function photoParts(photo, { classNames, log, findingKinds }, decide) {
  const picture = h("img", {
    src: `api/data/photo?${query({ path: photo.path, side: FULL_SIDE })}`,
    alt: `A photo of ${photo.class_name}`,
    onload: ({ currentTarget }) => currentTarget.classList.toggle("tiny", currentTarget.naturalWidth <= 64),
  });
  const decision = log.get(photo.path);
  const className = decision === undefined ? photo.class_name : (decision ?? "");
  const names = [...new Set([...classNames, photo.class_name, ...(className ? [className] : [])])];
  const options = names.map((name) => h("option", { value: name, selected: name === className }, name));
  const choice = h(
    "select",
    {
      "aria-label": "Class of the photo",
      onchange: ({ currentTarget }) => {
        const name = currentTarget.value;
        decide(name === "" ? null : name === photo.class_name ? undefined : name);
      },
    },
    options,
    h("option", { value: "", selected: className === "" }, "Remove from the data"),
  );
  return [
    picture,
    h("p", { class: "path" }, photo.path),
    h(
      "p",
      { class: "soft small" },
      [photo.split, ...photo.findings.map((kind) => findingKinds[kind])].filter(Boolean).join(" · "),
    ),
    h("label", { class: "row" }, "Class ", choice),
  ];
}
