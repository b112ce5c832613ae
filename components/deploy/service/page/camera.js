// Photos from the camera of this computer or phone.

import { byId, messageOf } from "./dom.js";

/** @type {MediaStream | null} */
let stream = null;

async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    byId("camera-files").click(); // without HTTPS, there is no camera access; phones then offer their camera app
    return;
  }
  const shoot = byId("shoot", HTMLButtonElement);
  byId("camera-window", HTMLDialogElement).showModal();
  byId("camera-wrong").hidden = true;
  shoot.disabled = true;
  try {
    const constraints = { video: { facingMode: "environment", width: { ideal: 1280 } } };
    stream = await navigator.mediaDevices.getUserMedia(constraints);
    byId("video", HTMLVideoElement).srcObject = stream;
    shoot.disabled = false;
    shoot.focus();
  } catch (error) {
    byId("camera-wrong").textContent = `Cannot use a camera: ${messageOf(error)}. Choose a photo instead.`;
    byId("camera-wrong").hidden = false;
  }
}

/** @param {(photos: File[]) => unknown} addPhotos */
function takePhoto(addPhotos) {
  const video = byId("video", HTMLVideoElement);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  canvas.toBlob(
    (blob) => blob && addPhotos([new File([blob], "from the camera", { type: blob.type })]),
    "image/jpeg",
    0.92,
  );
}

function closeCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  byId("video", HTMLVideoElement).srcObject = null;
  byId("camera").focus();
}

/**
 * Activates the camera's buttons.
 * @param {(photos: File[]) => unknown} addPhotos
 */
export function acceptCamera(addPhotos) {
  const dialog = byId("camera-window", HTMLDialogElement);
  byId("camera").addEventListener("click", openCamera);
  byId("shoot").addEventListener("click", () => {
    takePhoto(addPhotos);
    dialog.close();
  });
  byId("camera-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", closeCamera);
}
