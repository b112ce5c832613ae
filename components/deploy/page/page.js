// The page of the service: photos in, answers beside them. It speaks to its own service alone.

const GROUP_FILES = 8;
const GROUP_BYTES = 24 * 2 ** 20;
const FIRST_BARS = 5;
const RETRIES = 6;

const at = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const sureness = (share) => (share > 0.9995 ? "> 99.9 %" : percent(share)); // no answer is certain
const queue = [];
let model = null;
let working = false;

class Refused extends Error {}
class KeyNeeded extends Error {}

async function ask(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...(options.headers ?? {}), ...(key ? { "X-API-Key": key } : {}) };
  for (let attempt = 0; ; attempt += 1) {
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch {
      throw new Refused("The service cannot be reached. Try again in a moment.");
    }
    if (response.status === 401) throw new KeyNeeded();
    if (response.status === 503 && attempt < RETRIES) {
      await new Promise((done) => setTimeout(done, 500 * 2 ** attempt));
      continue;
    }
    return response;
  }
}

// --- the model -------------------------------------------------------------------------------------------------------

async function showModel() {
  try {
    model = await (await ask("model")).json();
  } catch (error) {
    if (error instanceof KeyNeeded) return askForKey();
    at("about").textContent = error.message;
    return;
  }
  at("key").hidden = true;
  at("logged").hidden = !model.predictions_logged;
  const name = model.tag.split(":")[0];
  document.title = name;
  at("name").textContent = name;
  const perHundred = (share) => Math.round(100 * share);
  const sure = model.test
    ? `Expect ${perHundred(model.test.accuracy.low)} to ${perHundred(model.test.accuracy.high)} right answers in a hundred photos of the kind it was made for`
    : "It was not evaluated";
  at("about").textContent = `Tells ${model.class_names.length} classes apart. ${sure}.`;
  showFacts();
  showSamples();
}

function showFacts() {
  const facts = [];
  const interval = (one) => `${percent(one.value)} (${percent(one.low)} to ${percent(one.high)})`;
  if (model.model) facts.push(["Network", model.precision === "int8" ? `${model.model}, in int8` : model.model]);
  if (model.test) {
    facts.push(["Accuracy on test photos", interval(model.test.accuracy)]);
    facts.push(["Macro F1", interval(model.test.macro_f1)]);
    facts.push(["Test photos", model.test.num_images.toLocaleString("en")]);
  }
  if (model.verdict) facts.push(["Verdict", model.verdict]);
  facts.push(["Confidence", model.calibrated ? "calibrated" : "not calibrated: often too sure"]);
  const threshold = model.abstention?.threshold;
  if (threshold != null) facts.push(["Says that it is unsure", threshold > 0 ? `below ${percent(threshold)}` : "never: all its answers are good enough"]);
  facts.push(["Shows where by", model.explanation]);
  facts.push(["Bento", model.tag, true]);
  facts.push(["Data", model.lineage.dataset_fingerprint.slice(0, 16), true]);
  if (model.lineage.source.dvc) facts.push(["DVC hash", model.lineage.source.dvc, true]);
  if (model.lineage.source.git_revision) facts.push(["Git revision", model.lineage.source.git_revision.replace(/^([0-9a-f]{12})[0-9a-f]*/, "$1"), true]);
  if (model.lineage.mlflow_run_id) facts.push(["MLflow run", model.lineage.mlflow_run_id, true]);
  const list = at("facts");
  list.replaceChildren(...facts.map(([term, text, coded]) => fact(term, text, coded)));
  const classes = fact("Classes", model.class_names.join(", "), false);
  classes.className = "wide";
  list.append(classes);
}

function fact(term, text, coded) {
  const box = document.createElement("div");
  const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
  dt.textContent = term;
  const place = coded ? document.createElement("code") : dd;
  place.textContent = text;
  if (coded) dd.append(place);
  box.append(dt, dd);
  return box;
}

