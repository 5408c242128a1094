// The two queues of an io_uring (io_uring(7)), which lie in shared memory: the worker alone writes
// the tail of the submissions and the head of the completions, the kernel the other two.
//
// `ring` is the address of a worker's URING_* page, whose words src/tun/uring.ts has filled in. With
// IORING_SETUP_DEFER_TASKRUN nothing happens behind the worker's back: the kernel reads submissions,
// fills buffers and posts completions only within enter(), so that plain loads would do between
// two calls; the atomic ones say who else writes.
import {
  SLOT_FREE,
  URING_CQ_ENTRIES,
  URING_CQ_HEAD,
  URING_CQ_TAIL,
  URING_CQES,
  URING_FD,
  URING_FREED,
  URING_QUEUED,
  URING_SLOTS,
  URING_SQ_ENTRIES,
  URING_SQ_FLAGS,
  URING_SQ_HEAD,
  URING_SQ_TAIL,
  URING_SQE_SIZE,
  URING_SQES,
} from '../layout';
import { enter } from './sys';

const EINTR = 4;
const EAGAIN = 11;
const EBUSY = 16;

// struct io_uring_sqe, linux/io_uring.h, in words of 8 bytes: {opcode u8, flags u8, priority u16, fd},
// offset, address, {length u32, flags of the operation u32}, user data, {buffers u16, ...}, two more.
const SQE_USER_DATA = 32;
const IORING_OP_POLL_ADD: u32 = 6;
const IORING_OP_ASYNC_CANCEL: u32 = 14;
const IORING_OP_WRITE: u32 = 23;
const IORING_OP_READ_MULTISHOT: u32 = 49;
const IOSQE_BUFFER_SELECT: u32 = 32;
const IOSQE_CQE_SKIP_SUCCESS: u32 = 64;
/** The write fails where it would have to wait. */
const RWF_NOWAIT: u32 = 8;
const POLLIN: u32 = 1;
/** A stream has no position. */
const NO_OFFSET: u64 = u64.MAX_VALUE;

// struct io_uring_cqe.
const CQE_SIZE: usize = 16;
const CQE_USER_DATA = 0;
const CQE_RESULT = 8;
const CQE_FLAGS = 12;
const IORING_CQE_F_MORE: u32 = 2;
const IORING_CQE_BUFFER_SHIFT: u32 = 16;

/** A write's own 32 bits: its bytes, whether a success is told, and its slot. */
const WRITE_BYTES_MASK: u32 = 0x7fffff;
const WRITE_TOLD: u32 = 0x800000;
const WRITE_SLOT_SHIFT: u32 = 24;

/** Set in the flags of the submissions while completions wait for an enter(). */
const IORING_SQ_TASKRUN: u32 = 4;

// User data: what was asked in the top half's second byte, whose it is in the first, and the rest.
export const ASKED_EVENT: u32 = 1;
export const ASKED_READ: u32 = 2;
export const ASKED_CANCEL: u32 = 3;
export const ASKED_WRITE: u32 = 4;

function userData(asked: u32, iface: u32, rest: u32): u64 {
  return words((asked << 8) | iface, rest);
}

function words(high: u32, low: u32): u64 {
  return ((<u64>high) << 32) | low;
}

function submissionAt(ring: usize, number: u32): usize {
  const place = <usize>(number & (URING_SQ_ENTRIES - 1));
  return ring + <usize>URING_SQES + place * <usize>URING_SQE_SIZE;
}

/** Queues a submission. */
function ask(
  ring: usize,
  operation: u32,
  fd: i32,
  offset: u64,
  address: u64,
  lengthAndFlags: u64,
  data: u64,
  group: u32,
): void {
  const queued = load<u32>(ring, URING_QUEUED);
  const sqe = submissionAt(ring, queued);
  store<u64>(sqe, words(fd, operation));
  store<u64>(sqe, offset, 8);
  store<u64>(sqe, address, 16);
  store<u64>(sqe, lengthAndFlags, 24);
  store<u64>(sqe, data, SQE_USER_DATA);
  store<u64>(sqe, group, 40);
  store<u64>(sqe, 0, 48);
  store<u64>(sqe, 0, 56);
  store<u32>(ring, queued + 1, URING_QUEUED);
}

/** Queues a question whether `fd` is readable, answered once. */
export function queuePoll(ring: usize, fd: i32): void {
  const data = userData(ASKED_EVENT, 0, 0);
  ask(ring, IORING_OP_POLL_ADD, fd, 0, 0, words(POLLIN, 0), data, 0);
}

/** Queues reads of a port into the slots that are lent to it, until one fails or none is left. */
export function queueRead(ring: usize, fd: i32, iface: u32, serial: u32): void {
  const operation = IORING_OP_READ_MULTISHOT | (IOSQE_BUFFER_SELECT << 8);
  ask(ring, operation, fd, NO_OFFSET, 0, 0, userData(ASKED_READ, iface, serial), iface);
}

/** Queues the end of the reads of a port. */
export function queueCancel(ring: usize, iface: u32, serial: u32): void {
  const target = userData(ASKED_READ, iface, serial);
  ask(ring, IORING_OP_ASYNC_CANCEL, -1, 0, target, 0, userData(ASKED_CANCEL, iface, serial), 0);
}

/**
 * Queues a write of `bytes` at `address` in the process, out of a slot, to the device of `iface`. Its
 * completion comes always, or only when it fails.
 */
