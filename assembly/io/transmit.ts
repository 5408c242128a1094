import {
  CTL_SNAPSHOT,
  CTX_URING,
  DROP_TX_FAILED,
  DROP_TX_FULL,
  PKT_LEN,
  PKT_OUT_IFACE,
  PKT_SIZE,
  PKT_VERDICT,
  PKTS_OFFSET,
  PORT_SUSPECT,
  SLOT_FREE,
  SLOT_SIZE,
  SLOT_VNET,
  VERDICT_DROP,
  VNET_SIZE,
} from '../layout';
import { count, countersOf, countTx, countTxError } from '../stats';
import { addressOf, contextOf, queueOf } from './context';
import { ringOf } from './receive';
import { write } from './sys';
import { portOf } from './uring-ports';
import { queueWrite, setSlot } from './uring-queue';

const EAGAIN = 11;
const ENOBUFS = 105;

/**
 * Sends what a burst decided to send of `length` slots from `first` on, each packet once.
 *
 * Through an io_uring the writes are only queued: uring.ts says how they are counted.
 */
export function transmit(worker: u32, first: u32, length: u32): void {
  // Loaded anew: the burst may have found an interface that was not there when the batch was read.
  const snapshot = <usize>atomic.load<u32>(CTL_SNAPSHOT);
  const context = contextOf(worker);
  const uring = <usize>load<u32>(context, CTX_URING);
  const counters = countersOf(worker);
  const ring = ringOf(worker);
  for (let n = first; n < first + length; ++n) {
    const pkt = ring + <usize>PKTS_OFFSET + <usize>n * <usize>PKT_SIZE;
    if (load<u8>(pkt, PKT_VERDICT) === <u8>VERDICT_DROP) {
      if (uring !== 0) setSlot(uring, n, SLOT_FREE);
      continue;
    }
    const iface = <u32>load<u16>(pkt, PKT_OUT_IFACE);
    const bytes = VNET_SIZE + load<u32>(pkt, PKT_LEN);
    const fd = queueOf(snapshot, worker, iface);
    const offset = ring + <usize>n * <usize>SLOT_SIZE + <usize>SLOT_VNET;
    if (uring === 0) countSent(counters, iface, write(fd, offset, bytes));
    else {
      const isSuspect = load<u8>(portOf(uring, iface), PORT_SUSPECT) !== 0;
      if (!isSuspect) countTx(counters, iface, bytes - VNET_SIZE);
      queueWrite(uring, fd, addressOf(context, offset), bytes, n, iface, isSuspect);
    }
  }
}

/**
 * Counts a write by its result, bytes or a negative errno.
 *
 * One that fails loses its packet: a full queue, a device that is down or gone. Waiting for one
 * device would hold up all the others.
 */
export function countSent(counters: usize, iface: u32, result: i32): void {
  if (result >= 0) {
    countTx(counters, iface, result - VNET_SIZE);
    return;
  }
  countTxError(counters, iface);
  const isFull = result === -EAGAIN || result === -ENOBUFS;
  count(counters, isFull ? DROP_TX_FULL : DROP_TX_FAILED, 1);
}
