// Drops the answer to a request if a newer request has been sent in the meantime.

/**
 * Wraps a request so that it returns null instead of the answer if it was called again in the meantime: answers may
 * arrive out of order, and an old answer would otherwise replace a newer one.
 * @template {unknown[]} Arguments
 * @template Answer
 * @param {(...args: Arguments) => Promise<Answer>} request
 * @returns {(...args: Arguments) => Promise<{ answer: Answer } | null>}
 */
export function latest(request) {
  let newest = 0;
  return async (...args) => {
    newest += 1;
    const number = newest;
    const answer = await request(...args);
    return number === newest ? { answer } : null;
  };
}
