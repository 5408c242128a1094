import {
  CONN_SIZE,
  CTL_EPOCH,
  CTL_MAGIC,
  CTL_POOL_CEILING,
  CTL_POOL_MAX,
  CTL_POOL_NEXT,
  CTL_POOL_SLOTS,
  CTL_VERSION,
  LAYOUT_VERSION,
  MAGIC,
  MAX_CONNTRACKS,
  PAGE_SIZE,
  POOL_BASE,
  SPARE_SLOTS,
} from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';

/** The ceiling on conns unless another is asked for. */
export const DEFAULT_CEILING = 1 << 20;

/** Views over the shared memory. Offsets are bytes from `assembly/layout.ts`, so shift them. */
export interface SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly i64: BigInt64Array;
}

/**
 * Returns the views over `memory`, which all threads of a daemon share.
 *
 * The word views serve `Atomics`; a byte offset becomes an index by `>>> 2` or `>>> 3`.
 */
export function viewMemory(memory: WebAssembly.Memory): SharedMemory {
  const { buffer } = memory;
  return {
    memory,
    bytes: new Uint8Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    u64: new BigUint64Array(buffer),
    i64: new BigInt64Array(buffer),
  };
}

/**
 * Reserves shared memory for `ceiling` conns (1..16 Mi) and writes its control page.
 *
 * Only address space is reserved: pages cost memory when they are first touched.
 *
 * @throws {ControlError} EINVAL when the ceiling is out of range, ENOMEM when the address space is
 * not to be had.
 */
export function createMemory(ceiling: number): SharedMemory {
  if (!Number.isInteger(ceiling) || ceiling < 1 || ceiling > MAX_CONNTRACKS)
    throw new ControlError('EINVAL', `max-conntracks ${ceiling} is not in 1..${MAX_CONNTRACKS}`);
  const slots = Math.min(ceiling + SPARE_SLOTS, MAX_CONNTRACKS);
  const pages = Math.ceil((POOL_BASE + (slots + 1) * CONN_SIZE) / PAGE_SIZE);
  const shared = viewMemory(reserve(pages, ceiling));
  Atomics.store(shared.u32, CTL_VERSION >>> 2, LAYOUT_VERSION);
  Atomics.store(shared.u32, CTL_POOL_CEILING >>> 2, ceiling);
  Atomics.store(shared.u32, CTL_POOL_SLOTS >>> 2, slots);
  Atomics.store(shared.u32, CTL_POOL_MAX >>> 2, 0);
  // Slot 0 stays unused, so that an entry word of 0 means empty.
  Atomics.store(shared.u32, CTL_POOL_NEXT >>> 2, 1);
  Atomics.store(shared.u64, CTL_EPOCH >>> 3, 1n);
  Atomics.store(shared.u32, CTL_MAGIC >>> 2, MAGIC);
  return shared;
}

function reserve(pages: number, ceiling: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    const mebibytes = Math.ceil((pages * PAGE_SIZE) / (1 << 20));
    throw new ControlError(
      'ENOMEM',
      `cannot reserve ${mebibytes} MiB of address space for ${ceiling} connections`,
      { cause },
    );
  }
}
