// Try and serve: photos on any finished model, its service, and its promotion.

import { get, post, put, query } from "../client/api.js";
import { action, card, complain, copied, h, percent, plural, say, when } from "../elements/dom.js";
import { answers, on, state } from "../client/state.js";
import { shoot } from "../elements/camera.js";

let shown = null;
export const commands = () => shown?.startsWith("package-") ? [`darkroom serve packages/${shown.slice(8)}`]
  : [`darkroom serve ${shown ?? "RUN"}`, `darkroom predict PHOTOS --run ${shown ?? "RUN"} --output predictions.csv`];

export async function show(page, [asked]) {
  const found = await get("/api/runs");
  const models = [...found.runs.filter((run) => run.status === "finished").map((run) => [run.run_id, `${run.model} on ${run.data}, ${when(run.started)} · ${percent(run.validation.accuracy.value)}${run.promoted ? " · promoted" : ""}`]),
    ...found.packages.map((name) => [name, `${name.slice(8)} with ImageNet's classes`])];
  page.append(h("h1", {}, "Try and serve"));
  if (!models.length) {
    page.append(h("p", { class: "lead" }, "There is no finished model yet."), h("a", { class: "button main", href: "#training" }, "To the training"));
    return null;
  }
  shown = models.some(([key]) => key === asked) ? asked : models[0][0];
  const answers = h("ol", { class: "answers plain", "aria-label": "Answers" });
  const told = h("p", { class: "soft", role: "status" });
  let waiting = 0;
  let done = 0;
  const add = async (files) => {
    waiting += files.length;
    for (const file of files) {
      answers.prepend(await answer(file));
      done += 1;
      told.textContent = `${done} of ${plural(waiting, "photo")} answered.`;
    }
    say(told.textContent);
  };
  const input = h("input", { type: "file", class: "away", id: "photos", multiple: true, accept: "image/*", onchange: (event) => {
    add([...event.target.files]).catch(complain);
    event.target.value = "";
  } });
  const drop = h("section", { class: "card drop", "aria-label": "Photos", ondragover: (event) => {
    event.preventDefault();
    drop.classList.add("over");
  }, ondragleave: () => drop.classList.remove("over"), ondrop: (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add([...event.dataTransfer.files]).catch(complain);
  } }, h("p", { class: "large" }, "Drop photos here"), h("p", { class: "soft" }, "They are looked at and not kept."),
  h("div", { class: "row centre" }, h("label", { class: "button main", htmlFor: "photos" }, "Choose photos"), input, action("Camera", () => shoot("A photo to try", (file) => add([file]).catch(complain)))));
  const choice = h("select", { id: "model", "aria-label": "Model", onchange: (event) => { location.hash = `#try/${event.target.value}`; } }, models.map(([key, text]) => h("option", { value: key, selected: key === shown }, text)));
  const service = h("div", {});
  page.append(h("p", {}, choice), drop, told, answers, service);
  const draw = () => service.replaceChildren(serviceCard(), shown.startsWith("package-") ? "" : promotionCard(found.runs.find((run) => run.run_id === shown)));
  draw();
  return on("jobs", draw);
}

async function answer(file) {
  const model = shown;
  const picture = h("img", { class: "photo", alt: file.name, src: URL.createObjectURL(file), onerror: () => { picture.alt = ""; } });
  const item = h("li", { class: "card answer" }, picture);
  try {
    const given = await put(`/api/models/${encodeURIComponent(model)}/predict`, file);
    const strange = given.unfamiliar !== null && given.unfamiliar > 1;
    const where = action("Show where", async (button) => {
      if (button.getAttribute("aria-pressed") === "true") {
        picture.src = URL.createObjectURL(file);
        button.setAttribute("aria-pressed", "false");
        button.textContent = "Show where";
        return;
      }
      const map = await put(`/api/models/${encodeURIComponent(model)}/explain?${query({ class_name: given.label })}`, file);
      picture.src = map.overlay;
      button.setAttribute("aria-pressed", "true");
      button.textContent = "Hide";
    }, { class: "link", "aria-pressed": "false" });
    item.append(h("div", { class: "said" }, h("p", { class: "soft small path" }, file.name), h("p", { class: "label" }, given.abstained ? `Unsure: perhaps ${given.label}` : given.label),
      given.abstained ? h("p", { class: "small warn" }, "It is not sure enough to say.") : null, strange ? h("p", { class: "small warn" }, "Unlike all that it learnt from: its answer may mean nothing.") : null,
      h("ul", { class: "plain shares" }, given.probabilities.slice(0, 3).map(([name, share]) => h("li", {}, h("span", {}, name), h("span", { class: "soft small" }, percent(share)), h("meter", { value: share, "aria-hidden": "true" })))), where));
  } catch (error) {
    item.classList.add("failed");
    item.append(h("div", { class: "said" }, h("p", { class: "soft small path" }, file.name), h("p", { class: "label" }, "No answer"), h("p", { class: "fault small" }, error.message)));
  }
  return item;
}

function serviceCard() {
  const going = state.jobs.find((one) => one.kind === "serve" && ["waiting", "running"].includes(one.state));
  const last = state.jobs.find((one) => one.kind === "serve" && one.about.model === shown);
  if (!going) {
    return card("Serve it", h("p", {}, "Programs ask it over HTTP, and people on its own page."), last?.state === "failed" ? h("p", { class: "fault" }, last.error) : null,
      action("Start the service", () => post(`/api/models/${encodeURIComponent(shown)}/serve`), { class: "button main", id: "serve" }));
  }
  const { url, model } = going.about;
  return card("Served", h("p", {}, model === shown ? "This model answers at " : `${model} is served at `, h("a", { href: url, target: "_blank", rel: "noopener" }, url), ". ", readiness(going)),
    h("h3", {}, "From a shell"), copied(`curl -F files=@PHOTO.jpg ${url}/predict`),
    h("h3", {}, "From Python"), copied(`from pathlib import Path\n\nfrom components.deploy.client import ServiceClient\n\nwith ServiceClient("${url}") as client:\n    print(client.predict([Path("PHOTO.jpg").read_bytes()]))`),
    action("Stop the service", () => post(`/api/jobs/${going.id}`, { action: "stop" }), { id: "unserve" }));
}

function readiness(going) {
  const told = h("span", { role: "status", id: "served" }, "It starts …");
  const look = async () => {
    while (!await answers(going.id)) if (!told.isConnected) return;
    told.textContent = "It is ready.";
  };
  setTimeout(() => look().catch(() => {}));
  return told;
}

function promotionCard(run) {
  const last = state.jobs.find((one) => one.kind === "promote" && one.about.model === shown);
  const told = h("p", { role: "status", class: last?.state === "failed" ? "fault" : "" }, last?.error ?? "The gate looks …");
  if (last?.state === "done") {
    told.textContent = "The gate has answered.";
    get(`/api/jobs/${last.id}`).then(({ output }) => { told.textContent = output.reason; }).catch(complain);
  }
  return card("Promote it", h("p", {}, run?.promoted ? "It was made champion when it was built." : "The champion is what others roll out. The gate's verdict decides; what has changed since is looked at anew."),
    run ? h("p", {}, "It was judged ", h("b", {}, run.verdict), ": ", run.reasons.join(" ")) : null,
    last ? told : null,
    action("Ask the gate", () => post(`/api/models/${encodeURIComponent(shown)}/promote`), { id: "promote" }));
}

