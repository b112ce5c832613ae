// The audit: how far it is, what it found, and what shall be done about it.

import { get, post, query } from "../client/api.js";
import { action, complain, count, h, photo, plural, say, select } from "../elements/dom.js";
import { change, changeData, on, resolved, value } from "../client/state.js";

const WORDS = { ignore: "Accept", report: "Tell only", quarantine: "Leave the photos out", fail: "Stop the run" };
const SPLITS = ["train", "validation", "test"];

export function auditCard(data) {
  const element = h("section", { class: "card", "aria-labelledby": "audit-title" });
  const kept = { decisions: new Map(), open: new Set() }; // what a person did here outlives a drawing
  let last = "";
  let standing = "";
  const look = async () => {
    const view = await get("/api/audit");
    const now = JSON.stringify(view);
    if (now === last) return;
    last = now;
    if (view.state === "done" && standing === "running") say("The photos have been looked through.");
    standing = view.state;
    draw(element, view, data, kept, look);
  };
  look().catch(complain);
  const timer = setInterval(() => (["running", "waiting"].includes(standing) ? look() : null)?.catch?.(() => {}), 700);
  const offs = [on("jobs", () => look().catch(() => {})), on("draft", () => look().catch(() => {}))];
  return { element, leave: () => {
    clearInterval(timer);
    offs.forEach((off) => off());
  } };
}

function draw(element, view, data, kept, look) {
  const busy = ["running", "waiting"].includes(view.state);
  const start = action(view.info ? "Look again" : "Look through the photos", async () => {
    await post("/api/audit");
    await look();
  }, { class: view.info ? "button small" : "button main", id: "audit" });
  element.replaceChildren(
    h("div", { class: "row between" }, h("h2", { id: "audit-title" }, "What the audit finds"), busy ? null : start),
    busy ? h("div", { role: "status" }, h("progress", { "aria-label": "The audit runs" }), h("p", { class: "soft small" }, view.state === "waiting" ? "Waits for the job before it." : view.told || "Starting …")) : "",
    view.state === "failed" ? h("p", { class: "fault", role: "alert" }, view.error) : "",
    !view.info && !busy && view.state !== "failed" ? h("p", { class: "soft" }, "Broken, copied, leaked, mislabelled or odd photos are found before they cost a training.") : "",
    view.info ? findings(view, data, kept) : "",
  );
}

function findings(view, data, kept) {
  const { info } = view;
  const { decisions } = kept;
  const total = SPLITS.map((split) => Object.values(info.counts[split]).reduce((sum, one) => sum + one, 0));
  const bar = h("div", { class: "decide", hidden: true });
  const tellDecisions = () => {
    for (const one of document.querySelectorAll(".case select")) one.value = spoken(decisions, one.dataset.path);
    bar.hidden = decisions.size === 0;
    bar.replaceChildren(h("p", {}, `${plural(decisions.size, "decision")} made. They become a new version of the data; your photos stay where they are.`),
      h("div", { class: "row" }, action("Make the version", async () => {
        await changeData("/api/data/decide", { decisions: Object.fromEntries(decisions) });
        decisions.clear();
        await post("/api/audit");
      }, { class: "button main" }), action("Forget them", () => {
        decisions.clear();
        tellDecisions();
      }, { class: "link" })));
  };
  tellDecisions();
  return h("div", {},
    h("p", {}, `${count(info.num_kept)} of ${plural(info.num_files, "file")} are kept: ${SPLITS.map((split, place) => `${count(total[place])} ${split}`).join(", ")}. `,
      h("a", { href: "/audit.html", target: "_blank", rel: "noopener" }, "The whole report")),
    chart(info),
    info.findings.length ? h("ul", { class: "findings" }, info.findings.map((finding) => findingLine(finding, view, data, kept, tellDecisions))) : h("p", { class: "good" }, "Nothing to mend was found."),
    accepted(), bar);
}

