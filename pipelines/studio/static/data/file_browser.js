// Looking for a folder of this computer, as far as the studio may.

import { get, query } from "../client/api.js";
import { action, complain, count, h, plural } from "../elements/dom.js";

const KINDS = { folder: "Folder", archive: "Archive", table: "Table" };

export function places(choose) {
  const list = h("div", {});
  const path = h("input", { type: "text", "aria-label": "Path or address", placeholder: "/home/me/photos, s3://… or https://…", autocomplete: "off", spellcheck: false });
  const open = async (folder) => {
    try {
      const found = await get(`/api/places?${query(folder ? { path: folder } : {})}`);
      list.replaceChildren(found.path ? h("div", { class: "row between" }, h("b", { class: "path" }, found.path),
        action("Take this folder", () => choose(found.path), { class: "button small" })) : "",
      h("ul", { class: "places" },
        found.parent !== null ? h("li", {}, h("button", { type: "button", class: "entry", onclick: () => open(found.parent) }, "↑ Up")) : null,
        found.entries.map((entry) => h("li", {}, h("button", { type: "button", class: `entry ${entry.kind}`, onclick: () => entry.kind === "folder" ? open(entry.path) : choose(entry.path).catch(complain) }, entry.name, h("span", { class: "soft small" }, KINDS[entry.kind]))))),
      h("p", { class: "soft small" }, found.num_photos ? `${plural(found.num_photos, "photo")} lie here directly. ` : "", found.more ? `${count(found.more)} more entries are not listed.` : ""));
    } catch (error) {
      complain(error);
    }
  };
  return h("div", { class: "browser" },
    h("form", { class: "row", onsubmit: (event) => {
      event.preventDefault();
      if (path.value.trim()) choose(path.value.trim()).catch(complain);
    } }, path, h("button", { class: "button small" }, "Take")),
    h("details", { ontoggle: (event) => event.target.open && !list.children.length && open("") }, h("summary", {}, "Look for it"), list));
}
