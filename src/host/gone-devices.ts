import { CTX_BASE, CTX_DEAD, CTX_SIZE, MAX_WORKERS } from '../../assembly/layout.js';
import type { SharedMemory } from './memory.js';

/**
 * The devices that workers found gone: a TUN device vanishes with the network namespace it was
 * moved to. Its interface stays configured until it is deleted; what is sent there is counted.
 */
export class GoneDevices {
  readonly #words: Uint32Array;
  readonly #reported = new Set<number>();

  constructor(shared: SharedMemory) {
    this.#words = shared.u32;
  }

  /** Returns whether the device of this interface is gone. */
  isGone(ifaceId: number): boolean {
    for (let worker = 0; worker < MAX_WORKERS; worker++)
      if (Atomics.load(this.#words, deadWord(worker, ifaceId)) !== 0) return true;
    return false;
  }

  /** Forgets what was known of this interface id, before a new device gets it. */
  forget(ifaceId: number): void {
    this.#reported.delete(ifaceId);
    for (let worker = 0; worker < MAX_WORKERS; worker++)
      Atomics.store(this.#words, deadWord(worker, ifaceId), 0);
  }

  /** Returns which of these interfaces lost their devices since the last call. */
  takeNews(ifaceIds: readonly number[]): number[] {
    const news = ifaceIds.filter((id) => !this.#reported.has(id) && this.isGone(id));
    for (const id of news) this.#reported.add(id);
    return news;
  }
}

function deadWord(worker: number, ifaceId: number): number {
  return (CTX_BASE + worker * CTX_SIZE + CTX_DEAD + ifaceId * 4) >>> 2;
}
