import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import * as api from "../../../../pipelines/studio/static/client/api.js";
import { latest } from "../../../../pipelines/studio/static/client/latest.js";

/**
 * Runs a server on this machine while `work` runs.
 * @param {import("node:http").RequestListener} listener
 * @param {(url: string) => Promise<void>} work
 */
async function serving(listener, work) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  try {
    await work(`http://127.0.0.1:${port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test("an answer is parsed, and a refusal becomes an error with its message", () => {
  assert.deepEqual(api.parseAnswer('{"revision": 3}', 200), { revision: 3 });
  assert.equal(api.parseAnswer("null", 200), null);
  for (const [text, message] of [
    ['{"error": "Choose photos first."}', "Choose photos first."],
    ["<h1>Bad gateway</h1>", "<h1>Bad gateway</h1>"],
    ["", "The studio answered with status 502."],
    ["null", "The studio answered with status 502."],
    ["{}", "The studio answered with status 502."],
  ]) {
    assert.throws(() => api.parseAnswer(text, 502), { message, status: 502 });
  }
});

test("requests send JSON and files, and read JSON", async () => {
  await serving(
    (request, response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        const type = request.headers["content-type"];
        response.end(JSON.stringify({ method: request.method, type, body: Buffer.concat(chunks).toString() }));
      });
    },
    async (url) => {
      assert.deepEqual(await api.get(url), { method: "GET", body: "" });
      assert.deepEqual(await api.post(url), { method: "POST", type: "application/json", body: "{}" });
      assert.deepEqual(await api.put(url, new Blob(["photo"])), { method: "PUT", body: "photo" });
    },
  );
});

test("an error has the status of the refusal, or 0 if the server does not answer", async () => {
  let address = "";
  await serving(
    (_request, response) => response.writeHead(409).end('{"error": "Changed meanwhile."}'),
    async (url) => {
      address = url;
      const error = await api.get(url).catch((reason) => reason);
      assert.ok(api.hasStatus(error, 507, 409));
      assert.ok(!api.hasStatus(error, 500));
      assert.equal(error.message, "Changed meanwhile.");
    },
  );
  const error = await api.get(address).catch((reason) => reason);
  assert.ok(api.hasStatus(error, 0));
  assert.ok(!api.hasStatus(new Error("else"), 0));
});

test("a request is repeated while the server is busy", async () => {
  let numRequests = 0;
  await serving(
    (_request, response) => {
      numRequests += 1;
      if (numRequests < 3) response.writeHead(503);
      response.end(numRequests < 3 ? '{"error": "The data is still being read."}' : '{"revision": 3}');
    },
    async (url) => {
      assert.deepEqual(await api.get(url, 1), { revision: 3 });
      assert.equal(numRequests, 3);
    },
  );
});

test("the answer to an older request is dropped", async () => {
  /** @type {((answer: string) => void)[]} */
  const answers = [];
  const request = latest(() => new Promise((/** @type {(answer: string) => void} */ resolve) => answers.push(resolve)));
  const [older, newer] = [request(), request()];
  answers[1]("new");
  answers[0]("old");
  assert.deepEqual(await Promise.all([older, newer]), [null, { answer: "new" }]);
});

test("a query is encoded", () => {
  assert.equal(api.query({ path: "a b&c/ü", side: 160 }), "path=a+b%26c%2F%C3%BC&side=160");
  assert.equal(api.query({}), "");
});
