// A worker's counters: plain stores by that worker alone, so that a sum over all workers may lag.
//
// Each packet that a burst decides is counted once under its interface, and then exactly once as
// forwarded, as local (the gateway answered it) or under its interface's drops. A drop is counted
// under its reason too. Reasons from TCP_IGNORED_FIRST on, and tolerated ones, are remarks about
// packets that were forwarded all the same.
import {
  COUNTERS_BASE,
  COUNTERS_IFACES,
  COUNTERS_SIZE,
  IFACE_COUNTERS_SIZE,
  IFACE_RX_BYTES,
  IFACE_RX_DROPS,
  IFACE_RX_PACKETS,
  IFACE_TX_BYTES,
  IFACE_TX_ERRORS,
  IFACE_TX_PACKETS,
} from './layout';

/** Returns the counters of a worker. */
export function countersOf(worker: u32): usize {
  return <usize>COUNTERS_BASE + <usize>worker * <usize>COUNTERS_SIZE;
}

/** Adds `amount` to the counter `number`, a COUNT_* or a reason. */
export function count(counters: usize, number: u32, amount: u64): void {
  add(counters + ((<usize>number) << 3), amount);
}

/** Counts a packet that arrived through interface `iface`. */
export function countRx(counters: usize, iface: u32, bytes: u32): void {
  const row = rowOf(counters, iface);
  add(row + IFACE_RX_PACKETS, 1);
  add(row + IFACE_RX_BYTES, bytes);
}

/** Counts that a packet of interface `iface` was refused. */
export function countRxDrop(counters: usize, iface: u32): void {
  add(rowOf(counters, iface) + IFACE_RX_DROPS, 1);
}

/** Counts a packet that was sent through interface `iface`. */
export function countTx(counters: usize, iface: u32, bytes: u32): void {
  const row = rowOf(counters, iface);
  add(row + IFACE_TX_PACKETS, 1);
  add(row + IFACE_TX_BYTES, bytes);
}

/** Takes a packet out of the count of those sent through interface `iface`. */
export function uncountTx(counters: usize, iface: u32, bytes: u32): void {
  const row = rowOf(counters, iface);
  add(row + IFACE_TX_PACKETS, -1);
  add(row + IFACE_TX_BYTES, -(<i64>bytes));
}

/** Counts that a packet could not be sent through interface `iface`. */
export function countTxError(counters: usize, iface: u32): void {
  add(rowOf(counters, iface) + IFACE_TX_ERRORS, 1);
}

function rowOf(counters: usize, iface: u32): usize {
  return counters + COUNTERS_IFACES + <usize>iface * <usize>IFACE_COUNTERS_SIZE;
}

function add(counter: usize, amount: u64): void {
  store<u64>(counter, load<u64>(counter) + amount);
}
