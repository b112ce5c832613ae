// The state that all screens share: the draft of params.yaml and the jobs, and the WebSocket that keeps both up to date
// in every tab.

import { ignoreFailure, showProblem } from "../elements/dom.js";
import { get, hasStatus, post } from "./api.js";
import { schemaPart, valueAt } from "./params.js";

/** @import { Draft, Job, JobsMessage, Json, KnownParams } from "./types.js" */
/** @import { LiveMessage, LiveView, Progress, ProgressMessage, Schema } from "./types.js" */

/** @type {Draft} */
const EMPTY_DRAFT = {
  revision: 0,
  params: {},
  faults: [],
  reasons: [],
  resolved: null,
  decisions: [],
  yaml: "",
  commands: { data: "", model: "", training: "", rate: "" },
  ready: false,
};

/**
 * @typedef {object} State
 * @property {Draft} draft
 * @property {Job[]} jobs The newest first.
 * @property {number | null} changed A counter that changes whenever the data changes.
 * @property {Schema} schema
 * @property {boolean} online
 * @property {Progress | null} progress The progress of the current training run.
 */

/** @type {State} */
export const state = { draft: EMPTY_DRAFT, jobs: [], changed: null, schema: {}, online: true, progress: null };

// --- events ----------------------------------------------------------------------------------------------------------

/**
 * @typedef {object} Events The names of events and what their listeners receive.
 * @property {{ elsewhere: boolean }} draft `elsewhere`: whether the draft was changed outside this tab.
 * @property {undefined} data
 * @property {undefined} jobs
 * @property {undefined} online
 * @property {LiveView} live
 * @property {undefined} progress
 */

/** @type {{ [Name in keyof Events]: Set<(event: Events[Name]) => unknown> }} */
const listeners = {
  draft: new Set(),
  data: new Set(),
  jobs: new Set(),
  online: new Set(),
  live: new Set(),
  progress: new Set(),
};

/**
 * Registers a listener for the events of this name; the returned function removes it.
 * @template {keyof Events} Name
 * @param {Name} name
 * @param {(event: Events[Name]) => unknown} listener
 * @returns {() => void}
 */
export function on(name, listener) {
  listeners[name].add(listener);
  return () => {
    listeners[name].delete(listener);
  };
}

/**
 * @template {keyof Events} Name
 * @param {Name} name
 * @param {Events[Name]} event
 */
function emit(name, event) {
  for (const listener of [...listeners[name]]) listener(event);
}

// --- the draft -------------------------------------------------------------------------------------------------------

/** Loads the draft, and keeps it up to date from then on. */
export async function load() {
  [state.draft, state.schema] = await Promise.all([
    /** @type {Promise<Draft>} */ (get("api/draft")),
    /** @type {Promise<Schema>} */ (get("api/schema")),
  ]);
  connect();
}

/** Loads the draft again, in case it was changed elsewhere. */
export async function reload() {
  /** @type {Draft} */
  const draft = await get("api/draft");
  if (JSON.stringify(draft) === JSON.stringify(state.draft)) return;
  state.draft = draft;
  emit("draft", { elsewhere: true });
}

/** @type {Promise<void>} */
let lastChange = Promise.resolve();

/**
 * Changes params. Each change waits for the previous one, and is based on its revision.
 * @param {{ [key: string]: unknown }} values The values to set, by dotted key.
 * @param {string[]} [removedKeys] The keys to reset to their defaults.
 */
export function changeParams(values, removedKeys = []) {
  lastChange = lastChange.catch(ignoreFailure).then(async () => {
    try {
      state.draft = await post("api/draft", { revision: state.draft.revision, set: values, unset: removedKeys });
      emit("draft", { elsewhere: false });
    } catch (error) {
      showProblem(error);
      if (hasStatus(error, 409)) await reload();
    }
  });
  return lastChange;
}

/**
 * Starts a job as soon as all pending changes are stored.
 * @param {{ kind: string, host?: string, rollout?: string }} job
 * @returns {Promise<Job>}
 */
export async function startJob(job) {
  await lastChange.catch(ignoreFailure);
  return post("api/jobs", job);
}

