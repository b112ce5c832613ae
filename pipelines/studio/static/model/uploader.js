// A model of one's own: sent, looked at by the safe import, and used where it is taken.

import { get, post, query, send } from "../client/api.js";
import { action, complain, count, field, h, select } from "../elements/dom.js";
import { change, on, value } from "../client/state.js";

const PIXELS = ["0 to 255", "-1 to 1", "0 to 1", "ImageNet mean and deviation", "BGR less ImageNet mean"];
const HEADS = [["", "Its own, as it is: its classes are mine"], ["linear", "A new one: pooling and dropout"], ["dense", "A new one with 100 units"], ["vgg", "A new one as VGG has it"]];
const GIVES = { softmax: "probabilities", sigmoid: "a probability for each", values: "values without an activation", features: "a map of features, without a head" };

export async function uploader(panel, drawFoot) {
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
  const list = h("div", {});
  const input = h("input", { type: "file", class: "away", id: "model-file", accept: ".keras,.h5,.hdf5,.zip", onchange: (event) => upload(event.target.files[0]) });
  const upload = async (file) => {
    if (!file) return;
    bar.hidden = false;
    try {
      await send(`/api/model/upload?${query({ name: file.name })}`, file, (share) => { bar.value = share; });
      await load();
    } catch (error) {
      complain(error);
    }
    bar.hidden = true;
    input.value = "";
  };
  const load = async () => {
    const found = await get("/api/model/uploads");
    list.replaceChildren(...found.map((each) => reportCard(each, drawFoot, load)));
  };
  panel.replaceChildren(h("section", { class: "card door", ondragover: (event) => event.preventDefault(), ondrop: (event) => { event.preventDefault(); upload(event.dataTransfer.files[0]); } },
    h("h2", {}, "Upload your model"), h("p", { class: "soft" }, "Nothing of the file is run: its weights are read in a confined process, its layers are compared with a list, and the network is built anew."),
    h("div", { class: "row" }, h("label", { class: "button main", htmlFor: "model-file" }, "Choose a file"), input), bar), list);
  await load();
  return on("jobs", () => load().catch(() => {}));
}

function reportCard(each, drawFoot, load) {
  const { report } = each;
  const busy = ["waiting", "running"].includes(each.state);
  const chosen = value("train.model.path") === each.about.file;
  const head = h("div", { class: "row between" }, h("h3", {}, each.about.name), busy ? h("span", { class: "tag running" }, "is looked at") : report?.accepted ? h("span", { class: "tag done" }, chosen ? "chosen" : "can be used") : h("span", { class: "tag failed" }, "refused"));
  if (busy) return h("section", { class: "card" }, head, h("progress", { "aria-label": "It is looked at" }));
  if (!report?.accepted) {
    return h("section", { class: "card" }, head, h("p", { class: "fault" }, report?.reason ?? each.error ?? "It could not be looked at."),
      field("Only weights? Then say of which network", select([["", "…"], "MobileNetV2", "ResNet50", "DenseNet121", "VGG16", "Xception", "InceptionV3", "EfficientNetV2B0", "EfficientNetV2S", "NASNetMobile", "ConvNeXtTiny", "ConvNeXtSmall"], each.about.architecture, async (architecture) => {
        if (architecture) await post("/api/model/check", { name: each.about.name, architecture }).then(load).catch(complain);
      })));
  }
  const { model } = report;
  const facts = [["Form", `${model.form}, Keras ${model.keras_version}`], ["Takes", model.input_shape.map((side) => side ?? "any").join(" × ")], ["Gives", `${model.output_shape.join(" × ")} ${GIVES[model.output] ?? ""}`],
    ["Layers", count(model.num_layers)], ["Weights", count(model.num_parameters)], ["Pixels", model.preprocessing ? `${model.preprocessing.pixels}. ${model.preprocessing.why}` : "not told"], ["SHA-256", model.uploaded_sha256.slice(0, 16)]];
  let head_ = chosen ? value("train.model.head") ?? "" : model.output === "features" ? "linear" : "";
  let pixels = (chosen ? value("train.model.pixels") : null) ?? model.preprocessing?.pixels ?? "0 to 1";
  const take = async () => {
    const known = model.preprocessing?.is_certain;
    await change({ "train.model": { path: each.about.file, ...(each.about.architecture ? { name: each.about.architecture } : {}), ...(head_ ? { head: head_ } : {}), ...(known ? {} : { pixels }) } });
    drawFoot();
    await load();
  };
  return h("section", { class: "card" }, head, h("dl", { class: "facts-list small" }, facts.map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])),
    h("div", { class: "fields" }, field("Its end", select(HEADS, head_, (given) => { head_ = given; if (chosen) take().catch(complain); }), "A new head learns your classes on its features."),
      model.preprocessing?.is_certain ? null : field("Pixels that it learnt from", select(PIXELS, pixels, (given) => { pixels = given; if (chosen) take().catch(complain); }), "Ask whoever trained it; nothing is guessed in silence.")),
    chosen ? h("p", { class: "good" }, "This is chosen.") : action("Use it", take, { class: "button main" }));
}