async function showSamples() {
  let samples = [];
  try {
    samples = await (await ask("samples.json")).json();
  } catch {
    return; // without samples the page works as well
  }
  at("offer").hidden = samples.length === 0;
  const buttons = await Promise.all(samples.map(async (sample) => {
    const blob = await (await ask(sample.url)).blob();
    const file = new File([blob], sample.url.split("/").pop(), { type: blob.type });
    const [item, button, image] = ["li", "button", "img"].map((name) => document.createElement(name));
    button.type = "button";
    button.title = `Try this photo: ${sample.class_name}`;
    image.alt = `Try this photo of class ${sample.class_name}`;
    image.src = URL.createObjectURL(blob);
    image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth <= 64));
    button.append(image);
    button.addEventListener("click", () => add([file], `a test photo of class ${sample.class_name}`));
    item.append(button);
    return item;
  }));
  at("samples").replaceChildren(...buttons);
}

function askForKey() {
  at("key-wrong").hidden = !sessionStorage.getItem("key");
  sessionStorage.removeItem("key");
  at("key").hidden = false;
  at("key-text").focus();
}

at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", at("key-text").value.trim());
  at("key-text").value = "";
  showModel().then(work);
});

// --- photos in -------------------------------------------------------------------------------------------------------

function add(files, name) {
  if (files.length === 0) return;
  at("answers-part").hidden = false;
  for (const file of files) {
    const card = newCard(file, name ?? file.name);
    queue.push({ file, card });
  }
  tellProgress();
  work();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  queue[queue.length - files.length]?.card.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

function newCard(file, name) {
  const card = at("card").content.firstElementChild.cloneNode(true);
  card.classList.add("waiting");
  card.querySelector(".file").textContent = name;
  card.querySelector(".verdict").textContent = "Waiting …";
  const photo = card.querySelector(".photo");
  photo.alt = name;
  photo.addEventListener("load", () => photo.classList.toggle("tiny", photo.naturalWidth <= 64));
  photo.addEventListener("error", () => {
    photo.hidden = true;
    card.querySelector(".none").hidden = false;
  });
  photo.src = URL.createObjectURL(file);
  at("cards").prepend(card);
  return card;
}

async function work() {
  if (working) return;
  working = true;
  while (queue.length > 0) {
    const group = nextGroup();
    try {
      const answers = await predict(group.map((one) => one.file));
      group.forEach((one, place) => show(one, answers[place]));
    } catch (error) {
      if (error instanceof KeyNeeded) {
        queue.unshift(...group);
        askForKey();
        break;
      }
      if (!(error instanceof Refused)) throw error;
      group.forEach((one) => show(one, { error: { message: error.message } }));
    }
    tellProgress();
  }
  working = false;
}

function nextGroup() {
  const group = [];
  let size = 0;
  while (queue.length > 0 && group.length < GROUP_FILES && (group.length === 0 || size + queue[0].file.size <= GROUP_BYTES)) {
    size += queue[0].file.size;
    group.push(queue.shift());
  }
  return group;
}

async function predict(files) {
  const form = new FormData();
  files.forEach((file) => form.append("files", file));
  const response = await ask("predict", { method: "POST", body: form });
  const answer = await response.json();
  if (answer.predictions?.length === files.length) return answer.predictions;
  throw new Refused(answer.error?.message ?? `The service answered ${response.status}.`);
}

function tellProgress() {
  const numAll = at("cards").children.length;
  const numDone = numAll - at("cards").querySelectorAll(".waiting").length;
  const photos = numAll === 1 ? "photo" : "photos";
  at("status").textContent = numDone < numAll ? `${numDone} of ${numAll} ${photos} answered …` : `${numAll} ${photos} answered.`;
}

// --- answers ---------------------------------------------------------------------------------------------------------

function show({ file, card }, answer) {
  card.classList.remove("waiting");
  const verdict = card.querySelector(".verdict");
  const doubt = card.querySelector(".doubt");
  if (answer.error) {
    card.classList.add("failed");
    verdict.textContent = "No answer";
    doubt.textContent = answer.error.message;
    doubt.hidden = false;
    return;
  }
  const strange = answer.unfamiliar !== null && answer.unfamiliar > 1;
  const doubts = [];
  if (answer.abstained) doubts.push("The model is not sure enough to say. Its best guess is shown.");
  if (strange) doubts.push("This photo is unlike those that the model learnt from, so its answer may mean nothing.");
  card.classList.toggle("unsure", doubts.length > 0);
  verdict.textContent = answer.abstained ? `Unsure: perhaps ${answer.label}` : answer.label;
  doubt.textContent = doubts.join(" ");
  doubt.hidden = doubts.length === 0;
  showBars(card, answer.probabilities, FIRST_BARS);
  card.querySelector(".tools").hidden = false;
  const id = card.querySelector(".id");
  id.hidden = false;
  id.textContent = `Prediction ${answer.id}`;
  const where = card.querySelector(".where");
  where.setAttribute("aria-label", `Show where in ${card.querySelector(".file").textContent}`);
  where.addEventListener("click", () => toggleMap(card, file, answer.label));
}

function showBars(card, probabilities, number) {
  const bars = probabilities.slice(0, number).map((one) => {
    const [item, name, share, meter] = ["li", "span", "span", "meter"].map((tag) => document.createElement(tag));
    name.textContent = one.label;
    share.className = "share";
    share.textContent = sureness(one.probability);
    meter.value = one.probability;
    meter.setAttribute("aria-hidden", "true");
    item.append(name, share, meter);
    return item;
  });
  card.querySelector(".bars").replaceChildren(...bars);
  const all = card.querySelector(".all");
  all.hidden = number >= probabilities.length;
  all.textContent = `All ${probabilities.length} classes`;
  all.onclick = () => showBars(card, probabilities, probabilities.length);
}

async function toggleMap(card, file, label) {
  const [map, button, how] = [".map", ".where", ".how"].map((name) => card.querySelector(name));
  if (map.src) {
    map.hidden = !map.hidden;
    button.setAttribute("aria-pressed", String(!map.hidden));
    button.textContent = map.hidden ? "Show where" : "Hide";
    how.hidden = map.hidden;
    return;
  }
  if (button.disabled) return;
  button.disabled = true;
  how.textContent = "Looking …";
  try {
    const form = new FormData();
    form.append("files", file);
    const response = await ask(`explain?class_name=${encodeURIComponent(label)}`, { method: "POST", body: form });
    const answer = await response.json();
    if (!answer.overlay) throw new Refused(answer.error?.message ?? `The service answered ${response.status}.`);
    map.alt = `Where ${label} was found`;
    map.src = answer.overlay;
    map.hidden = false;
    button.textContent = "Hide";
    button.setAttribute("aria-pressed", "true");
    how.textContent = `Bright: speaks for ${label} (${answer.method})`;
  } catch (error) {
    how.textContent = error instanceof KeyNeeded ? "The key was not taken." : error.message;
  }
  button.disabled = false;
}

// --- ways in ---------------------------------------------------------------------------------------------------------

for (const id of ["files", "camera-files"]) {
  at(id).addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
}

const drop = at("drop");
let depth = 0;
document.addEventListener("dragenter", () => drop.classList.toggle("over", (depth += 1) > 0));
document.addEventListener("dragleave", () => drop.classList.toggle("over", (depth -= 1) > 0));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  drop.classList.remove("over");
  add([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => add([...event.clipboardData.files]));
at("clear").addEventListener("click", () => {
  for (const card of at("cards").children) URL.revokeObjectURL(card.querySelector(".photo").src);
  at("cards").replaceChildren();
  queue.length = 0;
  at("answers-part").hidden = true;
  at("files").focus();
});

const cameraWindow = at("camera-window");
let stream = null;

at("camera").addEventListener("click", async () => {
  if (!navigator.mediaDevices?.getUserMedia) return at("camera-files").click(); // not a secure page: phones offer theirs
  cameraWindow.showModal();
  at("camera-wrong").hidden = true;
  at("shoot").disabled = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
    at("video").srcObject = stream;
    at("shoot").disabled = false;
    at("shoot").focus();
  } catch (error) {
    at("camera-wrong").textContent = `No camera can be used: ${error.message}. Choose a photo instead.`;
    at("camera-wrong").hidden = false;
  }
});
at("shoot").addEventListener("click", () => {
  const video = at("video");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => add([new File([blob], "from the camera", { type: blob.type })]), "image/jpeg", 0.92);
  cameraWindow.close();
});
at("camera-close").addEventListener("click", () => cameraWindow.close());
cameraWindow.addEventListener("close", () => {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  at("video").srcObject = null;
  at("camera").focus();
});

showModel();