/**
 * Sends a request that changes the data, and reloads the draft.
 * @param {string} path The path of the request.
 * @param {object} [body]
 */
export async function changeData(path, body = {}) {
  try {
    await post(path, { revision: state.draft.revision, ...body });
  } catch (error) {
    if (hasStatus(error, 409)) await reload();
    throw error;
  }
  await reload();
  emit("data", undefined);
}

/**
 * The value of a param in the draft; undefined if the draft uses the default.
 * @template {keyof KnownParams} Key
 * @param {Key} key
 * @returns {KnownParams[Key] | undefined}
 */
export const paramValue = (key) => /** @type {KnownParams[Key] | undefined} */ (valueAt(state.draft.params, key));

/**
 * The value of a param, with `auto` resolved; undefined before data is chosen.
 * @template {keyof KnownParams} Key
 * @param {Key} key
 * @returns {KnownParams[Key] | undefined}
 */
export const resolvedValue = (key) => /** @type {KnownParams[Key] | undefined} */ (resolvedJson(key));

/**
 * Like resolvedValue, but for any key.
 * @param {string} key
 * @returns {Json | undefined}
 */
export const resolvedJson = (key) => valueAt(state.draft.resolved, key);

/**
 * The part of the schema for a dotted key.
 * @param {string} key
 */
export const schemaOf = (key) => schemaPart(state.schema, key);

// --- jobs ------------------------------------------------------------------------------------------------------------

/**
 * @param {string | undefined} id
 * @returns {Job | undefined}
 */
export const findJob = (id) => state.jobs.find((job) => job.id === id);

/**
 * Whether a job or an audit is waiting or running.
 * @param {{ state: string }} job
 */
export const isUnfinished = (job) => job.state === "waiting" || job.state === "running";

/**
 * Whether the server that a job started is ready. If it is not, waits for a second before returning, so that callers
 * can call this function in a loop.
 * @param {string} id The id of the job.
 * @returns {Promise<boolean>}
 */
export async function isReady(id) {
  /** @type {{ ready: boolean }} */
  const { ready } = await get(`api/jobs/${id}/ready`);
  if (!ready) await new Promise((resolve) => setTimeout(resolve, 1000));
  return ready;
}

// --- the WebSocket ---------------------------------------------------------------------------------------------------

/** @type {WebSocket | null} */
let socket = null;
/** @type {string | null} */
let watchedJobId = null;
let logPosition = 0;

/**
 * Watches a job; each change to the job emits the event `live`.
 * @param {string | null} id Null to watch no job.
 */
export function watchJob(id) {
  watchedJobId = id;
  logPosition = 0;
  sendWatched();
}

function sendWatched() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ job: watchedJobId, log: logPosition }));
}

function connect() {
  const address = new URL("follow", document.baseURI);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.hash = "";
  socket = new WebSocket(address);
  socket.addEventListener("open", () => {
    if (!state.online) reload().catch(ignoreFailure);
    state.online = true;
    emit("online", undefined);
    sendWatched();
  });
  socket.addEventListener("message", (event) => {
    /** @type {JobsMessage | LiveMessage | ProgressMessage} */
    const message = JSON.parse(event.data);
    if ("live" in message) receiveLive(message.live);
    else if ("progress" in message) receiveProgress(message.progress);
    else receiveJobs(message);
  });
  socket.addEventListener("close", () => {
    state.online = false;
    emit("online", undefined);
    setTimeout(connect, 1000);
  });
}

/** @param {LiveView} live */
function receiveLive(live) {
  if (live.id !== watchedJobId) return;
  logPosition = live.log_to ?? logPosition;
  emit("live", live);
}

/** @param {Progress | null} progress */
function receiveProgress(progress) {
  state.progress = progress;
  emit("progress", undefined);
}

/** @param {JobsMessage} message */
function receiveJobs(message) {
  state.jobs = message.jobs;
  emit("jobs", undefined);
  const isNewer = message.revision > state.draft.revision;
  const dataChanged = state.changed !== null && message.changed !== state.changed;
  state.changed = message.changed;
  // The draft also states whether training can start, which depends on the data.
  if (isNewer || dataChanged)
    reload()
      .then(() => dataChanged && emit("data", undefined))
      .catch(showProblem);
}
