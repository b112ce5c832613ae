// The layers of the model as a tree of check boxes: whole blocks or single layers.

import { get } from "../client/api.js";
import { h, plural } from "../elements/dom.js";
import { change, on, value } from "../client/state.js";

export async function layerTree(place) {
  const own = value("train.model.layers");
  if (own) {
    const names = own.map((spec) => Object.values(typeof spec === "string" ? {} : spec)[0]?.name).filter(Boolean);
    place.replaceChildren(names.length ? tree({ layers: names.map((name) => [name, name]) }) : h("p", { class: "soft small" }, "Give the layers names on the screen Model; then they can be chosen here."));
    return;
  }
  const found = await get("/api/model/layers");
  if (found.state === "none") {
    place.replaceChildren(h("p", { class: "soft small" }, "The names are known for pretrained networks and for your own; choose one on the screen Model."));
  } else if (found.state !== "done") {
    place.replaceChildren(found.error ? h("p", { class: "fault" }, found.error) : h("div", {}, h("progress", { "aria-label": "The layers are read" }), h("p", { class: "soft small" }, "The layers of this network are read once …")));
    const off = on("jobs", () => {
      if (!place.isConnected) return off();
      off();
      return layerTree(place);
    });
  } else place.replaceChildren(tree(found));
}

function tree({ layers }) {
  const standing = value("train.trainable");
  const chosen = new Set(Array.isArray(standing) ? standing : []);
  const groups = new Map();
  for (const [name, group] of layers) groups.set(group, [...(groups.get(group) ?? []), name]);
  const keep = () => {
    // A block of which all are chosen is named as a whole, where no other begins alike.
    const names = layers.map(([name]) => name).filter((name) => chosen.has(name));
    change(names.length ? { "train.trainable": names } : {}, names.length ? [] : ["train.trainable"]);
  };
  for (const name of [...chosen]) {
    if (!name.includes("*")) continue;
    chosen.delete(name);
    const pattern = new RegExp(`^${name.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
    for (const [each] of layers) if (pattern.test(each)) chosen.add(each);
  }
  return h("ul", { class: "tree plain", "aria-label": "Layers that learn" }, [...groups].map(([group, names]) => {
    const boxes = names.map((name) => h("input", { type: "checkbox", checked: chosen.has(name), onchange: (event) => {
      if (event.target.checked) chosen.add(name);
      else chosen.delete(name);
      settle();
      keep();
    } }));
    const whole = h("input", { type: "checkbox", onchange: (event) => {
      boxes.forEach((box, number) => {
        box.checked = event.target.checked;
        if (event.target.checked) chosen.add(names[number]);
        else chosen.delete(names[number]);
      });
      settle();
      keep();
    } });
    const settle = () => {
      const number = boxes.filter((box) => box.checked).length;
      whole.checked = number === boxes.length;
      whole.indeterminate = number > 0 && number < boxes.length;
    };
    settle();
    if (names.length === 1) return h("li", {}, h("label", {}, boxes[0], ` ${names[0]}`));
    return h("li", {}, h("details", {}, h("summary", {}, h("label", {}, whole, ` ${group} `, h("span", { class: "soft small" }, plural(names.length, "layer")))),
      h("ul", { class: "plain" }, names.map((name, number) => h("li", {}, h("label", {}, boxes[number], ` ${name}`))))));
  }));
}
