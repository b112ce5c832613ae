// What a person decided about photos, until it becomes a new version: another class, or to leave a photo out.

/** @typedef {string | null | undefined} Decision A class, null to leave the photo out, undefined to keep it. */
/** @typedef {[path: string, before: Decision][]} Step What one action changed. */

/** The decisions about the photos of one data set, each of which can be undone. */
export class DecisionLog {
  constructor() {
    /** @type {Map<string, string | null>} */
    this.decisions = new Map();
    /** @type {Step[]} */
    this.steps = [];
  }

  /** How many photos a decision was made about. */
  get size() {
    return this.decisions.size;
  }

  /** @param {string} path */
  get(path) {
    return this.decisions.get(path);
  }

  /**
   * Makes the same decision about photos, as one step.
   * @param {string[]} paths
   * @param {Decision} decision
   */
  decide(paths, decision) {
    const changed = paths.filter((path) => this.get(path) !== decision);
    if (!changed.length) return;
    this.steps.push(changed.map((path) => [path, this.get(path)]));
    for (const path of changed) this.#set(path, decision);
  }

  /** Takes the last step back. */
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
const logs = new Map(); // decisions outlive that a person goes to another screen

/**
 * The decisions about the data at an address.
 * @param {string} uri
 */
export function decisionsAbout(uri) {
  const log = logs.get(uri) ?? new DecisionLog();
  logs.set(uri, log);
  return log;
}
