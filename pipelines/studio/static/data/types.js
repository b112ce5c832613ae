// The types of the server's answers about data. Only the type checker uses this file; no browser loads it.

/** @import { WorkState } from "../client/types.js" */

/** @typedef {{ name: string, num_photos: number, samples: string[] }} ClassView */

/**
 * @typedef {object} DataView
 * @property {string} name
 * @property {string} uri
 * @property {boolean} editable Whether photos can be added.
 * @property {ClassView[]} classes
 * @property {number} num_photos
 * @property {number} num_rejected
 * @property {[path: string, why: string][]} rejected
 * @property {string[]} splits
 * @property {string[]} notices How the data was read, if that is not obvious.
 * @property {boolean} has_table Whether the data contains a file that may be a label file.
 * @property {{ [role: string]: string | number }} columns The columns that the user assigned for this file, by role.
 * @property {string | null} fault
 */

/**
 * @typedef {object} Version
 * @property {number} number
 * @property {string} uri
 * @property {string} origin
 * @property {string} what
 * @property {string} created
 * @property {number} num_photos
 */

/**
 * @typedef {object} DataAnswer
 * @property {DataView | null} data
 * @property {Version[]} versions
 * @property {string[]} own The names of the data sets that were created or uploaded in the studio.
 * @property {number} max_upload_bytes
 */

/** @typedef {"folder" | "archive" | "table"} EntryKind */

/**
 * @typedef {object} FolderView A folder of this computer.
 * @property {string | null} path
 * @property {string | null} parent
 * @property {{ name: string, path: string, kind: EntryKind }[]} entries
 * @property {number} num_photos
 * @property {number} more The number of entries that are not listed.
 */

/** @typedef {"train" | "validation" | "test"} SplitName */
/** @typedef {"ignore" | "report" | "quarantine" | "fail"} Policy */
/** @typedef {{ path: string, class_name: string | null, split: string | null, kept: boolean }} AuditedPhoto */

/**
 * @typedef {object} Finding
 * @property {string} kind
 * @property {Policy} policy
 * @property {string} title
 * @property {string} message
 * @property {string} advice
 * @property {number} num_photos
 * @property {number} num_cases
 * @property {{ photos: AuditedPhoto[], note: string | null }[]} cases
 */

/** @typedef {Record<SplitName, { [className: string]: number }>} SplitCounts */
/** @typedef {{ kind: string, title: string, state: string, detail: string }} Check */

/**
 * @typedef {object} AuditInfo
 * @property {SplitCounts} counts
 * @property {number} num_kept
 * @property {number} num_files
 * @property {Finding[]} findings
 * @property {Check[]} checks
 */

/**
 * @typedef {object} AuditView
 * @property {WorkState} state
 * @property {string | null} told The last line of the job's log.
 * @property {string | null} error
 * @property {AuditInfo | null} info
 * @property {{ [kind: string]: Policy[] }} policies
 */

/**
 * @typedef {object} DataChanges
 * @property {number} num_added
 * @property {string[]} added
 * @property {number} num_removed
 * @property {string[]} removed
 * @property {number} num_relabeled
 * @property {[path: string, before: string, now: string][]} relabeled
 * @property {{ [className: string]: [before: number, now: number] }} counts
 */

/** @typedef {{ path: string, commit: string, date: string, num_files: number | null, subject: string }} DvcVersion */

export {};
