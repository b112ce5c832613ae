// Requests to the service, with the API key of this tab.

const MAX_RETRIES = 6;
const FIRST_WAIT_MILLISECONDS = 500;
const UNAUTHORIZED = 401;
const NOT_READY = 503;

/** The service did not answer, or rejected the request. */
export class RequestError extends Error {}

/** The service requires an API key, or rejected the key in the request. */
export class KeyNeededError extends Error {}

/**
 * The waiting time before a request is repeated.
 * @param {number} attempt Counted from 0.
 */
export const waitMilliseconds = (attempt) => FIRST_WAIT_MILLISECONDS * 2 ** attempt;

/**
 * Sends a request; while the service is not ready, repeats it a few times.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {KeyNeededError}
 * @throws {RequestError} if the service cannot be reached.
 */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = sessionStorage.getItem("key");
  if (key) headers.set("X-API-Key", key);
  for (let attempt = 0; ; attempt += 1) {
    const response = await send(path, { ...options, headers });
    if (response.status === UNAUTHORIZED) throw new KeyNeededError();
    if (response.status !== NOT_READY || attempt >= MAX_RETRIES) return response;
    await new Promise((resolve) => setTimeout(resolve, waitMilliseconds(attempt)));
  }
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new RequestError("The service cannot be reached. Try again in a moment.");
  }
}

/**
 * The error for a response without the expected content.
 * @param {{ error?: { message: string } }} answer
 * @param {number} status The HTTP status.
 */
export const refusal = (answer, status) =>
  new RequestError(answer.error?.message ?? `The service responded with status ${status}.`);
