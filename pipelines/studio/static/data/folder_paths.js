// The class of a photo by its path from a chosen folder on, such as pets/cat/1.jpg.

/**
 * The folder that a photo lies in; empty for photos of the chosen folder itself.
 * @param {string} path
 */
export function classOfPath(path) {
  const parts = path.split("/").filter(Boolean);
  return parts.length >= 3 ? parts[parts.length - 2] : "";
}

/**
 * The chosen folder.
 * @param {string} path
 */
export const rootOfPath = (path) => path.split("/").filter(Boolean)[0] ?? "photos";
