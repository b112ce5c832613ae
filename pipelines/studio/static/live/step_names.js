// How the page names the steps of a run.

/** @type {{ [step: string]: string }} */
export const STEP_NAMES = {
  start: "Start",
  preprocess: "Prepare photos",
  "compute-features": "Compute features",
  tune: "Search",
  train: "Train",
  evaluate: "Evaluate",
  deploy: "Build the service",
};
