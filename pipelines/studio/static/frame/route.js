// The address of a screen: #screen/part/part.

/**
 * The screen and the rest of a location's hash.
 * @param {string} hash With its #.
 * @param {readonly string[]} screens That exist; the first one is shown for all others.
 * @returns {[screen: string, parts: string[]]}
 * @throws {URIError} if a part is not encoded correctly.
 */
export function parseHash(hash, screens) {
  const [name = "", ...parts] = hash.slice(1).split("/");
  return [screens.includes(name) ? name : screens[0], parts.map(decodeURIComponent)];
}
