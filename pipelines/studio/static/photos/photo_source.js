// The photos that match a filter, fetched in blocks as they are needed.

import { get, query } from "../client/api.js";

/** @import { PhotoFilter, PhotoPage, PhotoRow } from "./types.js" */

export const BLOCK_SIZE = 500;
const MAX_SELECTED_AT_ONCE = 20_000;

/** Photos by their position among all matching photos. */
export class PhotoSource {
  /** @param {PhotoFilter} filter */
  constructor(filter) {
    this.filter = filter;
    this.total = 0;
    /** @type {Map<number, Promise<PhotoPage>>} */
    this.requests = new Map();
    /** @type {Map<number, PhotoRow[]>} */
    this.blocks = new Map();
  }

  /**
   * Fetches the block that contains a position, unless it has already been requested.
   * @param {number} position
   * @returns {Promise<PhotoPage>}
   */
  load(position) {
    const block = Math.floor(position / BLOCK_SIZE);
    let request = this.requests.get(block);
    if (!request) {
      request = this.#fetch(block);
      this.requests.set(block, request);
    }
    return request;
  }

  /** @param {number} block */
  async #fetch(block) {
    /** @type {PhotoPage} */
    const page = await get(`api/data/photos?${query({ ...this.filter, offset: block * BLOCK_SIZE })}`);
    this.total = page.total;
    this.blocks.set(block, page.photos);
    return page;
  }

  /**
   * Returns a photo if it has been fetched.
   * @param {number} position
   * @returns {PhotoRow | undefined}
   */
  at(position) {
    return this.blocks.get(Math.floor(position / BLOCK_SIZE))?.[position % BLOCK_SIZE];
  }

  /** Returns the paths of all matching photos, up to a limit. */
  async allPaths() {
    const numPhotos = Math.min(this.total, MAX_SELECTED_AT_ONCE);
    for (let position = 0; position < numPhotos; position += BLOCK_SIZE) await this.load(position);
    return Array.from({ length: numPhotos }, (_, position) => this.at(position)?.path ?? "").filter(Boolean);
  }
}
