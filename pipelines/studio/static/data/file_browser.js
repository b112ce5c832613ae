// Browses the folders of this computer that the studio can read.

import { get, query } from "../client/api.js";
import { actionButton, h, showProblem } from "../elements/dom.js";
import { formatCount, pluralize } from "../elements/format.js";

/** @import { EntryKind, FolderView } from "./types.js" */

/** @type {Record<EntryKind, string>} */
const KIND_NAMES = { folder: "Folder", archive: "Archive", table: "Table" };

/**
 * A form for a path or address, and a list of folders, archives and tables to choose from.
 * @param {(uri: string) => Promise<unknown>} choose
 */
export function fileBrowser(choose) {
  const list = h("div", {});
  const path = h("input", {
    type: "text",
    "aria-label": "Path or address",
    placeholder: "Path or address",
    autocomplete: "off",
    spellcheck: false,
  });
  /** @param {string} folder */
  const open = async (folder) => {
    try {
      /** @type {FolderView} */
      const view = await get(`api/places?${query(folder ? { path: folder } : {})}`);
      list.replaceChildren(...folderParts(view, open, choose));
    } catch (error) {
      showProblem(error);
    }
  };
  /** @param {Event} event */
  const onsubmit = (event) => {
    event.preventDefault();
    if (path.value.trim()) choose(path.value.trim()).catch(showProblem);
  };
  const ontoggle = (/** @type {{ currentTarget: HTMLDetailsElement }} */ { currentTarget }) => {
    if (currentTarget.open && !list.children.length) open("");
  };
  return h(
    "div",
    { class: "browser" },
    h("form", { class: "row", onsubmit }, path, h("button", { class: "button small" }, "Use")),
    h("details", { ontoggle }, h("summary", {}, "Browse"), list),
  );
}

/**
 * @param {FolderView} view
 * @param {(path: string) => unknown} open
 * @param {(uri: string) => Promise<unknown>} choose
 */
function folderParts(view, open, choose) {
  const { path, parent } = view;
  const take = path && actionButton("Use this folder", () => choose(path), { class: "button small" });
  const numPhotos = view.num_photos ? `${pluralize(view.num_photos, "photo")} in this folder. ` : "";
  const numMore = view.more ? `Entries that are not listed: ${formatCount(view.more)}.` : "";
  const entries = view.entries.map((entry) => {
    const isFolder = entry.kind === "folder";
    const onclick = () => (isFolder ? open(entry.path) : choose(entry.path).catch(showProblem));
    const kind = h("span", { class: "soft small" }, KIND_NAMES[entry.kind]);
    return h("li", {}, h("button", { type: "button", class: `entry ${entry.kind}`, onclick }, entry.name, kind));
  });
  const up =
    parent === null
      ? null
      : h("li", {}, h("button", { type: "button", class: "entry", onclick: () => open(parent) }, "↑ Up"));
  return [
    path ? h("div", { class: "row between" }, h("b", { class: "path" }, path), take) : "",
    h("ul", { class: "places" }, up, entries),
    h("p", { class: "soft small" }, numPhotos, numMore),
  ];
}
