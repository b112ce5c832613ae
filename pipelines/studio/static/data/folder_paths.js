// Derives the class of a photo from its path: cat for pets/cat/1.jpg, where pets is the chosen folder.

/**
 * The name of the folder that contains a photo; empty for photos directly in the chosen folder.
 * @param {string} path
 */
export function classOfPath(path) {
  const parts = path.split("/").filter(Boolean);
  return parts.length >= 3 ? parts[parts.length - 2] : "";
}

/**
 * The name of the chosen folder.
 * @param {string} path
 */
export const rootOfPath = (path) => path.split("/").filter(Boolean)[0] ?? "photos";
