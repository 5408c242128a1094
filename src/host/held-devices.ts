import { setTimeout } from 'node:timers/promises';
import { CTX_BASE, CTX_HELD, CTX_SIZE, MAX_WORKERS } from '../../assembly/layout.js';
import type { SharedMemory } from './memory.js';

const POLL_MS = 1;
/** A worker that was woken takes microseconds; one whose thread has just ended, until it is noticed. */
const PATIENCE_MS = 2000;

/**
 * The devices that the kernel reads for workers through their io_urings. A read that is under way
 * holds its device, even if its descriptor is closed: it must have ended before.
 */
export class HeldDevices {
  readonly #words: Uint32Array;

  constructor(shared: SharedMemory) {
    this.#words = shared.u32;
  }

  /**
   * Resolves when no worker holds this device any more, which the tables have no longer and of which
   * the workers have been told; with false when that takes too long.
   */
  async waitForRelease(ifaceId: number, serial: number): Promise<boolean> {
    for (let waitedMs = 0; this.#isHeld(ifaceId, serial); waitedMs += POLL_MS) {
      if (waitedMs >= PATIENCE_MS) return false;
      await setTimeout(POLL_MS);
    }
    return true;
  }

  #isHeld(ifaceId: number, serial: number): boolean {
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      const word = (CTX_BASE + worker * CTX_SIZE + CTX_HELD + ifaceId * 4) >>> 2;
      if (Atomics.load(this.#words, word) === serial) return true;
    }
    return false;
  }
}
