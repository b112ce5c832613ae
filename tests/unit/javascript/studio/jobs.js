// Jobs for the tests.

/** @import { Job, JobState } from "../../../../pipelines/studio/static/client/types.js" */

/**
 * Creates a job of the given kind and state; its other values are arbitrary.
 * @param {string} kind
 * @param {JobState} state
 * @returns {Job}
 */
export const jobOf = (kind, state, id = `${kind}-${state}`) => ({
  id,
  kind,
  state,
  title: `${kind} job`,
  command: [kind],
  created: "2026-05-17T08:00:00",
  about: {},
  error: null,
  started: null,
  ended: null,
  run_id: null,
});
