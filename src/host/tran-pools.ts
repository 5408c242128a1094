import {
  MAX_TRAN_POOLS,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST,
  TRAN_LOWEST_ICMP_ID,
  TRAN_LOWEST_PORT,
} from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';
import type { SharedMemory } from './memory.js';

/** Numbers of an outside address's tran id pools, one per protocol. */
export interface PoolSet {
  readonly tcp: number;
  readonly udp: number;
  readonly icmp: number;
}

const POOLS_PER_ADDRESS = 3;

/**
 * Hands out tran id pools by outside address.
 *
 * All policies that translate to one address share its pools: with a pool per policy two inside
 * hosts could be given the same outside port. A set is kept while any policy uses its address.
 */
export class TranPools {
  readonly #shared: SharedMemory;
  readonly #sets = new Map<number, { readonly first: number; users: number }>();
  readonly #free: number[] = [];
  #next = 0;

  constructor(shared: SharedMemory) {
    this.#shared = shared;
  }

  /**
   * Returns the pools of `addr` (u32 in host order) for one more user.
   *
   * @throws {ControlError} ENOSPC when every pool is taken by other addresses.
   */
  acquire(addr: number): PoolSet {
    const known = this.#sets.get(addr);
    if (known !== undefined) {
      known.users++;
      return poolSet(known.first);
    }
    const first = this.#free.pop() ?? this.#takeNext();
    this.#sets.set(addr, { first, users: 1 });
    const set = poolSet(first);
    this.#setLowest(set.tcp, TRAN_LOWEST_PORT);
    this.#setLowest(set.udp, TRAN_LOWEST_PORT);
    this.#setLowest(set.icmp, TRAN_LOWEST_ICMP_ID);
    return set;
  }

  /** Gives up one use of `addr`. The conns of the last one must have been reclaimed before. */
  release(addr: number): void {
    const known = this.#sets.get(addr);
    if (known === undefined) throw new Error(`tran id pools of ${addr} are not in use`);
    if (--known.users > 0) return;
    this.#sets.delete(addr);
    this.#free.push(known.first);
  }

  #takeNext(): number {
    const first = this.#next;
    if (first + POOLS_PER_ADDRESS > MAX_TRAN_POOLS) {
      const most = Math.floor(MAX_TRAN_POOLS / POOLS_PER_ADDRESS);
      throw new ControlError('ENOSPC', `more than ${most} replacement addresses are in use`);
    }
    this.#next += POOLS_PER_ADDRESS;
    return first;
  }

  #setLowest(pool: number, id: number): void {
    const word = (TRAN_HEADERS_BASE + pool * TRAN_HEADER_SIZE + TRAN_LOWEST) >>> 2;
    Atomics.store(this.#shared.u32, word, id);
  }
}

function poolSet(first: number): PoolSet {
  return { tcp: first, udp: first + 1, icmp: first + 2 };
}
