// The files of a model to take away, made when they are asked for.

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
 * The card; `update` shows the formats as they are now.
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
          ? h("progress", { "aria-label": `${name} is being made` })
          : actionButton(state === "failed" ? "Try again" : "Make it", make, {
              class: "button small",
              "aria-label": `Make ${name}`,
            });
    const note =
      state === "failed" ? h("span", { class: "fault small" }, "It failed; the list of jobs says why.") : null;
    return h("li", { class: "row between" }, h("span", {}, name, " ", note), action);
  };
  const help = "Each format is compared with the service before it is offered.";
  return { element: card("Download it", h("p", { class: "soft" }, help), list), update };
}
