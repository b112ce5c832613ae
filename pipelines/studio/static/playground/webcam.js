// Continuously classifies what the camera shows.

import { put } from "../client/api.js";
import { capture } from "../elements/camera.js";
import { h, openDialog, showProblem } from "../elements/dom.js";
import { labelText, shareItems } from "./answer.js";

/** @import { Prediction } from "../results/types.js" */

const PAUSE_MILLISECONDS = 250;

/**
 * Opens a window that shows the camera and the answers until the user closes it.
 * @param {string} model
 */
export async function watchCamera(model) {
  /** @type {MediaStream | null} */
  let stream = null;
  const video = h("video", { autoplay: true, playsInline: true, muted: true });
  const answer = h("p", { class: "large", role: "status", id: "seen" }, "Starting the camera …");
  const shares = h("ul", { class: "plain shares" });
  const ask = async (/** @type {Blob} */ blob) => {
    /** @type {Prediction} */
    const prediction = await put(`api/models/${encodeURIComponent(model)}/predict`, blob);
    const text = labelText(prediction);
    if (answer.textContent !== text) answer.textContent = text;
    shares.replaceChildren(...shareItems(prediction, 0));
  };
  const look = () => {
    if (!dialog.isConnected) return;
    const again = () => setTimeout(look, PAUSE_MILLISECONDS);
    if (!video.videoWidth) again();
    else capture(video, (blob) => ask(blob).then(again, stop));
  };
  const stop = (/** @type {unknown} */ error) => {
    dialog.close();
    showProblem(error);
  };
  const onclose = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
  };
  /** @type {HTMLDialogElement} */
  const dialog = openDialog(
    { class: "camera", "aria-label": "Camera", onclose },
    video,
    answer,
    shares,
    h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close"),
  );
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } } });
    video.srcObject = stream;
    look();
  } catch (error) {
    stop(
      new Error(`The camera cannot be used: ${error instanceof Error ? error.message : error}. Choose photos instead.`),
    );
  }
}
