import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import {
  KeyNeededError,
  refusal,
  request,
  waitMilliseconds,
} from "../../../../components/deploy/service/page/client.js";
import * as facts from "../../../../components/deploy/service/page/facts.js";
import * as predictions from "../../../../components/deploy/service/page/predictions.js";

/** @import { ModelCard } from "../../../../components/deploy/service/page/types.js" */

const MIB = 2 ** 20;

/** @param {number[]} sizes */
const queueOf = (sizes) => sizes.map((size) => ({ file: { size } }));

test("a batch holds at most eight photos and 24 MiB, or one larger photo", () => {
  for (const [sizes, expected] of /** @type {[number[], number[]][]} */ ([
    [Array(20).fill(1), [8, 8, 4]],
    [[24 * MIB], [1]],
    [
      [12 * MIB, 12 * MIB, 1],
      [2, 1],
    ],
    [
      [12 * MIB, 12 * MIB + 1],
      [1, 1],
    ],
    [
      [100 * MIB, 100 * MIB],
      [1, 1],
    ],
    [[], [0]],
  ])) {
    const queue = queueOf(sizes);
    for (const number of expected) assert.equal(predictions.takeBatch(queue).length, number);
    assert.equal(queue.length, 0);
  }
});

test("a batch is taken from the front of the queue, in order", () => {
  const queue = queueOf([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const sizes = predictions.takeBatch(queue).map((entry) => entry.file.size);
  assert.deepEqual(sizes, [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(queue[0].file.size, 9);
});

test("the progress counts the answered photos", () => {
  assert.equal(predictions.progressText(0, 1), "0 of 1 photo processed …");
  assert.equal(predictions.progressText(3, 4), "3 of 4 photos processed …");
  assert.equal(predictions.progressText(1, 1), "1 photo processed.");
});

test("no probability is shown as 100 %", () => {
  assert.equal(predictions.probability(1), "> 99.9 %");
  assert.equal(predictions.probability(0.99951), "> 99.9 %");
  assert.equal(predictions.probability(0.9994), "99.9 %");
  assert.equal(predictions.probability(0), "0.0 %");
});

test("doubts are shown only if the model abstains or the photo is unfamiliar", () => {
  const sure = { id: "1", label: "cat", abstained: false, unfamiliar: 1, probabilities: [] };
  assert.deepEqual(predictions.wordingOf(sure), { verdict: "cat", doubts: [] });
  assert.deepEqual(predictions.wordingOf({ ...sure, unfamiliar: null }).doubts, []);
  const unsure = predictions.wordingOf({ ...sure, abstained: true, unfamiliar: 1.001 });
  assert.equal(unsure.verdict, "Unsure: perhaps cat");
  assert.equal(unsure.doubts.length, 2);
});

/** @type {ModelCard} */
const MODEL = {
  tag: "colors:abc123",
  class_names: ["red", "green"],
  model: "small cnn",
  precision: "int8",
  test: {
    accuracy: { value: 0.9, low: 0.844, high: 0.946 },
    macro_f1: { value: 0.89, low: 0.8, high: 0.95 },
    num_images: 1200,
  },
  verdict: "first",
  calibrated: true,
  abstention: { threshold: 0.6 },
  explanation: "occlusion",
  predictions_logged: false,
  lineage: {
    dataset_fingerprint: "0123456789abcdef0123",
    source: { dvc: null, git_revision: "0123456789abcdef-dirty" },
    mlflow_run_id: null,
  },
};

test("a model is described by its test metrics", () => {
  assert.equal(facts.nameOf(MODEL), "colors");
  assert.match(
    facts.expectation(MODEL),
    /^Distinguishes 2 classes. Expect 84 to 95 correct answers in a hundred photos /,
  );
  const certain = { ...MODEL, test: { ...MODEL.test, accuracy: { value: 1, low: 0.996, high: 1 } } };
  assert.match(facts.expectation(certain), /Expect 99 to 100 correct answers/);
  const texts = new Map(facts.factsOf(MODEL).map(({ term, text }) => [term, text]));
  assert.equal(texts.get("Network"), "small cnn, in int8");
  assert.equal(texts.get("Test photos"), "1,200");
  assert.equal(texts.get("Abstains"), "below 60.0 %");
  assert.equal(texts.get("Data"), "0123456789abcdef");
  assert.equal(texts.get("Git revision"), "0123456789ab-dirty");
  assert.ok(!texts.has("MLflow run") && !texts.has("DVC hash"));
});

test("no accuracy is claimed for a model that was not evaluated", () => {
  const model = { ...MODEL, test: null, verdict: null, model: null, abstention: null };
  assert.equal(facts.expectation(model), "Distinguishes 2 classes. It was not evaluated.");
  const terms = facts.factsOf(model).map(({ term }) => term);
  assert.deepEqual(terms, ["Confidence", "Explanation", "Bento", "Data", "Git revision"]);
});

test("a threshold of zero never withholds an answer", () => {
  const texts = facts.factsOf({ ...MODEL, abstention: { threshold: 0 } }).map(({ text }) => text);
  assert.ok(texts.includes("never"));
});

test("a revision is only shortened if it is a hash", () => {
  assert.equal(facts.shortRevision("0123456789abcdef0123456789abcdef01234567"), "0123456789ab");
  assert.equal(facts.shortRevision("v1.2"), "v1.2");
});

/**
 * Runs a server that answers one request after another with these statuses, while `work` runs.
 * @param {number[]} statuses
 * @param {(url: string, keys: (string | string[] | undefined)[]) => Promise<void>} work
 */
async function serve(statuses, work) {
  /** @type {(string | string[] | undefined)[]} */
  const keys = [];
  const server = createServer((incoming, response) => {
    keys.push(incoming.headers["x-api-key"]);
    response.writeHead(statuses.shift() ?? 500).end("{}");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  try {
    await work(`http://127.0.0.1:${port}/model`, keys);
  } finally {
    server.close();
    server.closeAllConnections();
    sessionStorage.clear();
  }
}

test("the API key of the tab is sent, and requested again if the service rejects it", async () => {
  await serve([200, 200, 401], async (url, keys) => {
    await request(url);
    sessionStorage.setItem("key", "secret");
    assert.equal((await request(url)).status, 200);
    assert.deepEqual(keys, [undefined, "secret"]);
    await assert.rejects(request(url), KeyNeededError);
  });
});

test("a request is repeated until the service is ready, and other refusals are returned", async () => {
  await serve([503, 200, 422], async (url, keys) => {
    assert.equal((await request(url)).status, 200);
    assert.equal(keys.length, 2);
    assert.equal((await request(url)).status, 422);
  });
});

test("each wait is twice as long as the one before", () => {
  assert.deepEqual([0, 1, 5].map(waitMilliseconds), [500, 1000, 16000]);
});

test("a service that cannot be reached is reported", async () => {
  let address = "";
  await serve([], async (url) => {
    address = url;
  });
  await assert.rejects(request(address), { message: "The service cannot be reached. Try again in a moment." });
});

test("a refusal contains the message of the service, or else its status", () => {
  assert.equal(refusal({ error: { message: "No photo." } }, 422).message, "No photo.");
  assert.equal(refusal({}, 500).message, "The service responded with status 500.");
});

test("a search in a thousand classes lists only the first matches", () => {
  const names = Array.from({ length: 1000 }, (_, number) => `article ${number}`);
  assert.equal(facts.describeMatches(names, "ARTICLE 99"), `article 99, ${names.slice(990).join(", ")}`);
  assert.ok(facts.describeMatches(names, "").endsWith("article 59 and 940 more"));
  assert.equal(facts.describeMatches(names, "hat"), "No class name contains this text.");
});
