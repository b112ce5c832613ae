// Debouncing: runs work only when the requests for it have stopped for a while.

/**
 * Returns a function that runs `work` when the given time has passed since the function was last called. Its method
 * `now` runs pending work immediately.
 * @template Result
 * @param {() => Result} work
 * @param {number} [milliseconds]
 */
export function debounce(work, milliseconds = 250) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const run = () => {
    clearTimeout(timer);
    timer = undefined;
    return work();
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
  return Object.assign(later, { now: () => (timer === undefined ? null : run()) });
}
