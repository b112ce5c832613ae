// The selected photos of a grid: single photos or ranges.

export class Selection {
  constructor() {
    /** @type {Set<string>} */
    this.paths = new Set();
    /** @type {number | null} */
    this.anchor = null;
  }

  /**
   * Selects or deselects a photo; with `isRange`, also all photos between it and the photo that was changed last.
   * @param {string} path
   * @param {number} position
   * @param {boolean} isSelected
   * @param {(position: number) => string | undefined} pathAt
   * @param {boolean} isRange
   */
  set(path, position, isSelected, pathAt, isRange) {
    const [first, last] = isRange && this.anchor !== null ? [this.anchor, position].sort((a, b) => a - b) : [0, -1];
    const range = Array.from({ length: last - first + 1 }, (_, number) => pathAt(first + number));
    for (const selected of [path, ...range]) {
      if (selected === undefined) continue;
      if (isSelected) this.paths.add(selected);
      else this.paths.delete(selected);
    }
    this.anchor = position;
  }

  clear() {
    this.paths.clear();
    this.anchor = null;
  }
}
