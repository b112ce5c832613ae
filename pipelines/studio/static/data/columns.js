// The form in which the user specifies the columns of a label file.

import { changeData } from "../client/state.js";
import { actionButton, field, h } from "../elements/dom.js";

/** @import { DataView } from "./types.js" */

const LABELS = { path: "Photos", label: "Classes", split: "Splits", group: "Groups" };

/**
 * The form for the columns.
 * @param {DataView} data
 */
export function columnsForm({ columns }) {
  const inputs = Object.entries(LABELS).map(([role, label]) => {
    const value = String(columns[role] ?? "");
    const input = h("input", { type: "text", id: `column-${role}`, value, autocomplete: "off", placeholder: "auto" });
    return { role, label, input };
  });
  const save = () => {
    const texts = Object.fromEntries(inputs.map(({ role, input }) => [role, input.value]));
    return changeData("api/data/columns", { columns: parseColumns(texts) });
  };
  const help =
    "The name of each column or, if the file has no header, its number, counted from 1. Columns that you leave empty " +
    "are detected automatically.";
  return h(
    "details",
    { class: "small", id: "columns", open: Object.keys(columns).length > 0 },
    h("summary", {}, "Columns of the label file"),
    h("p", { class: "help" }, help),
    h(
      "div",
      { class: "row" },
      inputs.map(({ label, input }) => field(label, input)),
      actionButton("Use these columns", save, { class: "button small", id: "read-columns" }),
    ),
  );
}

/**
 * Converts the form to `data.columns`: column numbers become integers, and empty fields are left out.
 * @param {{ [role: string]: string }} texts
 */
export function parseColumns(texts) {
  const entries = Object.entries(texts).map(([role, text]) => [role, text.trim()]);
  const filled = entries.filter(([, text]) => text);
  return Object.fromEntries(filled.map(([role, text]) => [role, /^[1-9]\d*$/.test(text) ? Number(text) : text]));
}
