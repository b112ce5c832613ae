// Code that sends a photo to a service and shows the prediction.

/**
 * The same request in three languages, none of which needs additional packages.
 * @param {string} url The address of the service.
 * @returns {[language: string, code: string][]}
 */
export const snippets = (url) => [
  ["curl", `curl -F files=@PHOTO.jpg ${url}/predict`],
  ["Python", pythonCode(url)],
  ["JavaScript", javascriptCode(url)],
];

/** @param {string} url */
const pythonCode = (url) => `import json
from pathlib import Path
from urllib.request import Request, urlopen

photo = Path("PHOTO.jpg").read_bytes()
head = b'--photo\\r\\nContent-Disposition: form-data; name="files"; filename="PHOTO.jpg"\\r\\n\\r\\n'
body = head + photo + b"\\r\\n--photo--\\r\\n"
headers = {"Content-Type": "multipart/form-data; boundary=photo"}
with urlopen(Request("${url}/predict", body, headers)) as answer:
    print(json.load(answer))`;

/** @param {string} url */
const javascriptCode = (url) => `import { openAsBlob } from "node:fs";

const form = new FormData();
form.append("files", await openAsBlob("PHOTO.jpg"), "PHOTO.jpg");
const answer = await fetch("${url}/predict", { method: "POST", body: form });
console.log(await answer.json());`;
