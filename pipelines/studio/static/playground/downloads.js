// The card for exporting a model to several formats and downloading the results.

import { get, post } from "../client/api.js";
import { isUnfinished } from "../client/state.js";
import { actionButton, card, h } from "../elements/dom.js";

/** @type {{ [format: string]: string }} */
const FORMAT_NAMES = {
  bento: "Service (bento)",
  savedmodel: "TensorFlow SavedModel",
  onnx: "ONNX",
  litert: "LiteRT, for phones",
  "litert-int8": "LiteRT with int8 weights",
  openvino: "OpenVINO",
};

/**
 * The card with the downloads; `update` refreshes the state of each format.
 * @param {string} model
 */
export function downloadsCard(model) {
  const list = h("ul", { class: "plain lines" });
  const path = `api/models/${encodeURIComponent(model)}/exports`;
  const update = async () => {
    /** @type {{ [format: string]: string }} */
    const states = await get(path);
    list.replaceChildren(...Object.entries(states).map(([format, state]) => formatItem(format, state)));
  };
  /**
   * @param {string} format
   * @param {string} state
   */
  const formatItem = (format, state) => {
    const name = FORMAT_NAMES[format] ?? format;
    const href = `models/${encodeURIComponent(model)}/${format}.zip`;
    const make = async () => {
      await post(path, { format });
      await update();
    };
    const action =
      state === "ready"
        ? h("a", { class: "button small", href, download: "", "aria-label": `Download ${name}` }, "Download")
        : isUnfinished({ state })
          ? h("progress", { "aria-label": `Exporting ${name} …` })
          : actionButton(state === "failed" ? "Try again" : "Export", make, {
              class: "button small",
              "aria-label": `Export ${name}`,
            });
    const note =
      state === "failed" ? h("span", { class: "fault small" }, "The export failed; see the list of jobs.") : null;
    return h("li", { class: "row between" }, h("span", {}, name, " ", note), action);
  };
  const help = "Before you can download an exported model, its predictions are compared with those of the service.";
  return { element: card("Download", h("p", { class: "soft" }, help), list), update };
}
