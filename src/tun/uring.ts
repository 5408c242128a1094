// An io_uring of a worker, in shared memory: its rings, its submissions, and later its buffers. The
// kernel is told where they are (IORING_SETUP_NO_MMAP) instead of choosing, so that WebAssembly can
// reach them. assembly/io/uring.ts drives it.
//
// The thread that opens the ring is the only one that may use it (IORING_SETUP_DEFER_TASKRUN). The
// kernel closes a ring in its own time and may write to it until then, so each opening takes the
// other one of two places.
import {
  CTX_ADDRESS,
  CTX_BASE,
  CTX_HELD,
  CTX_SIZE,
  CTX_URING,
  CTX_URING_LAST,
  MAX_IFACES,
  URING_BASE,
  URING_CQ_ENTRIES,
  URING_CQ_HEAD,
  URING_CQ_TAIL,
  URING_CQES,
  URING_FD,
  URING_GENERATIONS,
  URING_PARAMS,
  URING_RINGS,
  URING_SIZE,
  URING_SQ_ENTRIES,
  URING_SQ_FLAGS,
  URING_SQ_HEAD,
  URING_SQ_TAIL,
  URING_SQES,
} from '../../assembly/layout.js';
import { addressOf, closeFd, setUpUring } from './sys.js';

// linux/io_uring.h: each came with the Linux version behind it; multishot reads came with 6.7.
const IORING_SETUP_CQSIZE = 1 << 3;
const IORING_SETUP_SUBMIT_ALL = 1 << 7; // 5.18
const IORING_SETUP_TASKRUN_FLAG = 1 << 9; // 5.19
const IORING_SETUP_SINGLE_ISSUER = 1 << 12; // 6.0
const IORING_SETUP_DEFER_TASKRUN = 1 << 13; // 6.1
const IORING_SETUP_NO_MMAP = 1 << 14; // 6.5
const IORING_SETUP_NO_SQARRAY = 1 << 16; // 6.6
const SETUP_FLAGS =
  IORING_SETUP_CQSIZE |
  IORING_SETUP_SUBMIT_ALL |
  IORING_SETUP_TASKRUN_FLAG |
  IORING_SETUP_SINGLE_ISSUER |
  IORING_SETUP_DEFER_TASKRUN |
  IORING_SETUP_NO_MMAP |
  IORING_SETUP_NO_SQARRAY;

// struct io_uring_params.
const PARAMS_CQ_ENTRIES = 4;
const PARAMS_FLAGS = 8;
const PARAMS_SQ_OFF = 40;
const PARAMS_CQ_OFF = 80;
// struct io_sqring_offsets and io_cqring_offsets.
const OFF_HEAD = 0;
const OFF_TAIL = 4;
const SQ_OFF_FLAGS = 16;
const CQ_OFF_CQES = 20;
const OFF_USER_ADDR = 32;

/** A worker's ring while it is open. */
export interface Uring {
  /** Closes the ring; what is under way on it ends in the kernel's own time. Idempotent. */
  close(): void;
}

/**
 * Opens a ring for `worker` and leaves its address in the worker's page. Called by the thread that
 * is to use it.
 *
 * @throws {SyscallError} EPERM, ENOSYS where it is forbidden, ENOMEM beyond RLIMIT_MEMLOCK, EINVAL
 * from a kernel that is too old.
 */
export function openUring(memory: WebAssembly.Memory, worker: number): Uring {
  const view = new DataView(memory.buffer);
  const context = contextOf(worker);
  const ring = nextPlace(worker, view.getUint32(context + CTX_URING_LAST, true));
  const base = addressOf(memory);
  setUp(view, base, ring);
  view.setBigUint64(context + CTX_ADDRESS, BigInt(base), true);
  view.setUint32(context + CTX_URING_LAST, ring, true);
  view.setUint32(context + CTX_URING, ring, true);
  return { close: () => closeUring(memory, worker) };
}

/** Closes a worker's ring if it is still open, and gives up the devices that it held. */
export function closeUring(memory: WebAssembly.Memory, worker: number): void {
  const view = new DataView(memory.buffer);
  const context = contextOf(worker);
  const ring = view.getUint32(context + CTX_URING, true);
  if (ring === 0) return;
  view.setUint32(context + CTX_URING, 0, true);
  closeFd(view.getInt32(ring + URING_FD, true));
  new Uint8Array(memory.buffer, context + CTX_HELD, MAX_IFACES * 4).fill(0);
}

/** Has the kernel make a ring at `ring`, and notes where its words are. */
function setUp(view: DataView, base: number, ring: number): void {
  new Uint8Array(view.buffer, ring, URING_SQES).fill(0);
  const params = ring + URING_PARAMS;
  view.setUint32(params + PARAMS_CQ_ENTRIES, URING_CQ_ENTRIES, true);
  view.setUint32(params + PARAMS_FLAGS, SETUP_FLAGS, true);
  const setAddress = (part: number, offset: number) =>
    view.setBigUint64(params + part + OFF_USER_ADDR, BigInt(base + offset), true);
  setAddress(PARAMS_SQ_OFF, ring + URING_SQES);
  setAddress(PARAMS_CQ_OFF, ring + URING_RINGS);
  const fd = setUpUring(URING_SQ_ENTRIES, base + params);

  const note = (word: number, part: number, field: number) => {
    const offset = view.getUint32(params + part + field, true);
    view.setUint32(ring + word, ring + URING_RINGS + offset, true);
  };
  view.setInt32(ring + URING_FD, fd, true);
  note(URING_SQ_HEAD, PARAMS_SQ_OFF, OFF_HEAD);
  note(URING_SQ_TAIL, PARAMS_SQ_OFF, OFF_TAIL);
  note(URING_SQ_FLAGS, PARAMS_SQ_OFF, SQ_OFF_FLAGS);
  note(URING_CQ_HEAD, PARAMS_CQ_OFF, OFF_HEAD);
  note(URING_CQ_TAIL, PARAMS_CQ_OFF, OFF_TAIL);
  note(URING_CQES, PARAMS_CQ_OFF, CQ_OFF_CQES);
}

function contextOf(worker: number): number {
  return CTX_BASE + worker * CTX_SIZE;
}

/** Returns the place of a worker's next ring, which is not that of its last one. */
function nextPlace(worker: number, last: number): number {
  const first = URING_BASE + worker * URING_GENERATIONS * URING_SIZE;
  return last === first ? first + URING_SIZE : first;
}
