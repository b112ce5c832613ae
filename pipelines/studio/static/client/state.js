// What all screens share: the draft of params.yaml, the jobs, and the websocket that keeps both true in every tab.

import { get, post } from "./api.js";
import { complain } from "../elements/dom.js";

export const state = { draft: null, jobs: [], changed: null, schema: null, online: true };
const listeners = new Map();
let socket = null;
let watched = null;
let seen = 0;
let chain = Promise.resolve();

export function on(name, work) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(work);
  return () => listeners.get(name).delete(work);
}

export function emit(name, given) {
  for (const work of [...(listeners.get(name) ?? [])]) work(given);
}

export async function load() {
  [state.draft, state.schema] = await Promise.all([get("/api/draft"), get("/api/schema")]);
  connect();
}

export async function reload() {
  const found = await get("/api/draft");
  if (JSON.stringify(found) === JSON.stringify(state.draft)) return;
  state.draft = found;
  emit("draft", { elsewhere: true });
}

// Changes are made one after another, each on what the one before has left.
export function change(set, unset = []) {
  chain = chain.catch(() => {}).then(async () => {
    try {
      state.draft = await post("/api/draft", { revision: state.draft.revision, set, unset });
      emit("draft", { elsewhere: false });
    } catch (error) {
      complain(error);
      if (error.status === 409) await reload();
    }
  });
  return chain;
}

// Starts a job, with every change that was made before.
export async function begin(given) {
  await chain.catch(() => {});
  return post("/api/jobs", given);
}

// A change of the data; the answer of the server is given on.
export async function changeData(path, body = {}) {
  let found = null;
  try {
    found = await post(path, { revision: state.draft.revision, ...body });
  } catch (error) {
    if (error.status === 409) await reload();
    throw error;
  }
  await reload();
  emit("data");
  return found;
}

export const value = (key) => key.split(".").reduce((tree, name) => tree?.[name], state.draft.params);
export const resolved = (key) => key.split(".").reduce((tree, name) => tree?.[name], state.draft.resolved);

// What the schema says of a key, references followed.
export function about(key) {
  const follow = (part) => {
    if (part?.$ref) return follow(state.schema.$defs[part.$ref.split("/").pop()]);
    return part;
  };
  let part = { properties: state.schema.properties };
  for (const name of key.split(".")) {
    const inner = follow(part)?.properties?.[name] ?? (follow(part)?.anyOf ?? []).map(follow).find((one) => one?.properties?.[name])?.properties[name];
    part = inner;
  }
  return part ?? {};
}

export const job = (id) => state.jobs.find((one) => one.id === id);

// Whether the program that a job has started answers by now; asked about once a second.
export async function answers(id) {
  const { ready } = await get(`/api/jobs/${id}/ready`);
  if (!ready) await new Promise((done) => { setTimeout(done, 1000); });
  return ready;
}

export function watch(id) {
  watched = id;
  seen = 0;
  tell();
}

function tell() {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ job: watched, log: seen }));
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/follow`);
  socket.addEventListener("open", () => {
    if (!state.online) reload().catch(() => {});
    state.online = true;
    emit("online");
    tell();
  });
  socket.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    if (told.live) {
      if (told.live.id === watched) {
        seen = told.live.log_to ?? seen;
        emit("live", told.live);
      }
      return;
    }
    state.jobs = told.jobs;
    emit("jobs");
    const elsewhere = told.revision > state.draft.revision;
    const moved = state.changed !== null && told.changed !== state.changed;
    state.changed = told.changed;
    // What the data are like decides whether the draft can be started.
    if (elsewhere || moved) reload().then(() => moved && emit("data")).catch(complain);
  });
  socket.addEventListener("close", () => {
    state.online = false;
    emit("online");
    setTimeout(connect, 1000);
  });
}
