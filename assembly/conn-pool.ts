// The conn pool hands out slots. Freed slots form a stack linked through their NEXT field; its
// head carries a tag that every push and pop counts up, so that a pop which was overtaken by others
// cannot take the head for unchanged (ABA). Slots that were never used follow from a counter, so
// that an idle gateway touches no memory for them.
//
// USED is the gate: it is counted up before a slot is looked for and down after one was put back.
// Whoever passed the gate therefore finds a slot: at the moment it sees the stack empty, fewer than
// `ceiling` slots are out, so an unused one is left. Another may take that one first, but then
// has put or will find one elsewhere: the loop goes round only when someone else got on.

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
  CTL_POOL_USED,
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
  if (!countUp()) return 0;
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
  const conn = connAddr(slot);
  store<u8>(conn, 0, CONN_OWNER);
  setConnLife(conn, LIFE_FREE);
  push(slot);
  atomic.sub<u32>(CTL_POOL_USED, 1);
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
  const ceiling = atomic.load<u32>(CTL_POOL_CEILING);
  let next = atomic.load<u32>(CTL_POOL_NEXT);
  while (next <= ceiling) {
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
