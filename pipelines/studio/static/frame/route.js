// The address of a screen: #screen/part/part.

/**
 * Decodes a part of an address; a part that is not encoded correctly, such as a single %, is used as is.
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
 * Splits the hash of an address into the screen and the other parts.
 * @param {string} hash Including the #.
 * @param {readonly string[]} screens All screens; the first is shown for unknown names.
 * @returns {[screen: string, parts: string[]]}
 */
export function parseHash(hash, screens) {
  const [name = "", ...parts] = hash.slice(1).split("/");
  return [screens.includes(name) ? name : screens[0], parts.map(decodePart)];
}
