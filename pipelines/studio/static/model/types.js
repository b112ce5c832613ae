// The types of the server's answers about models. Only the type checker uses this file; no browser loads it.

/** @import { Job, Json, LayerSpec, WorkState } from "../client/types.js" */

/**
 * @typedef {"choice" | "boolean" | "integer" | "number" | "string" | "pair" | "list" | "names" | "regularizer"}
 *   ArgumentKind
 */

/**
 * @typedef {object} Argument An argument of a layer.
 * @property {string} name
 * @property {ArgumentKind} kind
 * @property {boolean} required
 * @property {Json} default
 * @property {string[] | null} choices
 * @property {number | null} low
 */

/** @typedef {{ kind: string, group: string, help: string, arguments: Argument[] }} LayerKind */
/** @typedef {{ name: string, help: string, layers: LayerSpec[] }} LayerTemplate */
/** @typedef {{ [argument: string]: Json | undefined }} LayerArguments */
/** @typedef {{ kind: string, values: LayerArguments }} Layer A layer in the editor. */
/** @typedef {{ gives: string | null, num_parameters: number | null, fault: string | null }} LayerView */

/**
 * @typedef {object} NetworkView
 * @property {LayerView[]} layers
 * @property {string | null} fault
 * @property {number} num_parameters
 * @property {number} multiply_adds
 * @property {number} weights_bytes
 * @property {number} training_bytes
 * @property {string | null} drawing SVG.
 * @property {number[]} image_size
 * @property {number} num_classes
 */

/** @typedef {[name: string, group: string]} NamedLayer */
/** @typedef {{ state: WorkState, layers: NamedLayer[], error?: string | null }} LayersAnswer */

/**
 * @typedef {object} Backbone
 * @property {string} name
 * @property {number} image_size
 * @property {number} num_parameters
 * @property {number} megabytes
 * @property {number} giga_multiply_adds
 * @property {string} advice
 * @property {number | null} milliseconds
 * @property {boolean} is_here Whether its weights are on this machine.
 */

/**
 * @typedef {object} UploadedModel
 * @property {string} form
 * @property {string} keras_version
 * @property {(number | null)[]} input_shape
 * @property {number[]} output_shape
 * @property {"softmax" | "sigmoid" | "values" | "features"} output
 * @property {number} num_layers
 * @property {number} num_parameters
 * @property {{ pixels: string, why: string, is_certain: boolean } | null} preprocessing
 * @property {string} uploaded_sha256
 */

/** @typedef {{ accepted: boolean, reason?: string, model: UploadedModel }} UploadReport */
/** @typedef {Job & { report: UploadReport | null }} Upload */

export {};
