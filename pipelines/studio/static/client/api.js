// Sends requests to the studio's server. Responses are parsed as JSON; a rejected request throws an error with the
// server's message.

/** A request that the server rejected or did not answer. */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {number} status The HTTP status; 0 if there was no response.
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Parses the body of a response.
 * @param {string} text
 * @param {number} status The HTTP status.
 * @returns {unknown}
 * @throws {RequestError} if the server rejected the request.
 */
export function parseAnswer(text, status) {
  const fallback = `The studio answered with status ${status}.`;
  /** @type {{ error?: string } | null} */
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = { error: text || fallback };
  }
  if (status < 200 || status >= 300) throw new RequestError(body?.error ?? fallback, status);
  return body;
}

/**
 * Whether an error is a RequestError with one of these statuses.
 * @param {unknown} error
 * @param {number[]} statuses
 */
export const hasStatus = (error, ...statuses) => error instanceof RequestError && statuses.includes(error.status);

/**
 * @template Answer
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Answer>}
 */
async function request(path, options) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new RequestError("The studio does not answer. Is it still running? Jobs that have started continue.", 0);
  }
  return /** @type {Answer} */ (parseAnswer(await response.text(), response.status));
}

const BUSY_STATUS = 503;
const NUM_TRIES = 60;
const RETRY_MILLISECONDS = 1000;

/**
 * Sends a GET request. The server reads data for one request at a time; while it is busy, the request is tried again,
 * up to NUM_TRIES times in total.
 * @template Answer
 * @param {string} path
 * @param {number} [retryMilliseconds]
 * @returns {Promise<Answer>}
 * @throws {RequestError}
 */
export async function get(path, retryMilliseconds = RETRY_MILLISECONDS) {
  for (let number = 1; ; number += 1) {
    try {
      return await request(path);
    } catch (error) {
      if (!hasStatus(error, BUSY_STATUS) || number === NUM_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryMilliseconds));
    }
  }
}

/**
 * @template Answer
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Answer>}
 * @throws {RequestError}
 */
export const post = (path, body = {}) =>
  request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/**
 * @template Answer
 * @param {string} path
 * @param {Blob} file
 * @returns {Promise<Answer>}
 * @throws {RequestError}
 */
export const put = (path, file) => request(path, { method: "PUT", body: file });

/**
 * Like `put`, but reports the progress; meant for large files.
 * @param {string} path
 * @param {Blob} file
 * @param {(share: number) => void} onProgress Called with the share of the file that has been sent.
 * @returns {Promise<unknown>}
 * @throws {RequestError}
 */
export function upload(path, file, onProgress) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("PUT", path);
    xhr.upload.addEventListener("progress", (event) => onProgress(event.loaded / Math.max(1, event.total)));
    xhr.addEventListener("load", () => {
      try {
        resolve(parseAnswer(xhr.responseText, xhr.status));
      } catch (error) {
        reject(error);
      }
    });
    xhr.addEventListener("error", () => reject(new RequestError("The upload was interrupted. Try again.", 0)));
    xhr.send(file);
  });
}

/**
 * Encodes values as the query string of a URL.
 * @param {{ [name: string]: string | number }} values
 */
export const query = (values) =>
  new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)])).toString();
