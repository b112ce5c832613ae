// Photos from the camera of this computer or phone.

import { h, openDialog, showProblem } from "./dom.js";

/**
 * Takes photos until the user closes the window. If the page cannot use the camera, it asks the browser for one photo;
 * on a phone, the browser then opens the camera app.
 * @param {string} title
 * @param {(photo: File) => unknown} onPhoto
 */
export async function takePhotos(title, onPhoto) {
  if (!navigator.mediaDevices?.getUserMedia) {
    const input = h("input", {
      type: "file",
      accept: "image/*",
      capture: "environment",
      onchange: () => {
        const photo = input.files?.[0];
        if (photo) onPhoto(photo);
      },
    });
    input.click();
    return;
  }
  /** @type {MediaStream | null} */
  let stream = null;
  let numTaken = 0;
  const video = h("video", { autoplay: true, playsInline: true, muted: true });
  const status = h("p", { class: "soft small", role: "status" });
  const takePhoto = () =>
    capture(video, (blob) => {
      numTaken += 1;
      status.textContent = `Photos taken: ${numTaken}.`;
      onPhoto(new File([blob], `camera-${Date.now()}.jpg`, { type: "image/jpeg" }));
    });
  const close = () => {
    dialog.close();
  };
  const onclose = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
  };
  /** @type {HTMLDialogElement} */
  const dialog = openDialog(
    { class: "camera", "aria-label": title, onclose },
    h("h2", {}, title),
    video,
    status,
    h(
      "div",
      { class: "row" },
      h("button", { type: "button", class: "button main", onclick: takePhoto }, "Take photo"),
      h("button", { type: "button", class: "button", onclick: close }, "Close"),
    ),
  );
  try {
    const constraints = { video: { facingMode: "environment", width: { ideal: 1280 } } };
    stream = await navigator.mediaDevices.getUserMedia(constraints);
    video.srcObject = stream;
  } catch (error) {
    dialog.close();
    const reason = error instanceof Error ? error.message : error;
    showProblem(`The camera cannot be used: ${reason}. Choose photos instead.`);
  }
}

/**
 * Captures the current frame of a video as a JPEG.
 * @param {HTMLVideoElement} video
 * @param {(blob: Blob) => void} onBlob
 */
export function capture(video, onBlob) {
  const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  canvas.toBlob((blob) => blob && onBlob(blob), "image/jpeg", 0.92);
}
