// The types of the service's answers, only for the type checker: no browser loads this file.

/** @typedef {{ value: number, low: number, high: number }} Interval A share and its confidence interval. */

/**
 * @typedef {object} ModelCard `GET /model`.
 * @property {string} tag The bento, as name:version.
 * @property {string[]} class_names
 * @property {string | null} model
 * @property {string} precision
 * @property {{ accuracy: Interval, macro_f1: Interval, num_images: number } | null} test
 * @property {string | null} verdict
 * @property {boolean} calibrated
 * @property {{ threshold: number } | null} abstention
 * @property {string} explanation
 * @property {boolean} predictions_logged
 * @property {Lineage} lineage
 */

/**
 * @typedef {object} Lineage
 * @property {string} dataset_fingerprint
 * @property {{ dvc: string | null, git_revision: string | null }} source
 * @property {string | null} mlflow_run_id
 */

/** @typedef {{ url: string, class_name: string }} Sample */
/** @typedef {{ label: string, probability: number }} Probability */
/** @typedef {{ error: { message: string } }} Failure */

/**
 * @typedef {object} Prediction
 * @property {string} id
 * @property {string} label
 * @property {boolean} abstained
 * @property {number | null} unfamiliar Above 1, the photo is unlike the training photos.
 * @property {Probability[]} probabilities The most probable first.
 */

/** @typedef {{ predictions?: (Prediction | Failure)[], error?: { message: string } }} PredictAnswer */
/** @typedef {{ overlay?: string, method?: string, error?: { message: string } }} ExplainAnswer */

export {};
