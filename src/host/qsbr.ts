import { setImmediate, setTimeout } from 'node:timers/promises';
import {
  CTL_EPOCH,
  MAX_WORKERS,
  READER_EPOCH,
  READER_OFFLINE,
  READER_SIZE,
  READERS_BASE,
} from '../../assembly/layout.js';
import type { SharedMemory } from './memory.js';

/** Turns of the event loop to spend before waiting by the clock: a busy worker passes in microseconds. */
const EAGER_TURNS = 20;
const POLL_MS = 1;

/**
 * Writer side of quiescent-state-based reclamation (McKenney, "What is RCU?"; libqsbr).
 *
 * Readers (datapath workers) publish the epoch they saw at the start of each batch, or that they
 * are offline. What was unlinked before {@link openEpoch} returned a ticket may be reused once
 * {@link isPassed} says so of that ticket. Epochs are u64 and never wrap.
 */
export class Qsbr {
  readonly #words: BigUint64Array;

  constructor(shared: SharedMemory) {
    this.#words = shared.u64;
  }

  /** Opens a new epoch and returns it: the ticket to wait for. */
  openEpoch(): bigint {
    return Atomics.add(this.#words, CTL_EPOCH >>> 3, 1n) + 1n;
  }

  /** Returns whether every online reader was quiescent since `ticket` was opened. Never blocks. */
  isPassed(ticket: bigint): boolean {
    for (let reader = 0; reader < MAX_WORKERS; reader++) {
      const line = READERS_BASE + reader * READER_SIZE + READER_EPOCH;
      const seen = Atomics.load(this.#words, line >>> 3);
      if (seen !== BigInt(READER_OFFLINE) && seen < ticket) return false;
    }
    return true;
  }

  /** Resolves after a grace period: nothing unlinked before the call is in any reader's hands. */
  async waitForGrace(): Promise<void> {
    const ticket = this.openEpoch();
    for (let turn = 0; !this.isPassed(ticket); turn++) {
      if (turn < EAGER_TURNS) await setImmediate();
      else await setTimeout(POLL_MS);
    }
  }
}
