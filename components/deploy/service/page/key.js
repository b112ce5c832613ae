// The form for the API key, which this tab keeps until it is closed.

import { byId } from "./dom.js";

/** Shows the form; a key that the service refused is forgotten. */
export function askForKey() {
  byId("key-wrong").hidden = !sessionStorage.getItem("key");
  sessionStorage.removeItem("key");
  byId("key").hidden = false;
  byId("key-text").focus();
}

/**
 * Keeps each key that a person enters.
 * @param {() => unknown} onKey
 */
export function acceptKeys(onKey) {
  byId("key").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = byId("key-text", HTMLInputElement);
    sessionStorage.setItem("key", input.value.trim());
    input.value = "";
    onKey();
  });
}
