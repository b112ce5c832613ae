// Data: where the photos are, what is in each class, and what the audit finds.

import { get, post, put, query, send } from "../client/api.js";
import { action, bytes, card, complain, count, field, h, percent, photo, plural, say } from "../elements/dom.js";
import { changeData, on, reload, state } from "../client/state.js";
import { auditCard } from "./audit.js";
import { places } from "./file_browser.js";
import { shoot } from "../elements/camera.js";
import { dvcCard, versionsCard } from "./versions.js";

export const commands = (all) => [all.data];
const AT_ONCE = 4;

export async function show(page) {
  const head = h("div", { class: "row between head" }, h("div", {}, h("h1", {}, "Photos"),
    h("p", { class: "lead" }, "A folder for each class. Yours are only read, never changed.")));
  const doorsPart = h("div", {});
  const dataPart = h("div", {});
  page.append(head, doorsPart, dataPart);
  const another = newClass();
  let audit = null;
  let drawn = "";
  const draw = async () => {
    const found = await get("/api/data");
    const typing = another.contains(document.activeElement);
    audit?.leave();
    audit = null;
    const stands = JSON.stringify([found.data?.uri, found.own]);
    if (stands !== drawn) doorsPart.replaceChildren(found.data ? h("details", { class: "card fold" }, h("summary", {}, "Choose other photos"), doors(found)) : doors(found));
    drawn = stands; // what is open or being typed there stays until other photos are chosen
    if (!found.data) {
      dataPart.replaceChildren();
      return;
    }
    const { data } = found;
    audit = data.fault || !data.classes.length && data.editable ? null : auditCard(data, found.versions);
    dataPart.replaceChildren(classesCard(data, draw, another), audit?.element ?? "", found.versions.length ? versionsCard(data, found.versions) : "", dvcCard(), nextStep(data));
    if (typing) another.querySelector("input").focus();
  };
  await draw();
  const off = on("data", () => draw().catch(complain));
  return () => {
    off();
    audit?.leave();
  };
}

async function chosen() {
  say("The photos are chosen.");
  await post("/api/audit").catch(() => {}); // data that are not whole yet are looked at later
}

function doors(found) {
  const archive = h("input", { type: "file", class: "away", id: "archive", accept: ".zip,.tar,.gz,.tgz,.bz2,.xz", onchange: (event) => upload(event.target.files[0]) });
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
  const told = h("p", { class: "soft small", role: "status" });
  const upload = async (file) => {
    if (!file) return;
    if (file.size > found.max_upload_bytes) return complain(`An archive may have ${bytes(found.max_upload_bytes)}; this one has ${bytes(file.size)}. Give its folder on this machine instead.`);
    bar.hidden = false;
    try {
      await send(`/api/data/archive?${query({ name: file.name, revision: state.draft.revision })}`, file, (share) => {
        bar.value = share;
        told.textContent = share < 1 ? `${percent(share, 0)} of ${bytes(file.size)} sent` : "Unpacking …";
      });
      await reload();
      await chosen();
    } catch (error) {
      complain(error);
    }
    bar.hidden = true;
    told.textContent = "";
    archive.value = "";
  };
  const name = h("input", { type: "text", id: "new-name", placeholder: "for instance: leaves", autocomplete: "off", maxLength: 60 });
  const make = async () => {
    await changeData("/api/data/make", { name: name.value.trim() || "photos" });
  };
  return h("div", { class: "doors" },
    h("section", { class: "card door" }, h("h2", {}, "On this computer"), h("p", { class: "soft" }, "A folder of class folders, an archive, or a table of paths and labels."),
      places(async (uri) => {
        await changeData("/api/data/choose", { uri });
        await chosen();
      })),
    h("section", { class: "card door", ondragover: (event) => event.preventDefault(), ondrop: (event) => { event.preventDefault(); upload(event.dataTransfer.files[0]); } },
      h("h2", {}, "Upload an archive"), h("p", { class: "soft" }, "A zip or tar of class folders. Drop it here, or choose it."),
      h("div", { class: "row" }, h("label", { class: "button", htmlFor: "archive" }, "Choose an archive"), archive), bar, told),
    h("section", { class: "card door" }, h("h2", {}, "Make your own"), h("p", { class: "soft" }, "Name the classes and drop photos into them, or take them with the camera."),
      field("What are they called?", name), action("Make classes", make, { id: "make" }),
      found.own.length ? h("p", { class: "soft small" }, "Made or uploaded here: ", found.own.map((each) => [action(each, async () => {
        await changeData("/api/data/choose", { uri: `.darkroom/studio/photos/${each}` });
        await chosen();
      }, { class: "link" }), " "])) : null),
    h("section", { class: "card door accent" }, h("h2", {}, "Just try it"), h("p", { class: "soft" }, "1,797 small scans of handwritten digits: from here to a trained model in about two minutes."),
      action("Use the digits", async () => {
        await changeData("/api/data/demo");
        await chosen();
      }, { class: "button main", id: "demo" })));
}