// What was accepted is not looked for any more; here it can be taken back.
function accepted() {
  const kinds = Object.entries(value("preprocess.audit") ?? {}).filter(([, policy]) => policy === "ignore").map(([kind]) => kind);
  return kinds.length ? h("p", { class: "row small", id: "accepted" }, "Accepted, and no longer told: ", kinds.map((kind) => h("span", { class: "row" }, kind.replaceAll("_", " "), action("Tell again", async () => {
    await change({}, [`preprocess.audit.${kind}`]);
    await post("/api/audit");
  }, { class: "link", "aria-label": `Tell ${kind.replaceAll("_", " ")} again` })))) : "";
}

function findingLine(finding, view, data, { decisions, open }, tell) {
  const options = (view.policies[finding.kind] ?? []).map((name) => [name, WORDS[name]]);
  const policy = resolved(`preprocess.audit.${finding.kind}`) ?? finding.policy;
  return h("li", {}, h("details", { class: "finding", open: open.has(finding.kind), ontoggle: (event) => { open[event.target.open ? "add" : "delete"](finding.kind); } },
    h("summary", {}, h("span", { class: `tag ${finding.policy}` }, finding.num_photos ? plural(finding.num_photos, "photo") : "the set"), h("b", {}, finding.title), " ", h("span", { class: "soft" }, finding.message)),
    h("p", { class: "small" }, finding.advice),
    options.length ? h("label", { class: "row small" }, "What shall happen? ", select(options, policy, async (chosen) => {
      await change({ [`preprocess.audit.${finding.kind}`]: chosen });
      await post("/api/audit").catch(complain);
    })) : null,
    h("ul", { class: "cases" }, finding.cases.flatMap((one) => one.photos.slice(0, 4).map((each) => caseLine(each, one.note, data, decisions, tell)))),
    finding.num_cases > finding.cases.length ? h("p", { class: "soft small" }, `${count(finding.num_cases - finding.cases.length)} more are in the report.`) : null));
}

// A decision as its choice is called; a photo may stand in several findings.
function spoken(decisions, path) {
  if (!decisions.has(path)) return "";
  return decisions.get(path) === null ? "-" : `=${decisions.get(path)}`;
}

function caseLine(found, note, data, decisions, tell) {
  const known = data.classes.length > 0;
  const choice = select([["", "Keep as it is"], ["-", "Take it out"], ...data.classes.filter((each) => each.name !== found.class_name).map((each) => [`=${each.name}`, `It is ${each.name}`])],
    spoken(decisions, found.path), (chosen) => {
      if (chosen === "") decisions.delete(found.path);
      else decisions.set(found.path, chosen === "-" ? null : chosen.slice(1));
      tell();
    }, { "aria-label": `What shall become of ${found.path}`, dataset: { path: found.path } });
  return h("li", { class: "case" }, photo(`/api/data/photo?${query({ path: found.path, side: 160 })}`, found.path),
    h("p", { class: "small path" }, found.path.split("/").slice(-2).join("/")), h("p", { class: "soft small" }, [found.class_name, found.split, found.kept ? null : "left out"].filter(Boolean).join(" · "), note ? ` · ${note}` : ""),
    known && found.class_name !== null ? choice : null);
}

function chart(info) {
  const names = Object.keys(info.counts.train);
  const sums = names.map((name) => SPLITS.reduce((sum, split) => sum + info.counts[split][name], 0));
  const most = Math.max(1, ...sums);
  return h("figure", { class: "bars" },
    h("figcaption", { class: "row small" }, SPLITS.map((split) => [h("span", { class: `key ${split}` }), split])),
    h("ul", { class: "plain" }, names.map((name, place) => h("li", {}, h("span", { class: "name" }, name),
      h("span", { class: "track", role: "img", "aria-label": SPLITS.map((split) => `${info.counts[split][name]} ${split}`).join(", ") }, SPLITS.map((split) => h("span", { class: split, style: { width: `${(100 * info.counts[split][name]) / most}%` } }))),
      h("span", { class: "soft" }, count(sums[place]))))));
}
