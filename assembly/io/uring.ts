// The loop of a worker over an io_uring that lies, with all its buffers, in shared memory.
//
// Each port has one read under way that goes on by itself (IORING_OP_READ_MULTISHOT): whenever its
// device has packets, the kernel fills the slots that are lent to it, a completion each. A round takes
// the completions, decides each port's packets in bursts of slots in a row, queues the writes, lends
// free slots, and enters the kernel once: that writes, reads, and sleeps if there is nothing to do.
// So a batch costs one system call, however many packets it has.
//
// Whoever is in that call may sleep, so the worker is offline there. What it finds by looking into
// tables it uses up before. The control plane wakes it through its eventfd, a poll of which is always
// under way; a change of devices is taken up then.
//
// A write never waits (RWF_NOWAIT): it is over when the call that submitted it returns. It is counted as
// sent when it is queued, as the worker may sleep in that very call, and posts a completion only when
// it failed; then it is taken out of the count again. A device whose latest write failed is suspect:
// its writes post a completion each and are counted by it, until one succeeds.
import {
  CTL_SPIN_NS,
  CTX_URING,
  PORT_RUN,
  PORT_RUN_LENGTH,
  PORT_SUSPECT,
  SLOT_BUSY,
  SLOT_FREE,
  VNET_SIZE,
} from '../layout';
import { qsbrCheckpoint, qsbrOffline, qsbrOnline } from '../qsbr';
import { countersOf, uncountTx } from '../stats';
import { runBatch } from './batch';
import {
  contextOf,
  eventFd,
  isStopped,
  markDead,
  takeEvent,
  takeTime,
  takeWakeUp,
} from './context';
import { isFatal, takePacket } from './receive';
import { countSent } from './transmit';
import {
  cancelReads,
  closePorts,
  endReads,
  isUpToDate,
  openPorts,
  portCount,
  portIface,
  portOf,
  reviveReads,
  serveReads,
  takeSlot,
} from './uring-ports';
import {
  ASKED_EVENT,
  ASKED_READ,
  ASKED_WRITE,
  completion,
  completionAsked,
  completionBytes,
  completionHasMore,
  completionHead,
  completionIface,
  completionIsTold,
  completionResult,
  completionSlot,
  completionTail,
  dropCompletions,
  hasCompletions,
  hasWork,
  isAllTaken,
  queuePoll,
  setSlot,
  submit,
} from './uring-queue';

const ENOBUFS = 105;
const ECANCELED = 125;
/** Rounds in which cancelled reads and all writes must have ended; they take two. */
const PATIENCE = 10000;

/** Worker: moves packets through the ring at CTX_URING until its stop flag is set. */
export function runUring(worker: u32): void {
  const context = contextOf(worker);
  const ring = <usize>load<u32>(context, CTX_URING);
  queuePoll(ring, eventFd(context));
  qsbrOnline(worker);
  openPorts(ring, worker);
  while (!isStopped(context)) {
    if (takeWakeUp(context)) {
      reviveReads(ring);
      if (!isUpToDate(ring, worker)) changePorts(ring, worker, context);
    }
    serveReads(ring, worker);
    qsbrOffline(worker);
    rest(ring, context);
    qsbrOnline(worker);
    takeCompletions(ring, worker, context);
  }
  settle(ring, worker, context);
  closePorts(ring, worker);
  qsbrOffline(worker);
}

/**
 * Worker, offline: enters the kernel and comes back with completions. Until there are any it looks for
 * them as long as it is to spin, and then sleeps.
 */
function rest(ring: usize, context: usize): void {
  const spinNs = load<u32>(CTL_SPIN_NS);
  if (spinNs !== 0) {
    submit(ring, 0);
    const endNs = takeTime(context) + spinNs;
    while (!hasCompletions(ring) && !isStopped(context) && takeTime(context) < endNs)
      if (hasWork(ring)) submit(ring, 0);
    if (hasCompletions(ring)) return;
  }
  submit(ring, 1);
}

function changePorts(ring: usize, worker: u32, context: usize): void {
  settle(ring, worker, context);
  closePorts(ring, worker);
  openPorts(ring, worker);
}

/** Ends all reads and writes. What was read until then is sent. */
function settle(ring: usize, worker: u32, context: usize): void {
  for (let round = 0; cancelReads(ring) || !isAllTaken(ring); ++round) {
    if (round === PATIENCE) unreachable();
    submit(ring, 0);
    qsbrCheckpoint(worker);
    takeCompletions(ring, worker, context);
  }
}

function takeCompletions(ring: usize, worker: u32, context: usize): void {
  const counters = countersOf(worker);
  const tail = completionTail(ring);
  let head = completionHead(ring);
  for (; head !== tail; ++head) {
    const cqe = completion(ring, head);
    const asked = completionAsked(cqe);
    if (asked === ASKED_READ) takeRead(ring, worker, context, cqe);
    else if (asked === ASKED_WRITE) takeWrite(ring, counters, cqe);
    else if (asked === ASKED_EVENT) {
      takeEvent(context);
      queuePoll(ring, eventFd(context));
    }
  }
  dropCompletions(ring, head);
  for (let n: u32 = 0; n < portCount(ring); ++n) {
    const iface = portIface(ring, n);
    endRun(worker, context, portOf(ring, iface));
  }
}

/** Counts a write that failed, or one to a suspect device. */
function takeWrite(ring: usize, counters: usize, cqe: usize): void {
  const iface = completionIface(cqe);
  const port = portOf(ring, iface);
  const result = completionResult(cqe);
  if (!completionIsTold(cqe)) uncountTx(counters, iface, completionBytes(cqe) - VNET_SIZE);
  countSent(counters, iface, result);
  store<u8>(port, <u8>(result < 0), PORT_SUSPECT);
}

function takeRead(ring: usize, worker: u32, context: usize, cqe: usize): void {
  const iface = completionIface(cqe);
  const port = portOf(ring, iface);
  const result = completionResult(cqe);
  if (result > 0) {
    const slot = completionSlot(cqe);
    takeSlot(port, result);
    if (takePacket(worker, slot, iface, result)) addToRun(ring, worker, context, port, slot);
    else setSlot(ring, slot, SLOT_FREE);
  }
  if (completionHasMore(cqe)) return;
  const isGone = result <= 0 && result !== -ENOBUFS && result !== -ECANCELED && isFatal(result);
  endReads(port, isGone);
  if (isGone) markDead(context, iface);
}

/** Adds a slot to the packets that its port's next burst decides. */
function addToRun(ring: usize, worker: u32, context: usize, port: usize, slot: u32): void {
  setSlot(ring, slot, SLOT_BUSY);
  const run: u32 = load<u16>(port, PORT_RUN);
  const length: u32 = load<u16>(port, PORT_RUN_LENGTH);
  if (slot !== run + length) endRun(worker, context, port);
  if (load<u16>(port, PORT_RUN_LENGTH) === 0) store<u16>(port, <u16>slot, PORT_RUN);
  store<u16>(port, load<u16>(port, PORT_RUN_LENGTH) + 1, PORT_RUN_LENGTH);
}

/** Decides and sends the packets of a port that were not yet. */
function endRun(worker: u32, context: usize, port: usize): void {
  const length: u32 = load<u16>(port, PORT_RUN_LENGTH);
  if (length === 0) return;
  store<u16>(port, 0, PORT_RUN_LENGTH);
  runBatch(worker, context, load<u16>(port, PORT_RUN), length);
}
