import {
  DROP_TOO_SHORT,
  MAX_BURST,
  MAX_PACKET,
  PKT_IN_IFACE,
  PKT_LEN,
  PKT_SIZE,
  PKTS_OFFSET,
  RING_SIZE,
  RINGS_BASE,
  SLOT_SIZE,
  SLOT_VNET,
  VNET_SIZE,
} from '../layout';
import { count, countersOf, countRx, countRxDrop } from '../stats';
import { contextOf, markDead } from './context';
import { read } from './sys';

const EINTR = 4;
const EAGAIN = 11;
/** A burst stays in the second-level cache: 64 segments of 64 KiB would not. */
const BURST_BYTES: u32 = 131072;

/** Returns the ring of a worker. */
export function ringOf(worker: u32): usize {
  return <usize>RINGS_BASE + <usize>worker * <usize>RING_SIZE;
}

/**
 * Reads a queue into the ring until it is empty, or a burst is full; returns the number of packets.
 *
 * A read that fails for another reason than an empty queue will fail for ever: the queue is marked
 * dead. So is one at its end (0 bytes): the far end of an in-memory pair has closed. A TUN device
 * that is merely down reads as empty.
 */
export function receive(worker: u32, fd: i32, iface: u32): u32 {
  let slot = ringOf(worker);
  let pkt = slot + <usize>PKTS_OFFSET;
  let received: u32 = 0;
  let bytes: u32 = 0;
  while (received < <u32>MAX_BURST && bytes < BURST_BYTES) {
    const length = read(fd, slot + <usize>SLOT_VNET, VNET_SIZE + MAX_PACKET);
    if (length <= 0) {
      if (length !== -EAGAIN && length !== -EINTR) markDead(contextOf(worker), iface);
      break;
    }
    bytes += length;
    if (length < VNET_SIZE) {
      dropRunt(worker, iface);
      continue;
    }
    store<u32>(pkt, length - VNET_SIZE, PKT_LEN);
    store<u16>(pkt, <u16>iface, PKT_IN_IFACE);
    slot += <usize>SLOT_SIZE;
    pkt += <usize>PKT_SIZE;
    received += 1;
  }
  return received;
}

/** Counts what is shorter than a virtio-net header: there is no packet in it. */
function dropRunt(worker: u32, iface: u32): void {
  const counters = countersOf(worker);
  countRx(counters, iface, 0);
  countRxDrop(counters, iface);
  count(counters, DROP_TOO_SHORT, 1);
}
