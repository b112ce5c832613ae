// Versions of the data, and what differs between two of them.

import { get, post, query } from "../client/api.js";
import { action, count, h, plural, when } from "../elements/dom.js";
import { changeData } from "../client/state.js";

export function versionsCard(data, versions) {
  const told = h("div", {});
  const all = [{ number: 1, uri: versions[0].origin, what: "as it came", created: null, num_photos: null }, ...versions];
  return h("section", { class: "card" }, h("h2", {}, "Versions"),
    h("ol", { class: "versions plain" }, all.map((version) => h("li", { class: "row between" },
      h("span", {}, h("b", {}, `v${version.number}`), ` ${version.what}`, version.num_photos ? h("span", { class: "soft" }, ` · ${plural(version.num_photos, "photo")} · ${when(version.created)}`) : ""),
      version.uri === data.uri ? h("span", { class: "tag done" }, "chosen") : h("span", { class: "row" },
        action("Differences", async () => told.replaceChildren(changes(await get(`/api/data/changes?${query({ before: version.uri, now: data.uri })}`), version)), { class: "link" }),
        action("Choose", async () => {
          await changeData("/api/data/choose", { uri: version.uri });
          await post("/api/audit");
        }, { class: "link" }))))),
    told);
}

// What DVC keeps of data in this repository, as `darkroom data list` tells it.
export function dvcCard() {
  const list = h("div", {});
  return h("details", { class: "card fold", ontoggle: async (event) => {
    if (!event.target.open || list.children.length) return;
    const found = await get("/api/data/dvc").catch(() => []);
    list.replaceChildren(found.length ? h("div", { class: "scroll" }, h("table", { class: "small" }, h("thead", {}, h("tr", {}, ["Data", "Version", "Date", "Files", "What"].map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", {}, found.map((one) => h("tr", {}, h("th", { scope: "row" }, one.path), h("td", {}, one.commit.slice(0, 12)), h("td", {}, one.date), h("td", {}, count(one.num_files ?? 1)), h("td", {}, one.subject))))))
      : h("p", { class: "soft" }, "No data are under DVC here. On the command line: darkroom data add PHOTOS --name NAME"));
  } }, h("summary", {}, "Versions under DVC"), list);
}

function changes(found, version) {
  const lists = [["added", found.num_added, found.added], ["taken out", found.num_removed, found.removed], ["relabelled", found.num_relabelled, found.relabelled.map(([path, before, now]) => `${path}: ${before} → ${now}`)]];
  return h("div", { role: "status" }, h("h3", {}, `From v${version.number} to the chosen one`),
    lists.map(([word, number, lines]) => h("details", {}, h("summary", {}, `${count(number)} ${word}`), h("ul", { class: "plain small path" }, lines.map((line) => h("li", {}, line))))),
    h("table", { class: "small" }, h("thead", {}, h("tr", {}, ["Class", "before", "now"].map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", {}, Object.entries(found.counts).filter(([, [before, now]]) => before !== now).map(([name, [before, now]]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, count(before)), h("td", {}, count(now)))))));
}
