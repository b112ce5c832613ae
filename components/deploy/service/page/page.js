// The page of the service: accepts photos and shows answers. It sends requests only to this service.

import { acceptCamera } from "./camera.js";
import { byId } from "./dom.js";
import { acceptKeys } from "./key.js";
import { showModel } from "./model.js";
import { addPhotos, clearPhotos, predictWaiting } from "./prediction_queue.js";

function acceptFiles() {
  for (const id of ["files", "camera-files"]) {
    const input = byId(id, HTMLInputElement);
    input.addEventListener("change", () => {
      addPhotos(input.files ?? []);
      input.value = "";
    });
  }
  document.addEventListener("paste", (event) => addPhotos(event.clipboardData?.files ?? []));
}

function acceptDrops() {
  const zone = byId("drop");
  let depth = 0; // number of nested elements under the pointer
  document.addEventListener("dragenter", () => {
    depth += 1;
    zone.classList.toggle("over", depth > 0);
  });
  document.addEventListener("dragleave", () => {
    depth -= 1;
    zone.classList.toggle("over", depth > 0);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    zone.classList.remove("over");
    addPhotos(event.dataTransfer?.files ?? []);
  });
}

acceptKeys(() => showModel().then(predictWaiting));
acceptFiles();
acceptDrops();
acceptCamera(addPhotos);
byId("clear").addEventListener("click", clearPhotos);
showModel();
