// Accessors of a conn's slot. The record itself is laid out in layout.ts.
import {
  CONN_FLAGS,
  CONN_GENERATION,
  CONN_KEYS,
  CONN_LAST_UPDATE,
  CONN_LIFE,
  CONN_LOCK,
  CONN_NEXT,
  CONN_OWNER,
  CONN_POLICY,
  CONN_SIZE,
  CONN_STATE,
  CONN_TRAN_POOL,
  FLOW_REV,
  KEY_DST,
  KEY_DST_ID,
  KEY_IFACE,
  KEY_PROTO,
  KEY_SIZE,
  POOL_BASE,
} from './layout';
import { lockU32 } from './lock';

/** The bits of a conn's id that are its slot. */
const ID_SLOT: u32 = 0xffffff;

/** Returns the address of conn `slot` (1..ceiling). */
export function connAddr(slot: u32): usize {
  return <usize>POOL_BASE + <usize>slot * <usize>CONN_SIZE;
}

/** Returns the address of the key of `flow` (FLOW_FWD or FLOW_REV). */
export function connKey(conn: usize, flow: u32): usize {
  return conn + CONN_KEYS + <usize>flow * <usize>KEY_SIZE;
}

/** Returns the IP protocol of a conn. */
export function connProto(conn: usize): u32 {
  return load<u8>(conn, CONN_KEYS + KEY_PROTO);
}

/** Returns the id of the outside interface of a conn. */
export function connIface(conn: usize): u32 {
  return load<u16>(conn, CONN_KEYS + KEY_IFACE);
}

/** Returns the outside address that a conn is translated to, as it lies in a packet. */
export function connOutsideAddrBe(conn: usize): u32 {
  return load<u32>(conn, CONN_KEYS + FLOW_REV * KEY_SIZE + KEY_DST);
}

/** Returns the tran id of a conn in host order. */
export function connTranId(conn: usize): u32 {
  return bswap<u16>(load<u16>(conn, CONN_KEYS + FLOW_REV * KEY_SIZE + KEY_DST_ID));
}

/** Returns the pool that the tran id came from, TRAN_POOL_NONE when there is none to give back. */
export function connTranPool(conn: usize): u32 {
  return load<u16>(conn, CONN_TRAN_POOL);
}

/** Returns STATE_*. */
export function connState(conn: usize): u32 {
  return load<u8>(conn, CONN_STATE);
}

/** Returns the CONN_F_* flags. */
export function connFlags(conn: usize): u32 {
  return load<u8>(conn, CONN_FLAGS);
}

/** Returns the time in ns of the last packet that counted as activity. */
export function connLastUpdate(conn: usize): i64 {
  return load<i64>(conn, CONN_LAST_UPDATE);
}

/** Returns the generation of the slot, counted up at each reclaim. */
export function connGeneration(conn: usize): u32 {
  return load<u8>(conn, CONN_GENERATION);
}

/** Returns the id of the conn in `slot` on the API: its generation and the slot. Never 0. */
export function connId(conn: usize, slot: u32): u32 {
  return (connGeneration(conn) << 24) | (slot & ID_SLOT);
}

/** Counts the generation up, so that the slot's next conn has another id. */
export function countGeneration(conn: usize): void {
  store<u8>(conn, load<u8>(conn, CONN_GENERATION) + 1, CONN_GENERATION);
}

/** Returns the id of the policy that made the conn. */
export function connPolicy(conn: usize): u32 {
  return load<u32>(conn, CONN_POLICY);
}

/** Returns the slot that follows in a stack of slots, 0 at its end. */
export function connNext(conn: usize): u32 {
  return atomic.load<u32>(conn, CONN_NEXT);
}

/** Returns the number of the owner that still fills or publishes the conn, 0 for none. */
export function connOwner(conn: usize): u32 {
  return load<u8>(conn, CONN_OWNER);
}

/** Returns LIFE_*. Who sees LIFE_LIVE sees all that was filled before it. */
export function connLife(conn: usize): u32 {
  return atomic.load<u8>(conn, CONN_LIFE);
}

/** Sets LIFE_*; publishes with seq-cst. */
export function setConnLife(conn: usize, life: u32): void {
  atomic.store<u8>(conn, <u8>life, CONN_LIFE);
}

/** Moves a conn from life `from` to life `to`: false when it was not in `from`. */
export function moveConnLife(conn: usize, from: u32, to: u32): bool {
  return <u32>atomic.cmpxchg<u8>(conn, <u8>from, <u8>to, CONN_LIFE) === from;
}

/** Takes the conn's lock for a worker, waiting while another holds it. */
export function connLock(conn: usize, owner: u32): void {
  lockU32(conn + CONN_LOCK, owner);
}

/** Takes the conn's lock for the control plane: false when its holder does not let go. */
export function connLockBounded(conn: usize, owner: u32): bool {
  return lockU32(conn + CONN_LOCK, owner);
}

/** Takes the conn's lock if it is free; never waits. */
export function connTryLock(conn: usize, owner: u32): bool {
  return atomic.cmpxchg<u32>(conn, 0, owner, CONN_LOCK) === 0;
}

/** Returns the number of the owner that holds the conn's lock, 0 for none. */
export function connLockOwner(conn: usize): u32 {
  return atomic.load<u32>(conn, CONN_LOCK);
}

/** Gives the conn's lock back. */
export function connUnlock(conn: usize): void {
  atomic.store<u32>(conn, 0, CONN_LOCK);
}
