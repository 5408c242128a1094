import {
  CTL_SNAPSHOT,
  DROP_TX_FAILED,
  PKT_LEN,
  PKT_OUT_IFACE,
  PKT_SIZE,
  PKT_VERDICT,
  PKTS_OFFSET,
  SLOT_SIZE,
  SLOT_VNET,
  VERDICT_DROP,
  VNET_SIZE,
} from '../layout';
import { count, countersOf, countTx, countTxError } from '../stats';
import { queueOf } from './context';
import { ringOf } from './receive';
import { write } from './sys';

/**
 * Sends what a burst of `length` packets decided to send, each packet once.
 *
 * A write that fails loses its packet, and is counted: a full queue, a device that is down or gone.
 * Waiting for one device would hold up all the others.
 */
export function transmit(worker: u32, length: u32): void {
  // Loaded anew: the burst may have found an interface that was not there when the batch was read.
  const snapshot = <usize>atomic.load<u32>(CTL_SNAPSHOT);
  const counters = countersOf(worker);
  let slot = ringOf(worker);
  let pkt = slot + <usize>PKTS_OFFSET;
  for (let packet: u32 = 0; packet < length; ++packet) {
    if (load<u8>(pkt, PKT_VERDICT) !== <u8>VERDICT_DROP) {
      const bytes = load<u32>(pkt, PKT_LEN);
      const iface = <u32>load<u16>(pkt, PKT_OUT_IFACE);
      const fd = queueOf(snapshot, worker, iface);
      if (fd >= 0 && write(fd, slot + <usize>SLOT_VNET, VNET_SIZE + bytes) >= 0) {
        countTx(counters, iface, bytes);
      } else {
        countTxError(counters, iface);
        count(counters, DROP_TX_FAILED, 1);
      }
    }
    slot += <usize>SLOT_SIZE;
    pkt += <usize>PKT_SIZE;
  }
}
