// How conns end. All of it runs in the control plane (but for early-drop.ts), in three steps: a conn is found to be over
// (its time-out passed, or it matches a removal), it is unlinked, and after a grace period, when no
// worker can hold its entry any more, its tran id and its slot are given back.
//
// A conn dies under its lock: a worker in the middle of a transaction finishes it first, and the
// time-out is looked at again afterwards. Who locks a conn and finds it dead has lost the race. A
// conn whose lock, or whose buckets' locks, a dead worker still holds is left for the next pass.
import {
  connAddr,
  connFlags,
  connIface,
  connLastUpdate,
  connLife,
  connLockBounded,
  connNext,
  connOutsideAddrBe,
  connPolicy,
  connProto,
  connState,
  connTranId,
  connTranPool,
  connUnlock,
  countGeneration,
  moveConnLife,
  setConnLife,
} from './conn';
import { indexRemove, indexTouchHomes } from './conn-index';
import { poolFree, poolFreeRetired, poolTakeRetired } from './conn-pool';
import {
  CONN_F_LOOSE,
  CONN_F_REPLIED,
  CTL_POOL_NEXT,
  CTL_TIMEOUTS,
  LIFE_DEAD,
  LIFE_LIVE,
  OWNER_CONTROL,
  PROTO_TCP,
  SCRATCH_FILTER_ADDR_BE,
  SCRATCH_FILTER_IFACE,
  SCRATCH_FILTER_POLICY,
  SCRATCH_LIST,
  SCRATCH_LIST_SIZE,
  SCRATCH_NOW,
  SCRATCH_SHRINK,
  STATE_NEW,
  TIMEOUTS_ROW,
  TRAN_POOL_NONE,
} from './layout';
import { tranRelease } from './tran-pool';

/** Slots whose conns' buckets are touched together. */
const AHEAD: u32 = 16;
/** How many slots the list holds; what is over remains for the next call. */
const LIST_ROOM: u32 = SCRATCH_LIST_SIZE / 4;

/**
 * Unlinks the live conns among slots [from, to) that were idle for their time-out at SCRATCH_NOW,
 * less the share of it in SCRATCH_SHRINK.
 * Returns how many, their slots in SCRATCH_LIST.
 */
export function ageConns(from: u32, to: u32): u32 {
  const now = load<i64>(SCRATCH_NOW);
  const end = min(to, atomic.load<u32>(CTL_POOL_NEXT));
  let count: u32 = 0;
  for (let slot = max<u32>(from, 1); slot < end && count < LIST_ROOM; slot++) {
    const conn = connAddr(slot);
    if (connLife(conn) !== LIFE_LIVE || !isExpired(conn, now)) continue;
    if (!connLockBounded(conn, OWNER_CONTROL)) continue;
    const dies = isExpired(conn, now) && moveConnLife(conn, LIFE_LIVE, LIFE_DEAD);
    connUnlock(conn);
    if (dies && unlinkDead(slot)) count = list(slot, count);
  }
  return count;
}

/**
 * Unlinks the live conns among slots [from, to) that match every filter in SCRATCH_FILTER_* that is
 * not 0. Returns how many, their slots in SCRATCH_LIST.
 */
export function removeConns(from: u32, to: u32): u32 {
  const end = min(to, atomic.load<u32>(CTL_POOL_NEXT));
  let count: u32 = 0;
  for (let slot = max<u32>(from, 1); slot < end && count < LIST_ROOM; slot++) {
    if (slot % AHEAD === 0) touchMatched(slot, min(slot + AHEAD, end));
    const conn = connAddr(slot);
    if (connLife(conn) !== LIFE_LIVE || !isMatched(conn)) continue;
    if (!connLockBounded(conn, OWNER_CONTROL)) continue;
    const dies = moveConnLife(conn, LIFE_LIVE, LIFE_DEAD);
    connUnlock(conn);
    if (dies && unlinkDead(slot)) count = list(slot, count);
  }
  return count;
}

