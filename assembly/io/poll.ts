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
import { burst } from '../burst';
import {
  CTL_SNAPSHOT,
  CTX_BURST,
  CTX_EVENT_COUNT,
  CTX_EVENT_FD,
  CTX_NOW,
  CTX_POLL,
  CTX_TIMESPEC,
  SNAP_PORT_COUNT,
  SNAP_PORTS,
} from '../layout';
import { qsbrCheckpoint, qsbrOffline, qsbrOnline } from '../qsbr';
import { contextOf, isDead, isStopped, queueOf, takeWakeUp } from './context';
import { receive } from './receive';
import { clock, poll, read } from './sys';
import { transmit } from './transmit';

const EINTR = 4;
/** struct pollfd {i32 fd, u16 events, u16 revents}. */
const POLLFD_SIZE: usize = 8;
const POLLFD_EVENTS: usize = 4;
const POLLFD_REVENTS: usize = 6;
const POLLIN: u16 = 1;
/** Nothing depends on it: a worker that sleeps is woken by its descriptors. */
const IDLE_MS = 1000;
const NS_PER_SEC: i64 = 1000000000;

/** Worker: moves packets until its stop flag is set; offline before and after. */
export function run(worker: u32): void {
  const context = contextOf(worker);
  while (!isStopped(context)) {
    qsbrOnline(worker);
    while (runRound(worker, context));
    const count = fillPollSet(worker, context);
    qsbrOffline(worker);
    if (!isStopped(context)) sleep(context, count);
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
    runBatch(worker, context, length);
    isBusy = true;
  }
  return false;
}

function runBatch(worker: u32, context: usize, length: u32): void {
  // For the record of a crash: how many packets were being decided.
  store<u32>(context, length, CTX_BURST);
  clock(context + <usize>CTX_TIMESPEC);
  const seconds = load<i64>(context, CTX_TIMESPEC);
  const nanoseconds = load<i64>(context, CTX_TIMESPEC + 8);
  store<i64>(context, seconds * NS_PER_SEC + nanoseconds, CTX_NOW);
  burst(worker, length);
  transmit(worker, length);
  store<u32>(context, 0, CTX_BURST);
}

/** Worker, online: writes the eventfd and all live queues into the poll set; returns how many. */
function fillPollSet(worker: u32, context: usize): u32 {
  let entry = context + <usize>CTX_POLL;
  addToPollSet(entry, load<i32>(context, CTX_EVENT_FD));
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
  if (ready > 0 && load<u16>(pollSet, POLLFD_REVENTS) !== 0)
    read(load<i32>(pollSet), context + <usize>CTX_EVENT_COUNT, 8);
}
