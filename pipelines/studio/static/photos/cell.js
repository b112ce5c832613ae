// A cell in a grid of photos; when it is scrolled out of view, it is reused for another photo.

import { query } from "../client/api.js";
import { h } from "../elements/dom.js";

/** @import { GridActions } from "./grid.js" */
/** @import { PhotoRow } from "./types.js" */

const THUMBNAIL_SIDE = 160;
const MAX_TINY_SIDE = 64;
/** Photos that are scrolled past within this time are not fetched. */
const FETCH_DELAY_MILLISECONDS = 120;

export class Cell {
  /** @param {GridActions} actions */
  constructor(actions) {
    this.actions = actions;
    this.position = -1;
    /** @type {PhotoRow | undefined} */
    this.photo = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    let isRange = false;
    this.picture = h("img", {
      alt: "",
      draggable: false,
      onload: ({ currentTarget }) =>
        currentTarget.classList.toggle("tiny", currentTarget.naturalWidth <= MAX_TINY_SIDE),
      onerror: ({ currentTarget }) => currentTarget.classList.toggle("broken", Boolean(currentTarget.src)),
    });
    this.box = h("input", {
      type: "checkbox",
      onclick: (event) => {
        isRange = event.shiftKey;
      },
      onchange: ({ currentTarget }) =>
        this.photo && actions.select(this.photo, this.position, currentTarget.checked, isRange),
    });
    this.open = h(
      "button",
      { type: "button", class: "thumb", onclick: () => actions.open(this.position) },
      this.picture,
    );
    this.mark = h("span", { class: "mark" });
    this.name = h("span", { class: "name small soft" });
    const label = h("label", { class: "select" }, this.box);
    this.element = h("li", { class: "photo-cell" }, this.open, label, this.mark, this.name);
  }

  /**
   * Shows another photo, or an empty cell until the photo is loaded.
   * @param {number} position
   * @param {PhotoRow | undefined} photo
   */
  show(position, photo) {
    clearTimeout(this.timer);
    this.position = position;
    this.photo = photo;
    this.picture.removeAttribute("src"); // cancels the request
    this.picture.className = "";
    this.box.disabled = this.open.disabled = !photo;
    if (!photo) return;
    this.box.ariaLabel = `Select ${photo.path}`;
    this.open.ariaLabel = `Open ${photo.path}`;
    this.name.textContent = photo.path.split("/").at(-1) ?? photo.path;
    this.name.title = photo.path;
    this.update();
    this.timer = setTimeout(() => {
      this.picture.src = `api/data/photo?${query({ path: photo.path, side: THUMBNAIL_SIDE })}`;
    }, FETCH_DELAY_MILLISECONDS);
  }

  /** Shows whether the photo is selected, and the decision about it. */
  update() {
    if (!this.photo) return;
    const { text, kind } = this.actions.markOf(this.photo) ?? { text: "", kind: "" };
    this.box.checked = this.actions.isSelected(this.photo.path);
    this.mark.textContent = text;
    this.mark.className = `mark ${kind}`;
  }
}
