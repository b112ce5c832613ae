// Going on from what an earlier run has learnt.

import { get } from "../client/api.js";
import { action, h, percent, when } from "../elements/dom.js";
import { change, value } from "../client/state.js";

export async function goOn(panel, drawFoot) {
  const { runs } = await get("/api/runs");
  const finished = runs.filter((run) => run.status === "finished");
  const draw = () => panel.replaceChildren(h("section", { class: "card" }, h("h2", {}, "Earlier runs"),
    h("p", { class: "soft" }, "The network goes on whole where the classes are the same; else it gets a new head."),
    finished.length ? h("ul", { class: "plain lines" }, finished.map((run) => h("li", { class: "row between" },
      h("span", {}, h("b", {}, run.model), h("span", { class: "soft" }, ` on ${run.data}, ${when(run.started)} · validation ${percent(run.validation.accuracy.value)}`)),
      value("train.model.from") === run.run_id ? h("span", { class: "tag done" }, "chosen") : action("Go on from it", async () => {
        await change({ "train.model": { from: run.run_id } });
        draw();
        drawFoot();
      }, { class: "button small" })))) : h("p", {}, "There is no finished run yet.")));
  draw();
}
