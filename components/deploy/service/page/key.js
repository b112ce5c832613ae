// The form for the API key. The browser stores the key until the tab is closed.

import { byId } from "./dom.js";

/** Shows the form, and deletes a key that the service rejected. */
export function askForKey() {
  byId("key-wrong").hidden = !sessionStorage.getItem("key");
  sessionStorage.removeItem("key");
  byId("key").hidden = false;
  byId("key-text").focus();
}

/**
 * Stores each key that is entered, and then calls `onKey`.
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
