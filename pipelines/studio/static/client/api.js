// Talking to the studio's server: answers as JSON, refusals as errors with a sentence.

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function read(response) {
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = { error: text || `The studio answered ${response.status}.` };
  }
  if (!response.ok) throw new Refused(body.error ?? `The studio answered ${response.status}.`, response.status);
  return body;
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Refused("The studio does not answer. Is it still running? What was started goes on.", 0);
  }
}

export const get = async (path) => read(await reach(path));

export const post = async (path, body = {}) =>
  read(await reach(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));

export const put = async (path, file) => read(await reach(path, { method: "PUT", body: file }));

// As put, for large files: tells how far it is.
export function send(path, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    request.upload.addEventListener("progress", (event) => progress(event.loaded / Math.max(1, event.total)));
    request.addEventListener("load", () => {
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        body = { error: request.responseText };
      }
      if (request.status < 300) resolve(body);
      else reject(new Refused(body.error || `The studio answered ${request.status}.`, request.status));
    });
    request.addEventListener("error", () => reject(new Refused("The upload was cut off. Send it again.", 0)));
    request.send(file);
  });
}

export const query = (given) => new URLSearchParams(given).toString();
