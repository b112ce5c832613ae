// The types of the server's answers about the draft and jobs. Only the type checker loads this file.

/** @typedef {null | boolean | number | string | Json[] | { [key: string]: Json }} Json */
/** @typedef {{ value: number, low: number, high: number }} Interval A share and its confidence interval. */

// --- the draft -------------------------------------------------------------------------------------------------------

/** @typedef {string | { [kind: string]: { [argument: string]: Json } }} LayerSpec A layer in params.yaml. */

/**
 * @typedef {object} ModelParams `train.model` of params.yaml.
 * @property {string} [name]
 * @property {string} [head]
 * @property {string} [weights]
 * @property {string} [path] The path of an uploaded model.
 * @property {string} [pixels] The pixel range that an uploaded model expects.
 * @property {string} [from] The run whose model is trained further.
 * @property {LayerSpec[]} [layers]
 */

/** @typedef {{ [key: string]: string | number }} Phase One entry of `train.phases`. */
/** @typedef {{ [name: string]: number | boolean }} Augmentation */

/**
 * @typedef {{
 *   "data.uri": string,
 *   "preprocess.audit": { [kind: string]: string },
 *   "preprocess.image_size": number | [number, number],
 *   "preprocess.test_fraction": number,
 *   "preprocess.validation_fraction": number,
 *   "train.batch_size": number,
 *   "train.model": ModelParams,
 *   "train.model.from": string,
 *   "train.model.head": string,
 *   "train.model.layers": LayerSpec[],
 *   "train.model.name": string,
 *   "train.model.path": string,
 *   "train.model.pixels": string,
 *   "train.model.weights": string,
 *   "train.phases": "auto" | Phase[],
 *   "train.trainable": string | string[],
 * }} KnownParams The params that screens read, by dotted key.
 */

/** @typedef {{ where: string, what: string }} Fault A param that is invalid, and why. */
/** @typedef {{ data: string, model: string, training: string, rate: string }} Commands */

/**
 * @typedef {object} Draft The params that the user edits on the page.
 * @property {number} revision Increases with every change.
 * @property {{ data?: Json, [section: string]: Json | undefined }} params The values that differ from the defaults.
 * @property {Fault[]} faults
 * @property {string[]} reasons Why training cannot start; empty if it can.
 * @property {{ [section: string]: Json } | null} resolved All params, with every `auto` resolved.
 * @property {string[]} decisions How each `auto` was resolved, in sentences.
 * @property {string} yaml
 * @property {Commands} commands
 * @property {boolean} ready
 */

/**
 * @typedef {object} SchemaPart A part of the JSON schema of params.yaml.
 * @property {string} [$ref]
 * @property {SchemaPart[]} [anyOf]
 * @property {{ [name: string]: SchemaPart }} [properties]
 * @property {string[]} [enum]
 * @property {string} [type]
 * @property {string} [description]
 * @property {Json} [default]
 */

/** @typedef {SchemaPart & { $defs?: { [name: string]: SchemaPart } }} Schema */

/** @typedef {{ low: number, high: number, why: string }} Estimate A run's estimated time in seconds, and its basis. */

/**
 * @typedef {object} Preset A choice of how thorough training is.
 * @property {string} name
 * @property {string} title
 * @property {string} text
 * @property {{ [key: string]: Json }} values The values that it sets, by dotted key; null means the default.
 * @property {Estimate | null} estimate
 */

/** @typedef {{ presets: Preset[], chosen: string | null }} PresetsAnswer */

// --- jobs ------------------------------------------------------------------------------------------------------------

/** @typedef {"waiting" | "running" | "done" | "failed" | "stopped" | "lost"} JobState */
/** @typedef {JobState | "none"} WorkState `none`: there is no job for the work. */

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} kind
 * @property {string} title
 * @property {string[]} command The words after `darkroom`, or a whole command if the first word is an absolute path.
 * @property {string} created ISO 8601.
 * @property {{ [fact: string]: string }} about
 * @property {JobState} state
 * @property {string | null} error
 * @property {number | null} started Seconds since 1970.
 * @property {number | null} ended Seconds since 1970.
 * @property {string | null} run_id
 */

/**
 * @template Output
 * @typedef {Job & { output: Output | null }} JobWithOutput
 */

/**
 * @typedef {{ name: string, state: JobState, seconds: number | null }} PartView A task that does part of a step.
 */

/**
 * @typedef {object} StepView A step of a run.
 * @property {string} name
 * @property {JobState} state
 * @property {number | null} started Seconds since 1970.
 * @property {number | null} seconds How long the step took.
 * @property {number | null} expected_seconds How long it took in the latest finished run.
 * @property {number | null} share The completed share, if the step reports it.
 * @property {PartView[]} parts The tasks that share the work of this step and have already started.
 * @property {number} num_parts The number of tasks that share the work of this step; 0 if the work is not shared.
 */

/** @typedef {{ job: string, step: string, share: number | null }} Progress The progress of the current training run. */

/** @typedef {"loss" | "val_loss" | "accuracy" | "val_accuracy"} CurveName */

/**
 * @typedef {object} Epoch
 * @property {number} epoch The number of the epoch, from 1.
 * @property {number} planned
 * @property {number} loss
 * @property {number} accuracy
 * @property {number} val_loss
 * @property {number} val_accuracy
 * @property {number} [phase]
 * @property {number} [images_per_second]
 * @property {number} [learning_rate]
 */

/**
 * @typedef {object} EpochPart An unfinished epoch.
 * @property {number} epoch The number of the epoch, from 1.
 * @property {number} planned
 * @property {number} [phase]
 * @property {number} done The completed share of the epoch.
 */
/**
 * @typedef {object} Trial
 * @property {number} number
 * @property {"running" | "complete" | "pruned" | "failed" | "interrupted"} state
 * @property {number | null} [accuracy]
 * @property {string | null} [reason] Why it was pruned or failed.
 * @property {{ [key: string]: Json }} values
 */

/**
 * @typedef {object} LiveView The state of a job. If there is no such job, only the id, state and error are set.
 * @property {string} id
 * @property {string} kind
 * @property {string} title
 * @property {JobState} state
 * @property {string | null} error
 * @property {number | null} started
 * @property {number | null} ended
 * @property {string | null} run_id
 * @property {StepView[]} [steps]
 * @property {Epoch[]} epochs
 * @property {Trial[]} trials
 * @property {EpochPart | null} part
 * @property {string} log New text of the log.
 * @property {number} [log_to] The position in the log after this text, in bytes.
 * @property {boolean} finishing
 */

/** @typedef {{ jobs: Job[], revision: number, changed: number }} JobsMessage */
/** @typedef {{ live: LiveView }} LiveMessage */
/** @typedef {{ progress: Progress | null }} ProgressMessage */

export {};
