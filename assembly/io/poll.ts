// The loop of a worker: it moves packets between devices and its ring, around burst().
//
// A round gives each port one batch: read until the queue is empty or the burst is full, decide, send.
// So a busy port cannot starve the others. Each batch starts with a checkpoint, after which nothing
// loaded before is used: a batch runs under one snapshot of the tables, or under two when one is
// published meanwhile, and the older one stays valid until this worker's next checkpoint.
//
// A round that read nothing ends in poll(). The poll set is written while online, as it comes from the
// snapshot. The worker is then offline, and holds nothing, while it sleeps. A change that is
// published in between is not missed: the control plane signals the eventfd after each publish, and
// the eventfd stays readable until it is read, which happens here and before going online.
//
// What must not happen is a spin: a descriptor that always polls ready and never has a packet. A queue
// whose read fails is marked dead and left out of the poll set until the control plane wakes the
// worker; the eventfd is read whenever it is ready.
import { CTL_SNAPSHOT, CTL_SPIN_NS, CTX_POLL, SNAP_PORT_COUNT, SNAP_PORTS } from '../layout';
import { qsbrCheckpoint, qsbrOffline, qsbrOnline } from '../qsbr';
import { runBatch } from './batch';
import {
  contextOf,
  eventFd,
  isDead,
  isStopped,
  queueOf,
  takeEvent,
  takeTime,
  takeWakeUp,
} from './context';
import { receive } from './receive';
import { poll, setBlocking } from './sys';

const EINTR = 4;
/** struct pollfd {i32 fd, u16 events, u16 revents}. */
const POLLFD_SIZE: usize = 8;
const POLLFD_EVENTS: usize = 4;
const POLLFD_REVENTS: usize = 6;
const POLLIN: u16 = 1;
/** Nothing depends on it: a worker that sleeps is woken by its descriptors. */
const IDLE_MS = 1000;

/** Worker: moves packets until its stop flag is set; offline before and after. */
export function runPoll(worker: u32): void {
  const context = contextOf(worker);
  unblockQueues(worker);
  while (!isStopped(context)) {
    qsbrOnline(worker);
    runRounds(worker, context);
    const count = fillPollSet(worker, context);
    qsbrOffline(worker);
    if (!isStopped(context)) sleep(context, count);
  }
}

/** A worker before this one may have read the same queues through an io_uring. */
function unblockQueues(worker: u32): void {
  qsbrOnline(worker);
  const snapshot = <usize>atomic.load<u32>(CTL_SNAPSHOT);
  for (let port: u32 = 0; port < load<u32>(snapshot, SNAP_PORT_COUNT); ++port) {
    const fd = queueOf(snapshot, worker, <u32>load<u8>(snapshot + port, SNAP_PORTS));
    if (fd >= 0) setBlocking(fd, false);
  }
  qsbrOffline(worker);
}

/** Runs rounds until nothing was there for as long as the worker is to spin. */
function runRounds(worker: u32, context: usize): void {
  let endNs: i64 = 0;
  while (!isStopped(context)) {
    if (runRound(worker, context)) {
      endNs = 0;
      continue;
    }
    const spinNs = load<u32>(CTL_SPIN_NS);
    if (spinNs === 0) return;
    const now = takeTime(context);
    if (endNs === 0) endNs = now + spinNs;
    if (now >= endNs) return;
  }
}

/** Runs one batch of each port; returns whether any had a packet. */
function runRound(worker: u32, context: usize): bool {
  let isBusy = false;
  takeWakeUp(context);
  for (let port: u32 = 0; !isStopped(context); ++port) {
    qsbrCheckpoint(worker);
    const snapshot = <usize>atomic.load<u32>(CTL_SNAPSHOT);
    if (port >= load<u32>(snapshot, SNAP_PORT_COUNT)) return isBusy;
    const iface = <u32>load<u8>(snapshot + port, SNAP_PORTS);
    const fd = queueOf(snapshot, worker, iface);
    if (fd < 0 || isDead(context, iface)) continue;
    const length = receive(worker, fd, iface);
    if (length === 0) continue;
    runBatch(worker, context, 0, length);
    isBusy = true;
  }
  return false;
}

/** Worker, online: writes the eventfd and all live queues into the poll set; returns how many. */
function fillPollSet(worker: u32, context: usize): u32 {
  let entry = context + <usize>CTX_POLL;
  addToPollSet(entry, eventFd(context));
  let count: u32 = 1;
  const snapshot = <usize>atomic.load<u32>(CTL_SNAPSHOT);
  const portCount = load<u32>(snapshot, SNAP_PORT_COUNT);
  for (let port: u32 = 0; port < portCount; ++port) {
    const iface = <u32>load<u8>(snapshot + port, SNAP_PORTS);
    const fd = queueOf(snapshot, worker, iface);
    if (fd < 0 || isDead(context, iface)) continue;
    entry += POLLFD_SIZE;
    addToPollSet(entry, fd);
    count += 1;
  }
  return count;
}

function addToPollSet(entry: usize, fd: i32): void {
  store<i32>(entry, fd);
  store<u16>(entry, POLLIN, POLLFD_EVENTS);
  store<u16>(entry, 0, POLLFD_REVENTS);
}

/** Worker, offline: blocks until a queue has a packet or the control plane has news. */
function sleep(context: usize, count: u32): void {
  const pollSet = context + <usize>CTX_POLL;
  const ready = poll(pollSet, count, IDLE_MS);
  // Anything but an interruption is a broken poll set; to go on would be a spin.
  if (ready < 0 && ready !== -EINTR) unreachable();
  if (ready > 0 && load<u16>(pollSet, POLLFD_REVENTS) !== 0) takeEvent(context);
}
