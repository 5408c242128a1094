import { setImmediate } from 'node:timers/promises';
import {
  INDEX_BUCKET_COUNT,
  MODE_DELETE_BOTH,
  MODE_INSERT_BOTH,
  MODE_NORMAL,
  MODE_READ_NEXT,
} from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';
import type { Datapath } from './datapath.js';
import {
  buildIndexHeader,
  type IndexHalf,
  indexBucketCount,
  indexHeader,
  publishDescriptor,
  wipeBuckets,
  writeIndexHeader,
} from './index-region.js';
import type { SharedMemory } from './memory.js';
import type { Qsbr } from './qsbr.js';

/** Buckets per turn of the event loop, a millisecond or two of work: 2 MiB wiped; copied. */
const WIPE_BUCKETS = 32768;
const COPY_BUCKETS = 1024;

/**
 * The conn index in use, and its replacement under traffic.
 *
 * A migration copies, it does not move: readers look in one index only, and the modes make sure
 * that this one always holds every live conn.
 *
 *     normal --grace--> deletes go to both --grace--> inserts go to both --copy-->
 *     readers use the next --grace--> normal on the next --grace--> the old half is free
 *
 * Deletes go to both before inserts do, or a deleter of the former mode would leave an entry in the
 * next index that leads to a freed slot. Writers still write both after readers have switched, or a
 * reader of the former mode would miss a conn made after the switch. No worker ever waits.
 */
export class ConnIndex {
  readonly #shared: SharedMemory;
  readonly #datapath: Datapath;
  readonly #qsbr: Qsbr;
  #half: IndexHalf = 0;
  /** Buckets wiped and copied by the migration that runs, and how many it has in all. */
  #progress: { done: number; readonly total: number } | undefined;

  /** Builds and publishes an index with room for `max` conns. */
  constructor(shared: SharedMemory, datapath: Datapath, qsbr: Qsbr, max: number) {
    this.#shared = shared;
    this.#datapath = datapath;
    this.#qsbr = qsbr;
    buildIndexHeader(shared, this.#half, max);
    publishDescriptor(shared, MODE_NORMAL, this.#half);
  }

  get isMigrating(): boolean {
    return this.#progress !== undefined;
  }

  /** How far the migration that runs is, 0..100; undefined while none runs. */
  get migratedPercent(): number | undefined {
    if (this.#progress === undefined) return undefined;
    return Math.floor((100 * this.#progress.done) / this.#progress.total);
  }

  /**
   * Replaces the index by one for `max` conns, with a new hash secret; resolves when it is done.
   *
   * @throws {ControlError} ENOSPC when the conns do not fit; the present index stays in use.
   */
  async migrate(max: number): Promise<void> {
    if (this.isMigrating) throw new Error('a migration is running');
    this.#progress = { done: 0, total: indexBucketCount(max) + this.#bucketCount(this.#half) };
    try {
      await this.#replace(max);
    } finally {
      this.#progress = undefined;
    }
  }

  async #replace(max: number): Promise<void> {
    const current = this.#half;
    const next: IndexHalf = current === 0 ? 1 : 0;
    await this.#wipe(next, indexBucketCount(max));
    writeIndexHeader(this.#shared, next, max);
    await this.#enter(MODE_DELETE_BOTH, current, next);
    await this.#enter(MODE_INSERT_BOTH, current, next);
    const lost = await this.#copy(current);
    if (lost > 0) {
      await this.#enter(MODE_DELETE_BOTH, current, next);
      await this.#enter(MODE_NORMAL, current);
      throw new ControlError('ENOSPC', `${lost} keys found no room in an index for ${max}`);
    }
    await this.#enter(MODE_READ_NEXT, current, next);
    await this.#enter(MODE_NORMAL, next);
    this.#half = next;
  }

  async #enter(mode: number, current: IndexHalf, next?: IndexHalf): Promise<void> {
    publishDescriptor(this.#shared, mode, current, next);
    await this.#qsbr.waitForGrace();
  }

  #wipe(half: IndexHalf, buckets: number): Promise<void> {
    return this.#inSlices(buckets, WIPE_BUCKETS, (from, to) => {
      wipeBuckets(this.#shared, half, from, to);
    });
  }

  async #copy(half: IndexHalf): Promise<number> {
    let lost = 0;
    await this.#inSlices(this.#bucketCount(half), COPY_BUCKETS, (from, to) => {
      lost += this.#datapath.copyIndex(from, to);
    });
    return lost;
  }

  /** Calls `work` for all of `buckets`, `slice` of them per turn of the event loop. */
  async #inSlices(
    buckets: number,
    slice: number,
    work: (from: number, to: number) => void,
  ): Promise<void> {
    for (let from = 0; from < buckets; from += slice) {
      const to = Math.min(from + slice, buckets);
      work(from, to);
      if (this.#progress !== undefined) this.#progress.done += to - from;
      await setImmediate();
    }
  }

  #bucketCount(half: IndexHalf): number {
    return Atomics.load(this.#shared.u32, (indexHeader(half) + INDEX_BUCKET_COUNT) >>> 2);
  }
}
