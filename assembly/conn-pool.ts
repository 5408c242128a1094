// The conn pool hands out slots. Freed slots form a stack linked through their NEXT field; its
// head carries a tag that every push and pop counts up, so that a pop which was overtaken by others
// cannot take the head for unchanged (ABA). Slots that were never used follow from a counter, so
// that an idle gateway touches no memory for them.
//
// USED is the gate: it is counted up before a slot is looked for and down after one was put back.
// Whoever passed the gate therefore finds a slot: at the moment it sees the stack empty, fewer than
// the ceiling's slots are out, so an unused one is left. Another may take that one first, but then
// has put or will find one elsewhere: the loop goes round only when someone else got on.
//
// A conn that a worker drops early (early-drop.ts) passes its place in USED on to the conn that is
// made instead. Its own slot is then one of the spare ones beyond the ceiling, as it cannot be
// reused before a grace period. RETIRED_COUNT is the gate of those: never more wait than there are
// spare slots, so that whoever passed either gate finds a slot as before. Retired slots form a
// second stack, linked through NEXT too. Only its taker, the control plane, removes from it, and
// always everything, so that it needs no tag.

import { connAddr, setConnLife } from './conn';
import {
  CONN_GENERATION,
  CONN_LAST_UPDATE,
  CONN_NEXT,
  CONN_OWNER,
  CONN_TRAN_POOL,
  CTL_POOL_CEILING,
  CTL_POOL_FREE,
  CTL_POOL_MAX,
  CTL_POOL_NEXT,
  CTL_POOL_SLOTS,
  CTL_POOL_USED,
  CTL_RETIRED,
  CTL_RETIRED_COUNT,
  LIFE_FILLING,
  LIFE_FREE,
  TCP_END,
  TRAN_POOL_NONE,
} from './layout';

/**
 * Returns a slot in LIFE_FILLING that notes its owner, or 0 when `max` slots are in use.
 *
 * All its fields are zero, except for the keys (undefined), the generation and TRAN_POOL_NONE.
 */
export function poolAlloc(owner: u32): u32 {
  return countUp() ? take(owner) : 0;
}

/**
 * Makes room for one more retired conn: false when as many wait as there are spare slots. It is
 * given back by poolUnreserve(), or by poolFreeRetired() after poolRetire().
 */
export function poolReserve(): bool {
  const spare = atomic.load<u32>(CTL_POOL_SLOTS) - atomic.load<u32>(CTL_POOL_CEILING);
  let count = atomic.load<u32>(CTL_RETIRED_COUNT);
  while (count < spare) {
    const found = atomic.cmpxchg<u32>(CTL_RETIRED_COUNT, count, count + 1);
    if (found === count) return true;
    count = found;
  }
  return false;
}

/** Gives back the room that poolReserve() made: no conn was retired. */
export function poolUnreserve(): void {
  atomic.sub<u32>(CTL_RETIRED_COUNT, 1);
}

/**
 * Hands a dead, unlinked conn over to the control plane, which is woken if none waited, and returns
 * a slot as poolAlloc() does, in its place.
 */
export function poolRetire(slot: u32, owner: u32): u32 {
  let head = atomic.load<u32>(CTL_RETIRED);
  while (true) {
    atomic.store<u32>(connAddr(slot), head, CONN_NEXT);
    const found = atomic.cmpxchg<u32>(CTL_RETIRED, head, slot);
    if (found === head) break;
    head = found;
  }
  if (head === 0) atomic.notify(CTL_RETIRED, 1);
  return take(owner);
}

/** Takes all retired conns, and returns the first of them; CONN_NEXT leads to the others. */
export function poolTakeRetired(): u32 {
  return atomic.xchg<u32>(CTL_RETIRED, 0);
}

function take(owner: u32): u32 {
  let slot = pop();
  while (slot === 0) {
    slot = takeUnused();
    if (slot === 0) slot = pop();
  }
  const conn = connAddr(slot);
  clear(conn);
  store<u8>(conn, <u8>owner, CONN_OWNER);
  setConnLife(conn, LIFE_FILLING);
  return slot;
}

/** Puts a slot back that was never published, or whose grace period has passed. */
export function poolFree(slot: u32): void {
  putBack(slot);
  atomic.sub<u32>(CTL_POOL_USED, 1);
}

/** Puts the slot of a retired conn back, after its grace period. */
export function poolFreeRetired(slot: u32): void {
  putBack(slot);
  atomic.sub<u32>(CTL_RETIRED_COUNT, 1);
}

function putBack(slot: u32): void {
  const conn = connAddr(slot);
  store<u8>(conn, 0, CONN_OWNER);
  setConnLife(conn, LIFE_FREE);
  push(slot);
}

function countUp(): bool {
  const limit = min(atomic.load<u32>(CTL_POOL_MAX), atomic.load<u32>(CTL_POOL_CEILING));
  let used = atomic.load<u32>(CTL_POOL_USED);
  while (used < limit) {
    const found = atomic.cmpxchg<u32>(CTL_POOL_USED, used, used + 1);
    if (found === used) return true;
    used = found;
  }
  return false;
}

function takeUnused(): u32 {
  const last = atomic.load<u32>(CTL_POOL_SLOTS);
  let next = atomic.load<u32>(CTL_POOL_NEXT);
  while (next <= last) {
    const found = atomic.cmpxchg<u32>(CTL_POOL_NEXT, next, next + 1);
    if (found === next) return next;
    next = found;
  }
  return 0;
}

function pop(): u32 {
  let head = atomic.load<u64>(CTL_POOL_FREE);
  while (<u32>head !== 0) {
    // Another may pop and fill this slot meanwhile; the link is then nonsense and the tag has moved.
    const next = atomic.load<u32>(connAddr(<u32>head), CONN_NEXT);
    const found = atomic.cmpxchg<u64>(CTL_POOL_FREE, head, linkTo(next, head));
    if (found === head) return <u32>head;
    head = found;
  }
  return 0;
}

function push(slot: u32): void {
  let head = atomic.load<u64>(CTL_POOL_FREE);
  while (true) {
    atomic.store<u32>(connAddr(slot), <u32>head, CONN_NEXT);
    const found = atomic.cmpxchg<u64>(CTL_POOL_FREE, head, linkTo(slot, head));
    if (found === head) return;
    head = found;
  }
}

/** Returns a head that links to `slot`, its tag one above that of `former`. */
function linkTo(slot: u32, former: u64): u64 {
  return (((former >> 32) + 1) << 32) | <u64>slot;
}

function clear(conn: usize): void {
  const generation = load<u8>(conn, CONN_GENERATION);
  v128.store(conn, i64x2.splat(0), CONN_LAST_UPDATE);
  v128.store(conn, i64x2.splat(0), CONN_LAST_UPDATE + 16);
  v128.store(conn, i64x2.splat(0), TCP_END);
  v128.store(conn, i64x2.splat(0), TCP_END + 16);
  v128.store(conn, i64x2.splat(0), TCP_END + 32);
  v128.store(conn, i64x2.splat(0), TCP_END + 48);
  store<u8>(conn, generation, CONN_GENERATION);
  store<u16>(conn, TRAN_POOL_NONE, CONN_TRAN_POOL);
}
