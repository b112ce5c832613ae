// Photos from the camera of this computer or phone.

import { complain, h } from "./dom.js";

export async function shoot(title, take) {
  if (!navigator.mediaDevices?.getUserMedia) {
    const input = h("input", { type: "file", accept: "image/*", capture: "environment", onchange: (event) => event.target.files[0] && take(event.target.files[0]) });
    input.click();
    return;
  }
  let stream = null;
  const video = h("video", { autoplay: true, playsInline: true, muted: true });
  const told = h("p", { class: "soft small", role: "status" });
  let number = 0;
  const dialog = h("dialog", { class: "camera", "aria-label": title, onclose: () => {
    stream?.getTracks().forEach((track) => track.stop());
    dialog.remove();
  } }, h("h2", {}, title), video, told, h("div", { class: "row" },
    h("button", { type: "button", class: "button main", onclick: () => {
      const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext("2d").drawImage(video, 0, 0);
      canvas.toBlob((blob) => {
        number += 1;
        told.textContent = `${number} taken.`;
        take(new File([blob], `camera-${Date.now()}.jpg`, { type: "image/jpeg" }));
      }, "image/jpeg", 0.92);
    } }, "Take the photo"), h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
    video.srcObject = stream;
  } catch (error) {
    dialog.close();
    complain(`No camera can be used: ${error.message}. Choose photos instead.`);
  }
}