function nextStep(data) {
  return h("div", { class: "next sticky" }, data.fault ? h("p", { class: "fault" }, data.fault) : h("p", { class: "soft" }, "The choice of a model comes next; a good one is proposed."),
    h("a", { class: "button main", href: "#model", id: "next" }, "Next: the model"));
}

// --- classes ---------------------------------------------------------------------------------------------------------

function classesCard(data, draw, another) {
  const facts = data.classes.length ? `${plural(data.num_photos, "photo")} in ${plural(data.classes.length, "class", "classes")}` : "No classes yet";
  const given = data.splits.length ? ` · split as given: ${data.splits.join(", ")}` : "";
  const element = h("section", { class: "card" },
    h("div", { class: "row between" }, h("h2", {}, data.name), h("span", { class: "soft" }, facts + given)),
    h("p", { class: "soft small path" }, data.uri),
    data.fault ? h("p", { class: "fault", role: "alert" }, data.fault) : null,
    data.num_rejected ? h("details", {}, h("summary", {}, `${plural(data.num_rejected, "file")} that count for nothing`), h("ul", { class: "plain small" }, data.rejected.map(([path, why]) => h("li", {}, h("b", {}, path), " ", why)))) : null,
    h("div", { class: "classes" }, data.classes.map((each) => classCard(each, data, draw)), data.editable ? another : null),
    !data.classes.length && !data.editable ? h("p", { class: "soft" }, "The photos of an archive or an address are looked at when they are audited.") : null);
  return element;
}

function classCard(each, data, draw) {
  const element = h("section", { class: "class", "aria-label": each.name },
    h("div", { class: "row between" }, h("h3", {}, each.name), h("span", { class: "soft small" }, plural(each.num_photos, "photo"))),
    h("ul", { class: "thumbs" }, each.samples.slice(0, 8).map((path) => h("li", {}, photo(`/api/data/photo?${query({ path, side: 160 })}`, `A photo of ${each.name}`)))));
  if (!data.editable) return element;
  const told = h("p", { class: "soft small", role: "status" });
  const id = `files-${Math.random().toString(36).slice(2)}`;
  const add = (files) => addPhotos(each.name, [...files], told);
  const input = h("input", { type: "file", class: "away", id, multiple: true, accept: "image/*", "aria-label": `Photos for ${each.name}`, onchange: (event) => add(event.target.files) });
  element.append(told, h("div", { class: "row" }, h("label", { class: "button small", htmlFor: id }, "Add photos"), input,
    action("Camera", () => shoot(`A photo of ${each.name}`, (file) => add([file])), { class: "button small" }),
    action("Rename", async () => {
      const to = prompt("The new name of the class", each.name);
      if (to && to !== each.name) await post(`/api/data/classes/${encodeURIComponent(each.name)}`, { to }).then(draw);
    }, { class: "link" }),
    action("Remove", async () => {
      if (confirm(`Remove the class ${each.name} with its ${plural(each.num_photos, "copy", "copies")} of photos?`)) await post(`/api/data/classes/${encodeURIComponent(each.name)}`, { remove: true }).then(draw);
    }, { class: "link" })));
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    element.classList.remove("over");
    add(event.dataTransfer.files);
  });
  return element;
}

// One form for as long as the screen stands: what is being typed outlives that the classes are drawn anew.
function newClass() {
  const name = h("input", { type: "text", id: "class-name", "aria-label": "Name of a new class", placeholder: "Name of a class", autocomplete: "off", maxLength: 100 });
  return h("form", { class: "class new", onsubmit: async (event) => {
    event.preventDefault();
    try {
      await post("/api/data/classes", { name: name.value });
      name.value = "";
      await reload();
    } catch (error) {
      complain(error);
    }
    name.focus();
  } }, h("h3", {}, "Another class"), name, h("button", { class: "button", id: "add-class" }, "Add the class"));
}

// Thousands at once: a few are under way at a time, and those that fail are counted and named.
async function addPhotos(name, files, told) {
  const waiting = files.filter((file) => file.size > 0);
  const failed = [];
  let done = 0;
  const worker = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      try {
        await put(`/api/data/photos?${query({ class: name, name: file.name || "camera.jpg" })}`, file);
      } catch (error) {
        failed.push(`${file.name}: ${error.message}`);
        if (error.status === 507 || error.status === 0) waiting.length = 0;
      }
      done += 1;
      told.textContent = `${count(done)} of ${count(files.length)} …`;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failed.length) complain(`${plural(failed.length, "photo")} of ${count(files.length)} did not come in. ${failed.slice(0, 3).join(" ")}`);
  await post("/api/data/uploaded").catch(complain);
}
