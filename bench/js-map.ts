import { CONN_SIZE, KEY_SIZE, POOL_BASE } from '../assembly/layout.js';
import type { SharedMemory } from '../src/host/memory.js';

/**
 * What a JavaScript programmer would use: a Map from a key's 16 bytes, as one BigInt, to the conn's
 * entry. It is the fastest of the obvious choices; strings take longer. A found conn's first word is
 * read, as ours has its line at hand.
 */
export class JsMap {
  readonly #shared: SharedMemory;
  readonly #entries = new Map<bigint, number>();

  constructor(shared: SharedMemory) {
    this.#shared = shared;
  }

  /** Enters both keys of `count` slots from `slot` on; returns how many were there already. */
  enter(slot: number, count: number): number {
    const before = this.#entries.size;
    for (let entry = 2 * slot; entry < 2 * (slot + count); entry++)
      this.#entries.set(this.#keyAt(POOL_BASE + entry * KEY_SIZE + skipped(entry)), entry);
    return 2 * count - (this.#entries.size - before);
  }

  /** Deletes both keys of `count` slots from `slot` on; returns how many were not there. */
  drop(slot: number, count: number): number {
    let missing = 0;
    for (let entry = 2 * slot; entry < 2 * (slot + count); entry++)
      if (!this.#entries.delete(this.#keyAt(POOL_BASE + entry * KEY_SIZE + skipped(entry))))
        missing++;
    return missing;
  }

  /** Returns how many of `count` keys are in the map. */
  lookUp(keys: number, count: number): number {
    let found = 0;
    for (let key = keys; key < keys + count * KEY_SIZE; key += KEY_SIZE) {
      const entry = this.#entries.get(this.#keyAt(key));
      if (entry === undefined) continue;
      const conn = POOL_BASE + (entry >>> 1) * CONN_SIZE;
      if ((this.#shared.u32[conn >>> 2] ?? 0) !== 0) found++;
    }
    return found;
  }

  #keyAt(at: number): bigint {
    const words = this.#shared.u64;
    return ((words[(at + 8) / 8] ?? 0n) << 64n) | (words[at / 8] ?? 0n);
  }
}

/** Bytes between an entry's key as if keys stood side by side, and where it is in its conn. */
function skipped(entry: number): number {
  return (entry >>> 1) * (CONN_SIZE - 2 * KEY_SIZE);
}