export function queueWrite(
  ring: usize,
  fd: i32,
  address: u64,
  bytes: u32,
  slot: u32,
  iface: u32,
  isTold: bool,
): void {
  const flags = isTold ? 0 : IOSQE_CQE_SKIP_SUCCESS;
  const rest = (slot << WRITE_SLOT_SHIFT) | (isTold ? WRITE_TOLD : 0) | bytes;
  const operation = IORING_OP_WRITE | (flags << 8);
  const data = userData(ASKED_WRITE, iface, rest);
  ask(ring, operation, fd, NO_OFFSET, address, words(RWF_NOWAIT, bytes), data, 0);
}

/**
 * Hands all that is queued to the kernel, lets it run what became ready, and blocks until there are
 * `wait` completions. Slots that were written are free then.
 */
export function submit(ring: usize, wait: u32): void {
  const queued = load<u32>(ring, URING_QUEUED);
  atomic.store<u32>(<usize>load<u32>(ring, URING_SQ_TAIL), queued);
  const result = enter(load<i32>(ring, URING_FD), queued - takenCount(ring), wait);
  // A signal, no memory for a request, completions that must be taken first: what was not taken this
  // time is the next time. Anything else is a broken ring.
  if (result < 0 && result !== -EINTR && result !== -EAGAIN && result !== -EBUSY) unreachable();
  freeWritten(ring);
}

/** Returns whether the kernel has taken all that is queued. */
export function isAllTaken(ring: usize): bool {
  return load<u32>(ring, URING_QUEUED) === takenCount(ring);
}

/** Returns how many submissions the kernel has taken so far. */
function takenCount(ring: usize): u32 {
  return atomic.load<u32>(<usize>load<u32>(ring, URING_SQ_HEAD));
}

/** A write that never waits is over once its submission is taken: its slot is free. */
function freeWritten(ring: usize): void {
  const taken = takenCount(ring);
  for (let n = load<u32>(ring, URING_FREED); n !== taken; ++n) {
    const sqe = submissionAt(ring, n);
    if (load<u8>(sqe) !== <u8>IORING_OP_WRITE) continue;
    setSlot(ring, <u32>load<u64>(sqe, SQE_USER_DATA) >> WRITE_SLOT_SHIFT, SLOT_FREE);
  }
  store<u32>(ring, taken, URING_FREED);
}

/** Returns whether there are completions to be taken. */
export function hasCompletions(ring: usize): bool {
  return completionTail(ring) !== completionHead(ring);
}

/** Returns whether an enter() has work to do that may bring completions. */
export function hasWork(ring: usize): bool {
  return (atomic.load<u32>(<usize>load<u32>(ring, URING_SQ_FLAGS)) & IORING_SQ_TASKRUN) !== 0;
}

/** Returns the number of the oldest completion that was not taken; they are counted, and wrap. */
export function completionHead(ring: usize): u32 {
  return load<u32>(<usize>load<u32>(ring, URING_CQ_HEAD));
}

/** Returns the number of the next completion that the kernel will post. */
export function completionTail(ring: usize): u32 {
  return atomic.load<u32>(<usize>load<u32>(ring, URING_CQ_TAIL));
}

/** Returns the completion with a number from the head on and before the tail. */
export function completion(ring: usize, number: u32): usize {
  const place = <usize>(number & (URING_CQ_ENTRIES - 1));
  return <usize>load<u32>(ring, URING_CQES) + place * CQE_SIZE;
}

/** Gives the places of all completions before `head` back to the kernel. */
export function dropCompletions(ring: usize, head: u32): void {
  atomic.store<u32>(<usize>load<u32>(ring, URING_CQ_HEAD), head);
}

/** Returns what was asked: ASKED_*. */
export function completionAsked(cqe: usize): u32 {
  return <u32>(load<u64>(cqe, CQE_USER_DATA) >> 40);
}

export function completionIface(cqe: usize): u32 {
  return <u32>(load<u64>(cqe, CQE_USER_DATA) >> 32) & 0xff;
}

/** Returns whether a write's completion would have come if it had succeeded. */
export function completionIsTold(cqe: usize): bool {
  return (<u32>load<u64>(cqe, CQE_USER_DATA) & WRITE_TOLD) !== 0;
}

/** Returns how many bytes were to be written. */
export function completionBytes(cqe: usize): u32 {
  return <u32>load<u64>(cqe, CQE_USER_DATA) & WRITE_BYTES_MASK;
}

/** Returns bytes, or a negative errno. */
export function completionResult(cqe: usize): i32 {
  return load<i32>(cqe, CQE_RESULT);
}

/** Returns whether what was asked goes on. */
export function completionHasMore(cqe: usize): bool {
  return (load<u32>(cqe, CQE_FLAGS) & IORING_CQE_F_MORE) !== 0;
}

/** Returns the slot that a read has filled. */
export function completionSlot(cqe: usize): u32 {
  return load<u32>(cqe, CQE_FLAGS) >> IORING_CQE_BUFFER_SHIFT;
}

/** Notes what becomes of a slot: SLOT_*. */
export function setSlot(ring: usize, slot: u32, state: u32): void {
  store<u8>(ring + <usize>slot, <u8>state, URING_SLOTS);
}

/** Returns what becomes of a slot: SLOT_*. */
export function slotState(ring: usize, slot: u32): u32 {
  return load<u8>(ring + <usize>slot, URING_SLOTS);
}
