// The ways to choose photos: a folder or file on this computer, an upload, a new data set, or the demo data.

import { post, query, upload } from "../client/api.js";
import { changeData, reload, state } from "../client/state.js";
import { actionButton, announce, field, h, ignoreFailure, showProblem } from "../elements/dom.js";
import { formatBytes, formatPercent } from "../elements/format.js";
import { fileBrowser } from "./file_browser.js";
import { filesOfDrop, folderUpload } from "./folder_upload.js";

/** @import { DataAnswer } from "./types.js" */

async function startAudit() {
  announce("The photos have been chosen.");
  await post("api/audit").catch(ignoreFailure); // fails while the data is incomplete
}

/** @param {string} uri */
async function chooseData(uri) {
  await changeData("api/data/choose", { uri });
  await startAudit();
}

/**
 * All ways to choose photos.
 * @param {DataAnswer} answer
 */
export function dataDoors(answer) {
  const useDigits = async () => {
    await changeData("api/data/demo");
    await startAudit();
  };
  return h(
    "div",
    { class: "doors" },
    h(
      "section",
      { class: "card door" },
      h("h2", {}, "On this computer"),
      h("p", { class: "soft" }, "A folder with one subfolder per class, an archive, or a table of paths and labels."),
      fileBrowser(chooseData),
    ),
    uploadDoor(answer.max_upload_bytes),
    newDataDoor(answer.own),
    h(
      "section",
      { class: "card door accent" },
      h("h2", {}, "Try the demo data"),
      h(
        "p",
        { class: "soft" },
        "1,797 small scans of handwritten digits. Training a model on them takes about two minutes.",
      ),
      actionButton("Use the digits", useDigits, { class: "button main", id: "demo" }),
    ),
  );
}

/** @param {number} maxBytes */
function uploadDoor(maxBytes) {
  const folder = folderUpload(startAudit);
  const input = h("input", {
    type: "file",
    class: "away",
    id: "archive",
    accept: ".zip,.tar,.gz,.tgz,.bz2,.xz",
    onchange: ({ currentTarget }) => uploadArchive(currentTarget.files?.[0]),
  });
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
  const status = h("p", { class: "soft small", role: "status" });
  /** @param {File | undefined} file */
  const uploadArchive = async (file) => {
    if (!file) return;
    if (file.size > maxBytes) {
      const sizes = `An archive may be at most ${formatBytes(maxBytes)}; this one is ${formatBytes(file.size)}.`;
      showProblem(`${sizes} Enter its path under "On this computer" instead.`);
      return;
    }
    bar.hidden = false;
    try {
      const path = `api/data/archive?${query({ name: file.name, revision: state.draft.revision })}`;
      await upload(path, file, (share) => {
        bar.value = share;
        status.textContent = share < 1 ? `${formatPercent(share, 0)} of ${formatBytes(file.size)} sent` : "Unpacking …";
      });
      await reload();
      await startAudit();
    } catch (error) {
      showProblem(error);
    }
    bar.hidden = true;
    status.textContent = "";
    input.value = "";
  };
  /** @param {DragEvent} event */
  const ondrop = async (event) => {
    event.preventDefault();
    const archive = event.dataTransfer?.files[0];
    const files = event.dataTransfer ? await filesOfDrop(event.dataTransfer).catch(() => []) : [];
    if (files.some(({ path }) => path.includes("/"))) await folder.send(files);
    else uploadArchive(archive);
  };
  return h(
    "section",
    { class: "card door", ondragover: (event) => event.preventDefault(), ondrop },
    h("h2", {}, "Upload"),
    h("p", { class: "soft" }, "Drop a folder with one subfolder per class, or a zip or tar file of such a folder."),
    h(
      "div",
      { class: "row" },
      h("label", { class: "button", htmlFor: "folder" }, "Choose a folder"),
      folder.input,
      h("label", { class: "button", htmlFor: "archive" }, "Choose an archive"),
      input,
    ),
    bar,
    status,
  );
}

/** @param {string[]} ownNames The names of the data sets that were created or uploaded in the studio. */
function newDataDoor(ownNames) {
  const name = h("input", {
    type: "text",
    id: "new-name",
    placeholder: "for example: leaves",
    autocomplete: "off",
    maxLength: 60,
  });
  const make = () => changeData("api/data/make", { name: name.value.trim() || "photos" });
  const links = ownNames.map((own) => [
    actionButton(own, () => chooseData(`.darkroom/studio/photos/${own}`), { class: "link" }),
    " ",
  ]);
  return h(
    "section",
    { class: "card door" },
    h("h2", {}, "Create a data set"),
    h("p", { class: "soft" }, "Create classes and drop photos into them, or take photos with the camera."),
    field("Name of the data set", name),
    actionButton("Create", make, { id: "make" }),
    links.length ? h("p", { class: "soft small" }, "Created or uploaded in the studio: ", links) : null,
  );
}
