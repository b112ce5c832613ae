// The Data screen: the source of the photos, the classes, and the audit.

import { get } from "../client/api.js";
import { latest } from "../client/latest.js";
import { on } from "../client/state.js";
import { child, h, showProblem } from "../elements/dom.js";
import { auditCard } from "./audit.js";
import { classesCard, newClassForm } from "./classes.js";
import { dataDoors } from "./doors.js";
import { dvcCard, versionsCard } from "./versions.js";

/** @import { Commands } from "../client/types.js" */
/** @import { DataAnswer, DataView } from "./types.js" */

/**
 * The command-line equivalents of this screen.
 * @param {Commands} all
 */
export const commands = ({ data }) => [data];

/**
 * Fills the page; the returned function cleans up when the user leaves the screen.
 * @param {HTMLElement} page
 * @param {string[]} parts The parts of the address: `photos` and a class, to show its photos.
 */
export async function show(page, [part, className = ""]) {
  if (part === "photos") {
    const { showPhotos } = await import("../photos/photos.js");
    return showPhotos(page, className);
  }
  const lead = h("p", { class: "lead" }, "Photos, in one folder per class. Your files are only read, never changed.");
  const doorsPart = h("div", {});
  const dataPart = h("div", {});
  const newClass = newClassForm();
  page.append(h("div", { class: "row between head" }, h("div", {}, h("h1", {}, "Photos"), lead)), doorsPart, dataPart);
  /** @type {ReturnType<typeof auditCard> | null} */
  let audit = null;
  let lastDoors = "";
  /** @type {() => Promise<{ answer: DataAnswer } | null>} */
  const request = latest(() => get("api/data"));
  const draw = async () => {
    const received = await request();
    if (!received) return;
    const { answer } = received;
    const isTyping = newClass.contains(document.activeElement);
    audit?.leave();
    audit = null;
    // Open panels and typed text in these cards are kept until other photos are chosen.
    const doors = JSON.stringify([answer.data?.uri, answer.own]);
    if (doors !== lastDoors) doorsPart.replaceChildren(doorsView(answer));
    lastDoors = doors;
    const { data, versions } = answer;
    if (!data) {
      dataPart.replaceChildren();
      return;
    }
    audit = data.fault || (!data.classes.length && data.editable) ? null : auditCard(data);
    dataPart.replaceChildren(
      classesCard(data, draw, newClass),
      audit?.element ?? "",
      versions.length ? versionsCard(data, versions) : "",
      dvcCard(),
      nextStep(data),
    );
    if (isTyping) child(newClass, "input").focus();
  };
  await draw();
  const stopListening = on("data", () => draw().catch(showProblem));
  return () => {
    stopListening();
    audit?.leave();
  };
}

/** @param {DataAnswer} answer */
function doorsView(answer) {
  if (!answer.data) return dataDoors(answer);
  return h("details", { class: "card fold" }, h("summary", {}, "Choose other photos"), dataDoors(answer));
}

/** @param {DataView} data */
function nextStep(data) {
  const help = h("p", { class: "soft" }, "Next, choose a model; a suitable one is suggested.");
  return h(
    "div",
    { class: "next sticky" },
    data.fault ? h("p", { class: "fault" }, data.fault) : help,
    h("a", { class: "button main", href: "#model", id: "next" }, "Next: model"),
  );
}
