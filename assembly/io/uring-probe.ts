import { CTX_URING, SLOT_SIZE, SLOT_VNET } from '../layout';
import { addressOf, contextOf } from './context';
import { ringOf } from './receive';
import { openPort, serveReads } from './uring-ports';
import {
  ASKED_READ,
  ASKED_WRITE,
  completion,
  completionAsked,
  completionHead,
  completionResult,
  completionSlot,
  completionTail,
  dropCompletions,
  queueWrite,
  submit,
} from './uring-queue';

/** No interface has this id. */
const IFACE: u32 = 0;
const SERIAL: u32 = 1;
const ETIME = 62;
/** Each round enters the kernel once. All that is asked is done within the first two. */
const ROUNDS = 100;

/**
 * Reads the packet that waits in the queue `fd` through the ring of `worker`, as runUring() does, and
 * writes it back. Returns 0 when both succeed, or a negative errno. The ring is to be closed then.
 */
export function probeUring(worker: u32, fd: i32): i32 {
  const context = contextOf(worker);
  const ring = <usize>load<u32>(context, CTX_URING);
  openPort(ring, worker, IFACE, fd, SERIAL, 0, 2);
  serveReads(ring, worker);
  const read = waitFor(ring, ASKED_READ);
  if (read === 0) return -ETIME;
  const bytes = completionResult(read);
  if (bytes < 0) return bytes;
  const slot = completionSlot(read);
  const offset = ringOf(worker) + <usize>slot * <usize>SLOT_SIZE + <usize>SLOT_VNET;
  queueWrite(ring, fd, addressOf(context, offset), bytes, slot, IFACE, true);
  const write = waitFor(ring, ASKED_WRITE);
  if (write === 0) return -ETIME;
  return min<i32>(completionResult(write), 0);
}

/** Returns the first completion of what was asked, and drops all up to it; 0 if there is none. */
function waitFor(ring: usize, asked: u32): usize {
  for (let round = 0; round < ROUNDS; ++round) {
    submit(ring, 0);
    const tail = completionTail(ring);
    for (let head = completionHead(ring); head !== tail; ++head) {
      const cqe = completion(ring, head);
      dropCompletions(ring, head + 1);
      if (completionAsked(cqe) === asked) return cqe;
    }
  }
  return 0;
}
