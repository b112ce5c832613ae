// Work that waits until nothing more comes for a while.

/**
 * Delays work until it was not asked for again for some time. `now` does at once what still waits.
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
