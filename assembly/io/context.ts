// A worker's own page: what the control plane tells it, and what it knows of its devices.
import {
  CTX_ADDRESS,
  CTX_BASE,
  CTX_DEAD,
  CTX_EVENT_COUNT,
  CTX_EVENT_FD,
  CTX_HELD,
  CTX_NOW,
  CTX_SIZE,
  CTX_STOP,
  CTX_TIMESPEC,
  CTX_WOKEN,
  MAX_IFACES,
  QUEUES_ROW,
  SNAP_QUEUES,
} from '../layout';
import { clock, read } from './sys';

const NS_PER_SEC: i64 = 1000000000;

/** Returns the page of a worker. */
export function contextOf(worker: u32): usize {
  return <usize>CTX_BASE + <usize>worker * <usize>CTX_SIZE;
}

/** Returns whether the control plane asked this worker to leave its loop. */
export function isStopped(context: usize): bool {
  return atomic.load<u32>(context, CTX_STOP) !== 0;
}

/** Reads the clock, and returns it: i64 ns of CLOCK_MONOTONIC_RAW, from now on the time of the burst. */
export function takeTime(context: usize): i64 {
  clock(context + <usize>CTX_TIMESPEC);
  const seconds = load<i64>(context, CTX_TIMESPEC);
  const now = seconds * NS_PER_SEC + load<i64>(context, CTX_TIMESPEC + 8);
  store<i64>(context, now, CTX_NOW);
  return now;
}

/** Returns where `offset` in shared memory lies in the process. */
export function addressOf(context: usize, offset: usize): u64 {
  return load<u64>(context, CTX_ADDRESS) + offset;
}

/** Returns the eventfd by which the control plane wakes this worker. */
export function eventFd(context: usize): i32 {
  return load<i32>(context, CTX_EVENT_FD);
}

/** Makes the eventfd quiet until it is signalled again. */
export function takeEvent(context: usize): void {
  read(eventFd(context), context + <usize>CTX_EVENT_COUNT, 8);
}

/** Returns the descriptor of an interface's queue for a worker, or -1. */
export function queueOf(snapshot: usize, worker: u32, iface: u32): i32 {
  return load<i32>(snapshot + worker * <u32>QUEUES_ROW + (iface << 2), SNAP_QUEUES);
}

/** Returns whether reads of an interface's queue failed for good. */
export function isDead(context: usize, iface: u32): bool {
  return atomic.load<u32>(context + (iface << 2), CTX_DEAD) !== 0;
}

/** Notes that reads of an interface's queue failed for good, for the control plane to see. */
export function markDead(context: usize, iface: u32): void {
  atomic.store<u32>(context + (iface << 2), 1, CTX_DEAD);
}

/** Tells the control plane which device of an interface is held, by its serial; 0 for none. */
export function setHeld(context: usize, iface: u32, serial: u32): void {
  atomic.store<u32>(context + (iface << 2), serial, CTX_HELD);
}

/**
 * Gives every queue another chance if the control plane woke this worker: its devices may be new.
 * Returns whether it did.
 */
export function takeWakeUp(context: usize): bool {
  if (atomic.load<u32>(context, CTX_WOKEN) === 0) return false;
  // Cleared first: what is published before a wake-up that comes now is seen by what follows.
  atomic.store<u32>(context, 0, CTX_WOKEN);
  for (let iface: u32 = 0; iface < <u32>MAX_IFACES; ++iface)
    atomic.store<u32>(context + (iface << 2), 0, CTX_DEAD);
  return true;
}
