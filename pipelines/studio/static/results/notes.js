// The name of a run and notes about it.

import { post } from "../client/api.js";
import { card, child, field, h, showProblem } from "../elements/dom.js";
import { runTitle } from "./runs.js";

/** @import { FinishedRun } from "./types.js" */

/** @param {FinishedRun} run Modified in place. */
export function notesCard(run) {
  const status = h("p", { class: "soft small", role: "status" });
  const save = async () => {
    Object.assign(run, { name: name.value.trim(), notes: notes.value });
    try {
      await post(`api/runs/${encodeURIComponent(run.run_id)}`, { name: run.name, notes: run.notes });
      child(document, ".screen h1").textContent = runTitle(run);
      status.textContent = "Saved.";
    } catch (error) {
      showProblem(error);
    }
  };
  const name = h("input", {
    type: "text",
    id: "run-name",
    value: run.name,
    placeholder: run.model,
    maxLength: 80,
    autocomplete: "off",
    onchange: save,
  });
  const notes = h("textarea", { id: "run-notes", rows: 3, maxLength: 5000, onchange: save }, run.notes);
  return card("Name and notes", field("Name", name), field("Notes", notes), status);
}
