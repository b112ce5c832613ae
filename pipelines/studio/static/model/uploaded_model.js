// The params for an uploaded model.

/** @import { ModelParams } from "../client/types.js" */
/** @import { UploadedModel } from "./types.js" */

/**
 * `train.model` for an uploaded model. The pixel range is left out if the file determines it.
 * @param {{ [fact: string]: string }} about The facts about the upload: its file and, if it contains only weights, the
 *   architecture that they belong to.
 * @param {UploadedModel} model
 * @param {string} head Empty to keep the model's own head.
 * @param {string} pixels
 * @returns {ModelParams}
 */
export function uploadedModelParams(about, model, head, pixels) {
  /** @type {ModelParams} */
  const params = { path: about.file };
  if (about.architecture) params.name = about.architecture;
  if (head) params.head = head;
  if (!model.preprocessing?.is_certain) params.pixels = pixels;
  return params;
}
