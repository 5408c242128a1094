// A worker's own page: what the control plane tells it, and what it knows of its devices.
import {
  CTX_BASE,
  CTX_DEAD,
  CTX_SIZE,
  CTX_STOP,
  CTX_WOKEN,
  MAX_IFACES,
  QUEUES_ROW,
  SNAP_QUEUES,
} from '../layout';

/** Returns the page of a worker. */
export function contextOf(worker: u32): usize {
  return <usize>CTX_BASE + <usize>worker * <usize>CTX_SIZE;
}

/** Returns whether the control plane asked this worker to leave its loop. */
export function isStopped(context: usize): bool {
  return atomic.load<u32>(context, CTX_STOP) !== 0;
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

/** Gives every queue another chance if the control plane woke this worker: its devices may be new. */
export function takeWakeUp(context: usize): void {
  if (atomic.load<u32>(context, CTX_WOKEN) === 0) return;
  // Cleared first: what is published before a wake-up that comes now is seen by what follows.
  atomic.store<u32>(context, 0, CTX_WOKEN);
  for (let iface: u32 = 0; iface < <u32>MAX_IFACES; ++iface)
    atomic.store<u32>(context + (iface << 2), 0, CTX_DEAD);
}
