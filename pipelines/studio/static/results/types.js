// The types of the server's answers about runs. Only the type checker uses this file; no browser loads it.

/** @import { CurveName, Interval, Json } from "../client/types.js" */

/**
 * @typedef {object} FinishedRun
 * @property {string} run_id
 * @property {"finished"} status
 * @property {string} started
 * @property {string} data
 * @property {string} photos Runs with the same value have the same validation photos and labels.
 * @property {string} model
 * @property {number} num_parameters
 * @property {{ accuracy: Interval }} validation
 * @property {{ accuracy: Interval }} test
 * @property {string} verdict
 * @property {string[]} reasons
 * @property {Json} champion The champion that the run was compared with; null if there was none.
 * @property {"champion" | "former champion" | "not promoted"} standing The current standing of the run.
 * @property {string} promotion_reason The reason for the latest decision of the gate.
 * @property {number} seconds
 * @property {string} name Empty if the user gave it no name.
 * @property {string} notes
 */

/**
 * @typedef {object} OtherRun
 * @property {string} run_id
 * @property {"running" | "failed" | "killed"} status
 * @property {string | null} error
 */
/** @typedef {{ data: string, sentence: string, runs: string[] }} Board */
/** @typedef {{ runs: (FinishedRun | OtherRun)[], boards: Board[], packages: string[] }} RunsAnswer */

/** @typedef {Partial<Record<CurveName, number[]>>} History */

/**
 * @typedef {object} ClassFigures
 * @property {string} class_name
 * @property {number} num_images
 * @property {Interval | null} recall
 * @property {number | null} precision
 * @property {number | null} f1
 */

/**
 * @typedef {object} TestFigures
 * @property {Interval} accuracy
 * @property {Interval} macro_f1
 * @property {number} num_images
 * @property {[label: number, predicted: number, number: number][]} confusions
 * @property {ClassFigures[]} per_class
 */

/**
 * @typedef {object} RunSummary
 * @property {{ name: string, num_parameters: number, best_epoch: number, epochs_run: number }} model
 * @property {{ name: string, num_classes: number }} dataset
 * @property {{ accuracy: Interval }} validation
 * @property {{ total: number }} seconds
 */

/**
 * @typedef {object} RunView
 * @property {RunSummary} summary
 * @property {FinishedRun} line The run's entry in the list of runs.
 * @property {{ verdict: string, champion: Json, reasons: string[] }} gate
 * @property {TestFigures} test
 * @property {string[]} class_names
 * @property {number | null} latency_ms
 * @property {number | null} size_bytes
 * @property {number | null} label_errors
 * @property {History | null} history
 * @property {string} params
 */

/** @typedef {{ image_id: string, sureness: number }} CellPhoto */

/**
 * @typedef {object} MapPhoto
 * @property {string} image_id
 * @property {string} split
 * @property {string} path
 * @property {number} label
 * @property {number} predicted
 * @property {number} x From 0 to 1.
 * @property {number} y From 0 to 1, upwards.
 * @property {string[]} findings Any of `label error` and `outlier`.
 */

/**
 * @typedef {object} RunComparison
 * @property {FinishedRun[]} runs
 * @property {{ key: string, values: string[] }[]} params The params that differ.
 * @property {(History | null)[]} histories
 * @property {Matrix[]} matrices
 */

/**
 * @typedef {object} Matrix The predictions for the test photos.
 * @property {string[]} class_names
 * @property {[label: number, predicted: number, number: number][]} confusions
 */

/** @typedef {{ pick: string, reason: string, left_out: string[] }} PickOutput */

/**
 * @typedef {object} Prediction
 * @property {string} label
 * @property {boolean} abstained
 * @property {number | null} unfamiliar Above 1 if the photo is unlike the training photos.
 * @property {[className: string, share: number][]} probabilities
 */

export {};
