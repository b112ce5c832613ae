// A grid of any number of photos: only the photos in view are elements of the page.

import { h, showProblem } from "../elements/dom.js";
import { Cell } from "./cell.js";
import { visibleRange } from "./grid_layout.js";

/** @import { PhotoSource } from "./photo_source.js" */
/** @import { PhotoRow } from "./types.js" */

const CELL = { width: 132, height: 156 };

/**
 * @typedef {object} GridActions
 * @property {(photo: PhotoRow) => { text: string, kind: string } | null} markOf Returns the mark of a photo, if any.
 * @property {(path: string) => boolean} isSelected
 * @property {(photo: PhotoRow, position: number, isSelected: boolean, isRange: boolean) => void} select
 * @property {(position: number) => void} open
 */

/**
 * The grid; `draw` shows changed marks, and `leave` stops all updates.
 * @param {PhotoSource} source The photos, whose first block must already be fetched.
 * @param {GridActions} actions
 */
export function photoGrid(source, actions) {
  const canvas = h("ul", { class: "plain canvas" });
  const element = h("div", { class: "photo-grid" }, canvas);
  /** @type {Map<number, Cell>} */
  const cells = new Map();
  let frame = 0;

  const layout = () => {
    frame = 0;
    const range = visibleRange(element, CELL, source.total);
    canvas.style.height = `${range.height}px`;
    const unused = takeUnused(range.first, range.last);
    /** @type {Element | null} */
    let previous = null;
    for (let position = range.first; position <= range.last; position += 1) {
      const cell = cells.get(position) ?? fill(unused.pop() ?? new Cell(actions), position);
      cell.element.style.transform = `translate(${range.left(position)}px, ${range.top(position)}px)`;
      // Elements are in the order of the photos, for the keyboard and for screen readers.
      if (!cell.element.isConnected || cell.element.previousElementSibling !== previous) {
        canvas.insertBefore(cell.element, previous ? previous.nextSibling : canvas.firstChild);
      }
      previous = cell.element;
    }
    for (const cell of unused) cell.element.remove();
  };
  /**
   * @param {number} first
   * @param {number} last
   */
  const takeUnused = (first, last) => {
    const unused = [...cells.values()].filter(({ position }) => position < first || position > last);
    for (const cell of unused) cells.delete(cell.position);
    return unused;
  };
  /**
   * @param {Cell} cell
   * @param {number} position
   */
  const fill = (cell, position) => {
    cells.set(position, cell);
    cell.show(position, source.at(position));
    if (!cell.photo)
      source
        .load(position)
        .then(() => cell.position === position && cell.show(position, source.at(position)))
        .catch(showProblem);
    return cell;
  };
  const requestLayout = () => {
    frame ||= requestAnimationFrame(layout);
  };
  element.addEventListener("scroll", requestLayout, { passive: true });
  const observer = new ResizeObserver(requestLayout);
  observer.observe(element);
  const draw = () => {
    for (const cell of cells.values()) cell.update();
  };
  const leave = () => {
    observer.disconnect();
    cancelAnimationFrame(frame);
  };
  return { element, draw, leave };
}
