// Uploads a folder of class folders from this computer, photo by photo.

import { post, put, query } from "../client/api.js";
import { changeData } from "../client/state.js";
import { h, showProblem } from "../elements/dom.js";
import { formatCount, pluralize } from "../elements/format.js";
import { classOfPath, rootOfPath } from "./folder_paths.js";
import { uploadAll } from "./upload_queue.js";

/** @typedef {{ file: File, path: string }} FolderFile A file, and its path, which starts with the chosen folder. */

const PHOTO = /\.(jpe?g|png|webp|bmp|tiff?|gif|hei[cf])$/i;
const NUM_FAILURES = 3;

/**
 * Returns `input`, which lets the user choose a folder, and `send`, which uploads the files of a folder. The progress
 * stays visible on all screens.
 * @param {() => Promise<void>} onDone
 */
export function folderUpload(onDone) {
  /** @param {FolderFile[]} files */
  const send = async (files) => {
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Upload" });
    const status = h("p", { class: "small", role: "status" }, "Uploading the folder …");
    const toast = h("div", { class: "toast" }, status, bar);
    document.body.append(toast);
    try {
      await sendFolder(files, (numDone, numFiles) => {
        bar.value = numDone / numFiles;
        status.textContent = `${formatCount(numDone)} of ${pluralize(numFiles, "photo")} uploaded`;
      });
      await onDone();
    } catch (error) {
      showProblem(error);
    }
    toast.remove();
  };
  const input = h("input", {
    type: "file",
    class: "away",
    id: "folder",
    multiple: true,
    onchange: async ({ currentTarget }) => {
      const files = [...(currentTarget.files ?? [])].map((file) => ({ file, path: file.webkitRelativePath }));
      currentTarget.value = "";
      await send(files);
    },
  });
  input.toggleAttribute("webkitdirectory", true);
  return { input, send };
}

/**
 * @param {FolderFile[]} files
 * @param {(numDone: number, numFiles: number) => void} onProgress
 */
async function sendFolder(files, onProgress) {
  const photos = files.filter(({ path, file }) => PHOTO.test(path) && file.size > 0 && classOfPath(path));
  const classNames = [...new Set(photos.map(({ path }) => classOfPath(path)))];
  if (classNames.length < 2) {
    const found = `${pluralize(files.length, "file")} in ${pluralize(classNames.length, "class folder")}`;
    throw new Error(`The folder must contain at least two folders with photos, one per class; found ${found}.`);
  }
  await changeData("api/data/make", { name: rootOfPath(photos[0].path) });
  for (const name of classNames) await post("api/data/classes", { name });
  const classes = new Map(photos.map(({ file, path }) => [file, classOfPath(path)]));
  const { failures } = await uploadAll(
    photos.map(({ file }) => file),
    (file) => put(`api/data/photos?${query({ class: classes.get(file) ?? "", name: file.name })}`, file),
    (numDone) => onProgress(numDone, photos.length),
  );
  await post("api/data/uploaded");
  if (failures.length) {
    const numbers = `${formatCount(failures.length)} of ${pluralize(photos.length, "photo")}`;
    showProblem(`${numbers} could not be uploaded. ${failures.slice(0, NUM_FAILURES).join(" ")}`);
  }
}

/**
 * The dropped files, including those in folders.
 * @param {DataTransfer} transfer
 * @returns {Promise<FolderFile[]>}
 */
export async function filesOfDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return (await Promise.all(entries.map(filesOfEntry))).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<FolderFile[]>}
 */
async function filesOfEntry(entry) {
  if (entry instanceof FileSystemFileEntry) {
    /** @type {File} */
    const file = await new Promise((resolve, reject) => {
      entry.file(resolve, reject);
    });
    return [{ file, path: entry.fullPath.slice(1) }];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const reader = entry.createReader();
  /** @type {FolderFile[]} */
  const files = [];
  while (true) {
    /** @type {FileSystemEntry[]} */
    const entries = await new Promise((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (!entries.length) return files;
    for (const inner of entries) files.push(...(await filesOfEntry(inner)));
  }
}
