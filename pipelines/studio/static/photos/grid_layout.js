// The positions of a grid's cells, and which of them are visible.

const NUM_SPARE_ROWS = 2;

/**
 * @typedef {object} VisibleRange
 * @property {number} first
 * @property {number} last Below `first` if no cell is visible.
 * @property {number} height The height of all rows.
 * @property {(position: number) => number} left
 * @property {(position: number) => number} top
 */

/**
 * The visible cells, and the cells of two more rows above and below them.
 * @param {{ clientWidth: number, clientHeight: number, scrollTop: number }} view
 * @param {{ width: number, height: number }} cell
 * @param {number} total
 * @returns {VisibleRange}
 */
export function visibleRange({ clientWidth, clientHeight, scrollTop }, cell, total) {
  const numColumns = Math.max(1, Math.floor(clientWidth / cell.width));
  const firstRow = Math.max(0, Math.floor(scrollTop / cell.height) - NUM_SPARE_ROWS);
  const lastRow = Math.ceil((scrollTop + clientHeight) / cell.height) + NUM_SPARE_ROWS;
  const width = clientWidth / numColumns;
  return {
    first: firstRow * numColumns,
    last: Math.min(total, lastRow * numColumns) - 1,
    height: Math.ceil(total / numColumns) * cell.height,
    left: (position) => (position % numColumns) * width,
    top: (position) => Math.floor(position / numColumns) * cell.height,
  };
}
