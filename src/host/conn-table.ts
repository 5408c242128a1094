import { setImmediate } from 'node:timers/promises';
import {
  CTL_POOL_NEXT,
  CTL_POOL_USED,
  EXPORT_SIZE,
  SCRATCH_CURSOR,
  SCRATCH_FILTER_ADDR_BE,
  SCRATCH_FILTER_IFACE,
  SCRATCH_FILTER_POLICY,
  SCRATCH_LIST,
  SCRATCH_NOW,
  SCRATCH_SHRINK,
} from '../../assembly/layout.js';
import type { Datapath } from './datapath.js';
import type { SharedMemory } from './memory.js';
import type { Qsbr } from './qsbr.js';
import { swapBytes } from './tables.js';

/** Slots looked at per turn of the event loop: a millisecond of work if all conns are removed. */
const SWEEP_SLOTS = 4096;
/** All of a time-out, in the fixed point of SCRATCH_SHRINK. */
const SHRINK_ONE = 0x10000;
/** Conns exported per turn. */
const EXPORT_CONNS = 1024;

/** Which conns to remove; what is absent matches all. `addr` is u32 in host order. */
export interface ConnFilter {
  readonly ifaceId?: number;
  readonly policyId?: number;
  /** The outside address, the policy's replacement. */
  readonly addr?: number;
}

/**
 * The control plane's hands on the conns: removal, listing, recovery.
 *
 * Removal has two halves. A sweep unlinks conns in slices, so that the event loop stays live; then
 * one grace period covers all of them; then their tran ids and slots are given back. The calls into
 * the datapath share one scratch region, so what they leave there is copied before any `await`.
 */
export class ConnTable {
  readonly #shared: SharedMemory;
  readonly #datapath: Datapath;
  readonly #qsbr: Qsbr;

  constructor(shared: SharedMemory, datapath: Datapath, qsbr: Qsbr) {
    this.#shared = shared;
    this.#datapath = datapath;
    this.#qsbr = qsbr;
  }

  /** Conns in use, those that wait for their grace period included. */
  get used(): number {
    return Atomics.load(this.#shared.u32, CTL_POOL_USED >>> 2);
  }

  /** Removes the conns that match and resolves with their number when their ids are free again. */
  remove(filter: ConnFilter): Promise<number> {
    const { u32 } = this.#shared;
    return this.#sweep((from, to) => {
      u32[SCRATCH_FILTER_IFACE >>> 2] = filter.ifaceId ?? 0;
      u32[SCRATCH_FILTER_POLICY >>> 2] = filter.policyId ?? 0;
      u32[SCRATCH_FILTER_ADDR_BE >>> 2] = swapBytes(filter.addr ?? 0);
      return this.#datapath.removeConns(from, to);
    });
  }

  /**
   * Removes the conns that idled for their time-out or longer at `nowNs`, of which `shrink` is left
   * out: a share from 0 to 1.
   */
  age(nowNs: bigint, shrink = 0): Promise<number> {
    return this.#sweep((from, to) => {
      this.#shared.i64[SCRATCH_NOW >>> 3] = nowNs;
      this.#shared.u32[SCRATCH_SHRINK >>> 2] = Math.floor(shrink * SHRINK_ONE);
      return this.#datapath.ageConns(from, to);
    });
  }

  /** Frees the conns that workers dropped early; resolves with their number. */
  async reclaimRetired(): Promise<number> {
    const slots = this.#takeList(this.#datapath.takeRetiredConns());
    if (slots.length === 0) return 0;
    await this.#qsbr.waitForGrace();
    this.#shared.u32.set(slots, SCRATCH_LIST >>> 2);
    this.#datapath.reclaimRetiredConns(slots.length);
    return slots.length;
  }

  /** Frees what a dead worker held locked or had half made. It must be offline for good. */
  async recover(worker: number): Promise<void> {
    await this.#retire(this.#takeList(this.#datapath.recoverWorker(worker)));
  }

  /**
   * Yields the live conns as encoded API entries, many to a buffer. It is no snapshot: conns that
   * come or go meanwhile may be in it or not, all others are in it once.
   */
  async *list(): AsyncGenerator<Buffer, void, undefined> {
    let cursor = 1;
    while (cursor !== 0) {
      const count = this.#datapath.exportConns(cursor, EXPORT_CONNS);
      cursor = this.#shared.u32[SCRATCH_CURSOR >>> 2] ?? 0;
      const end = SCRATCH_LIST + count * EXPORT_SIZE;
      yield Buffer.from(this.#shared.bytes.slice(SCRATCH_LIST, end).buffer);
      await setImmediate();
    }
  }

  async #sweep(scan: (from: number, to: number) => number): Promise<number> {
    const slots: Uint32Array[] = [];
    // Conns made while the sweep runs may lie beyond its end: they are new, not what was meant.
    const end = Atomics.load(this.#shared.u32, CTL_POOL_NEXT >>> 2);
    for (let from = 1; from < end; from += SWEEP_SLOTS) {
      slots.push(this.#takeList(scan(from, Math.min(from + SWEEP_SLOTS, end))));
      if (from + SWEEP_SLOTS < end) await setImmediate();
    }
    return this.#retire(...slots);
  }

  async #retire(...lists: Uint32Array[]): Promise<number> {
    const filled = lists.filter(({ length }) => length > 0);
    if (filled.length === 0) return 0;
    await this.#qsbr.waitForGrace();
    let count = 0;
    for (const list of filled) {
      this.#shared.u32.set(list, SCRATCH_LIST >>> 2);
      this.#datapath.reclaimConns(list.length);
      count += list.length;
      await setImmediate();
    }
    return count;
  }

  #takeList(count: number): Uint32Array {
    return this.#shared.u32.slice(SCRATCH_LIST >>> 2, (SCRATCH_LIST >>> 2) + count);
  }
}
