// The types of the server's answers about photos. Only the type checker uses this file; no browser loads it.

/**
 * @typedef {object} PhotoRow A photo of the data.
 * @property {string} path
 * @property {string} class_name
 * @property {string | null} split Null before the audit.
 * @property {string[]} findings The kinds of findings that contain the photo.
 */

/**
 * @typedef {object} PhotoPage
 * @property {number} total
 * @property {PhotoRow[]} photos
 * @property {{ [kind: string]: string }} finding_kinds The title of each kind of finding.
 * @property {boolean} has_splits
 */

/** @typedef {{ class: string, text: string, finding: string, split: string }} PhotoFilter Empty: no filter. */

/**
 * @typedef {object} Division How the photos would be split with different fractions.
 * @property {import("../data/types.js").SplitCounts} counts
 * @property {number} num_moved
 * @property {[path: string, before: string, after: string][]} moves
 * @property {string[]} given
 * @property {string | null} fault
 */

export {};
