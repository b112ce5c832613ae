// Uploads many files, a few at a time.

import { hasStatus } from "../client/api.js";

const NUM_AT_ONCE = 4;
const NO_ROOM = 507;
const NO_ANSWER = 0;

/**
 * @typedef {object} UploadResult
 * @property {number} numDone The number of files that were sent, including those that the server rejected.
 * @property {string[]} failures A sentence for each file that failed.
 */

/**
 * Uploads files, and continues after a failure unless the disk is full or the server does not answer. Empty files are
 * skipped.
 * @param {File[]} files
 * @param {(file: File) => Promise<unknown>} upload
 * @param {(numDone: number) => void} onProgress
 * @returns {Promise<UploadResult>}
 */
export async function uploadAll(files, upload, onProgress) {
  const filesToSend = files.filter((file) => file.size > 0);
  /** @type {string[]} */
  const failures = [];
  let numDone = 0;
  const work = async () => {
    for (let file = filesToSend.shift(); file; file = filesToSend.shift()) {
      try {
        await upload(file);
      } catch (error) {
        failures.push(`${file.name}: ${error instanceof Error ? error.message : error}`);
        if (hasStatus(error, NO_ROOM, NO_ANSWER)) filesToSend.length = 0;
      }
      numDone += 1;
      onProgress(numDone);
    }
  };
  await Promise.all(Array.from({ length: NUM_AT_ONCE }, work));
  return { numDone, failures };
}
