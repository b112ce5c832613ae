// The panel "No magic": the commands and the params file that do the same as the page.

import { post } from "../client/api.js";
import { reload, state } from "../client/state.js";
import { byId, clearProblem, copyableCode, h, showProblem } from "../elements/dom.js";

let isOpen = false;

/**
 * Shows the current commands and params.
 * @param {string[]} commands The commands that do the same as the screen.
 * @param {() => unknown} showScreen Draws the screen again after an import.
 */
export function showNoMagic(commands, showScreen) {
  /**
   * @param {string} text
   * @param {"file" | "command"} kind
   */
  const importText = async (text, kind) => {
    clearProblem();
    try {
      await post("api/draft/import", { revision: state.draft.revision, text, kind });
      await reload();
      await showScreen();
    } catch (error) {
      showProblem(error);
    }
  };
  const onToggle = (/** @type {{ currentTarget: HTMLDetailsElement }} */ { currentTarget }) => {
    isOpen = currentTarget.open;
  };
  byId("magic").replaceChildren(
    h(
      "details",
      { class: "magic", open: isOpen, ontoggle: onToggle },
      h("summary", {}, "No magic: how to do the same without this page"),
      h("div", { class: "two" }, commandPart(commands, importText), paramsPart(importText)),
    ),
  );
}

/**
 * @param {string[]} commands
 * @param {(text: string, kind: "command") => unknown} importText
 */
function commandPart(commands, importText) {
  const input = h("input", {
    type: "text",
    "aria-label": "A command to import",
    placeholder: "darkroom run --data … --set …",
    autocomplete: "off",
    spellcheck: false,
  });
  /** @param {Event} event */
  const onsubmit = (event) => {
    event.preventDefault();
    importText(input.value.trim(), "command");
  };
  return h(
    "div",
    {},
    h("h2", {}, "On the command line"),
    commands.map(copyableCode),
    h("p", { class: "soft small" }, "First save your settings as studio.yaml. All other params have their defaults."),
    h("form", { class: "row", onsubmit }, input, h("button", { class: "button small" }, "Import")),
  );
}

/** @param {(text: string, kind: "file") => unknown} importText */
function paramsPart(importText) {
  const file = h("input", {
    type: "file",
    accept: ".yaml,.yml",
    class: "away",
    id: "import-file",
    onchange: async ({ currentTarget }) => {
      const [params] = currentTarget.files ?? [];
      currentTarget.value = "";
      await importText(await params.text(), "file");
    },
  });
  return h(
    "div",
    {},
    h("h2", {}, "studio.yaml"),
    copyableCode(state.draft.yaml),
    h(
      "div",
      { class: "row" },
      h("a", { class: "button", href: "api/draft/params.yaml", download: "studio.yaml" }, "Export"),
      h("label", { class: "button", htmlFor: "import-file" }, "Import…"),
      file,
    ),
  );
}