/** Frees the tran ids and slots of the `count` dead conns in SCRATCH_LIST, after a grace period. */
export function reclaimConns(count: u32): void {
  for (let n: u32 = 0; n < count; n++) {
    const slot = listedAt(n);
    releaseIds(slot);
    poolFree(slot);
  }
}

/** Takes the conns that workers dropped early. Returns how many, their slots in SCRATCH_LIST. */
export function takeRetiredConns(): u32 {
  let count: u32 = 0;
  for (let slot = poolTakeRetired(); slot !== 0; slot = connNext(connAddr(slot)))
    count = list(slot, count);
  return count;
}

/** Frees the `count` conns in SCRATCH_LIST that takeRetiredConns() took, after a grace period. */
export function reclaimRetiredConns(count: u32): void {
  for (let n: u32 = 0; n < count; n++) {
    const slot = listedAt(n);
    releaseIds(slot);
    poolFreeRetired(slot);
  }
}

/** Appends a slot to SCRATCH_LIST after `count` others; returns the new count. */
export function list(slot: u32, count: u32): u32 {
  store<u32>(<usize>SCRATCH_LIST + ((<usize>count) << 2), slot);
  return count + 1;
}

function listedAt(n: u32): u32 {
  return load<u32>(<usize>SCRATCH_LIST + ((<usize>n) << 2));
}

/** Gives the tran id of a dead conn back, and makes the id of the slot's next conn another. */
function releaseIds(slot: u32): void {
  const conn = connAddr(slot);
  assert(connLife(conn) === LIFE_DEAD);
  const pool = connTranPool(conn);
  if (pool !== TRAN_POOL_NONE) tranRelease(pool, connTranId(conn));
  countGeneration(conn);
}

function unlinkDead(slot: u32): bool {
  if (indexRemove(slot, OWNER_CONTROL)) return true;
  setConnLife(connAddr(slot), LIFE_LIVE);
  return false;
}

function isExpired(conn: usize, now: i64): bool {
  return now - connLastUpdate(conn) >= timeoutNs(conn);
}

/**
 * A conn picked up in mid-stream lives on the time-out of `new` until its reply was seen. What the scan
 * leaves out of a time-out is rounded down: none ever ends early by it.
 */
function timeoutNs(conn: usize): i64 {
  const isTcp = connProto(conn) === PROTO_TCP;
  const isUnanswered =
    isTcp && (connFlags(conn) & (CONN_F_LOOSE | CONN_F_REPLIED)) === CONN_F_LOOSE;
  const full = timeoutOf(isTcp ? 0 : 1, isUnanswered ? <u32>STATE_NEW : connState(conn));
  const shrink: i64 = load<u32>(SCRATCH_SHRINK);
  // In two parts, as the product of a long time-out has more than 64 bits.
  return full - ((full >> 16) * shrink + (((full & 0xffff) * shrink) >> 16));
}

function timeoutOf(row: u32, state: u32): i64 {
  return load<i64>(<usize>CTL_TIMEOUTS + <usize>row * <usize>TIMEOUTS_ROW + ((<usize>state) << 3));
}

function touchMatched(from: u32, to: u32): void {
  for (let slot = from; slot < to; slot++) {
    const conn = connAddr(slot);
    if (connLife(conn) === LIFE_LIVE && isMatched(conn)) indexTouchHomes(slot);
  }
}

function isMatched(conn: usize): bool {
  return (
    isAllOr(load<u32>(SCRATCH_FILTER_IFACE), connIface(conn)) &&
    isAllOr(load<u32>(SCRATCH_FILTER_POLICY), connPolicy(conn)) &&
    isAllOr(load<u32>(SCRATCH_FILTER_ADDR_BE), connOutsideAddrBe(conn))
  );
}

function isAllOr(filter: u32, value: u32): bool {
  return filter === 0 || filter === value;
}
