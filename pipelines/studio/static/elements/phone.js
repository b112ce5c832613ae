// Photos from the camera of a phone on the same network.

import { parseAnswer, post } from "../client/api.js";
import { h, openDialog, showProblem, svg } from "./dom.js";

/** @typedef {{ url: string, modules: string[] }} PhonePage `modules` are the rows of the QR code; 1 is dark. */

const QUIET_MODULES = 4;

/**
 * The SVG path of a QR code's dark modules.
 * @param {string[]} modules
 */
export function qrPath(modules) {
  return modules
    .flatMap((row, y) =>
      [...row.matchAll(/1+/g)].map(({ 0: run, index: x }) => `M${x} ${y}h${run.length}v1h-${run.length}z`),
    )
    .join("");
}

/** @param {string[]} modules */
function qrPicture(modules) {
  const side = modules.length + 2 * QUIET_MODULES;
  const options = { viewBox: `${-QUIET_MODULES} ${-QUIET_MODULES} ${side} ${side}`, class: "qr", role: "img" };
  const picture = svg("svg", options, svg("path", { d: qrPath(modules) }));
  picture.setAttribute("aria-label", "QR code of the address below");
  return picture;
}

/**
 * Shows a QR code that opens a page on the phone, and receives the phone's photos until the user closes the window.
 * @param {string} title
 * @param {(photo: File) => unknown} onPhoto
 */
export async function receivePhotos(title, onPhoto) {
  /** @type {PhonePage} */
  const { url, modules } = await post("api/phone");
  const status = h("p", { role: "status" }, "Waiting for a photo …");
  /** @type {HTMLDialogElement} */
  const dialog = openDialog(
    { class: "camera phone", "aria-label": title, onclose: () => post("api/phone/close").catch(showProblem) },
    h("h2", {}, title),
    h("p", {}, "Scan this code with the camera of a phone on the same network:"),
    qrPicture(modules),
    h("p", { class: "small" }, h("a", { href: url, target: "_blank", rel: "noopener" }, url)),
    h(
      "p",
      { class: "soft small" },
      "The page can only send photos, and stops working when you close this window. If the phone cannot open the " +
        "page, the phone may be on a different network, or a firewall on this computer may block it.",
    ),
    status,
    h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close"),
  );
  const receive = async () => {
    let numPhotos = 0;
    while (dialog.isConnected) {
      const photo = await nextPhoto();
      if (!photo || !dialog.isConnected) continue;
      numPhotos += 1;
      status.textContent = `Photos received: ${numPhotos}.`;
      await onPhoto(photo);
    }
  };
  receive().catch((error) => {
    if (!dialog.isConnected) return;
    dialog.close();
    showProblem(error);
  });
}

/** Waits briefly for a photo; null if none arrived. */
async function nextPhoto() {
  const response = await fetch("api/phone/photo", { method: "POST" });
  if (!response.ok) parseAnswer(await response.text(), response.status);
  if (response.status === 204) return null;
  return new File([await response.blob()], `phone-${Date.now()}.jpg`, { type: "image/jpeg" });
}
