// The address of a screen: #screen/part/part.

/**
 * A part of an address; one that is not encoded correctly, such as a single %, is used as is.
 * @param {string} part
 */
function decodePart(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * The screen and the rest of a location's hash.
 * @param {string} hash With its #.
 * @param {readonly string[]} screens All screens; the first is shown for unknown names.
 * @returns {[screen: string, parts: string[]]}
 */
export function parseHash(hash, screens) {
  const [name = "", ...parts] = hash.slice(1).split("/");
  return [screens.includes(name) ? name : screens[0], parts.map(decodePart)];
}
