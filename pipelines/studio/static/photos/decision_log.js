// The user's decisions about photos, before they are saved as a new version: to move photos to other classes, or to
// leave them out.

/** @typedef {string | null | undefined} Decision A class, null to leave the photo out, undefined to keep it. */
/** @typedef {[path: string, before: Decision][]} Step The photos of one action, each with the earlier decision. */

/** The decisions about the photos of one data set, which can be undone step by step. */
export class DecisionLog {
  constructor() {
    /** @type {Map<string, string | null>} */
    this.decisions = new Map();
    /** @type {Step[]} */
    this.steps = [];
  }

  /** The number of photos with a decision. */
  get size() {
    return this.decisions.size;
  }

  /** @param {string} path */
  get(path) {
    return this.decisions.get(path);
  }

  /**
   * Makes the same decision about several photos, as one step.
   * @param {string[]} paths
   * @param {Decision} decision
   */
  decide(paths, decision) {
    const changed = paths.filter((path) => this.get(path) !== decision);
    if (!changed.length) return;
    this.steps.push(changed.map((path) => [path, this.get(path)]));
    for (const path of changed) this.#set(path, decision);
  }

  /** Undoes the last step. */
  undo() {
    for (const [path, before] of this.steps.pop() ?? []) this.#set(path, before);
  }

  /** Forgets all decisions. */
  clear() {
    this.decisions.clear();
    this.steps = [];
  }

  /**
   * @param {string} path
   * @param {Decision} decision
   */
  #set(path, decision) {
    if (decision === undefined) this.decisions.delete(path);
    else this.decisions.set(path, decision);
  }
}

/** @type {Map<string, DecisionLog>} */
const logs = new Map(); // decisions are kept when the user opens another screen

/**
 * The decisions about the photos of the data set at this address.
 * @param {string} uri
 */
export function decisionsAbout(uri) {
  const log = logs.get(uri) ?? new DecisionLog();
  logs.set(uri, log);
  return log;
}
