// Versions of the data, and the differences between two versions.

import { get, post, query } from "../client/api.js";
import { changeData } from "../client/state.js";
import { actionButton, h, tableHead } from "../elements/dom.js";
import { formatCount, formatDateTime, pluralize } from "../elements/format.js";

/** @import { DataChanges, DataView, DvcVersion, Version } from "./types.js" */

/** @typedef {Pick<Version, "number" | "uri" | "what"> & { created?: string, num_photos?: number }} ListedVersion */

/**
 * The versions of the data, the original first.
 * @param {Version[]} versions At least one.
 * @returns {ListedVersion[]}
 */
export const withOriginal = (versions) => [{ number: 1, uri: versions[0].origin, what: "original" }, ...versions];

/**
 * The list of versions, which can be chosen and compared.
 * @param {DataView} data The chosen data.
 * @param {Version[]} versions At least one.
 */
export function versionsCard(data, versions) {
  const differences = h("div", {});
  /** @param {ListedVersion} version */
  const showDifferences = async (version) => {
    /** @type {DataChanges} */
    const changes = await get(`api/data/changes?${query({ before: version.uri, now: data.uri })}`);
    differences.replaceChildren(changesView(changes, version.number));
  };
  const items = withOriginal(versions).map((version) =>
    h(
      "li",
      { class: "row between" },
      versionTitle(version),
      version.uri === data.uri
        ? h("span", { class: "tag done" }, "chosen")
        : h(
            "span",
            { class: "row" },
            actionButton("Differences", () => showDifferences(version), { class: "link" }),
            actionButton("Choose", () => chooseVersion(version.uri), { class: "link" }),
          ),
    ),
  );
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Versions"),
    h("ol", { class: "versions plain" }, items),
    differences,
  );
}

/** @param {ListedVersion} version */
function versionTitle(version) {
  const facts = version.num_photos
    ? ` · ${pluralize(version.num_photos, "photo")} · ${formatDateTime(version.created ?? "")}`
    : "";
  return h(
    "span",
    {},
    h("b", {}, `v${version.number}`),
    ` ${version.what}`,
    facts ? h("span", { class: "soft" }, facts) : "",
  );
}

/** @param {string} uri */
async function chooseVersion(uri) {
  await changeData("api/data/choose", { uri });
  await post("api/audit");
}

/** The versions of data that DVC tracks in this repository, as listed by `darkroom data list`. */
export function dvcCard() {
  const list = h("div", {});
  const ontoggle = async (/** @type {{ currentTarget: HTMLDetailsElement }} */ { currentTarget }) => {
    if (!currentTarget.open || list.children.length) return;
    /** @type {DvcVersion[]} */
    const versions = await get("api/data/dvc").catch(() => []);
    const help = "None yet. Create one on the command line: darkroom data add";
    list.replaceChildren(versions.length ? dvcTable(versions) : h("p", { class: "soft" }, help));
  };
  return h("details", { class: "card fold", ontoggle }, h("summary", {}, "Versions tracked by DVC"), list);
}

/** @param {DvcVersion[]} versions */
function dvcTable(versions) {
  const rows = versions.map((version) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, version.path),
      h("td", {}, version.commit.slice(0, 12)),
      h("td", {}, version.date),
      h("td", {}, formatCount(version.num_files ?? 1)),
      h("td", {}, version.subject),
    ),
  );
  const head = tableHead(["Data", "Version", "Date", "Files", "Description"]);
  return h("div", { class: "scroll" }, h("table", { class: "small" }, head, h("tbody", {}, rows)));
}

/**
 * @param {DataChanges} changes
 * @param {number} number The number of the version that the chosen version is compared with.
 */
function changesView(changes, number) {
  const relabelings = changes.relabeled.map(([path, oldClass, newClass]) => `${path}: ${oldClass} → ${newClass}`);
  const lists = [
    changeList(changes.num_added, "added", changes.added),
    changeList(changes.num_removed, "removed", changes.removed),
    changeList(changes.num_relabeled, "relabeled", relabelings),
  ];
  const rows = Object.entries(changes.counts)
    .filter(([, [oldCount, newCount]]) => oldCount !== newCount)
    .map(([className, counts]) => {
      const cells = counts.map((number) => h("td", {}, formatCount(number)));
      return h("tr", {}, h("th", { scope: "row" }, className), cells);
    });
  return h(
    "div",
    { role: "status" },
    h("h3", {}, `From v${number} to the chosen version`),
    lists,
    h("table", { class: "small" }, tableHead(["Class", "Before", "Now"]), h("tbody", {}, rows)),
  );
}

/**
 * @param {number} number
 * @param {string} change
 * @param {string[]} lines
 */
function changeList(number, change, lines) {
  const items = lines.map((line) => h("li", {}, line));
  return h(
    "details",
    {},
    h("summary", {}, `${formatCount(number)} ${change}`),
    h("ul", { class: "plain small path" }, items),
  );
}
