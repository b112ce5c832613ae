// The next action for a problem, which the page offers as a button after the error message.

/** @typedef {{ text: string, href: string | null }} NextAction If `href` is null, the button reloads the page. */

const NO_ANSWER = 0;
const CHANGED_ELSEWHERE = 409;

/**
 * @param {string} message
 * @param {number | null} status The HTTP status; 0 if the server did not answer; null for other errors.
 * @returns {NextAction | null} Null if there is no suggestion.
 */
export function nextAction(message, status) {
  if (status === NO_ANSWER) return { text: "Try again", href: null };
  if (status === CHANGED_ELSEWHERE && message.includes("another tab")) return { text: "Reload", href: null };
  const key = message.match(/\b(?:preprocess|tune|train|evaluate|deploy)(?:\.[a-z_]+)+/)?.[0];
  if (key?.startsWith("train.model")) return { text: "Change the model", href: "#model" };
  if (key) return { text: `Change ${key}`, href: `#training/${key}` };
  if (/\bphotos first\b|\bdata (?:are|is) chosen\b|data\.uri/.test(message))
    return { text: "Choose photos", href: "#data" };
  if (/Stop it first/.test(message)) return { text: "Show the service", href: "#try" };
  return null;
}
