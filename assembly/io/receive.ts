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
export const BURST_BYTES: u32 = 131072;

/** Returns the slots of a worker; their descriptors follow. */
export function ringOf(worker: u32): usize {
  return <usize>RINGS_BASE + <usize>worker * <usize>RING_SIZE;
}

/** Reads a queue into the first slots until it is empty, or a burst is full; returns how many. */
export function receive(worker: u32, fd: i32, iface: u32): u32 {
  const ring = ringOf(worker);
  let received: u32 = 0;
  let bytes: u32 = 0;
  while (received < <u32>MAX_BURST && bytes < BURST_BYTES) {
    const slot = ring + <usize>received * <usize>SLOT_SIZE;
    const length = read(fd, slot + <usize>SLOT_VNET, VNET_SIZE + MAX_PACKET);
    if (length <= 0) {
      if (isFatal(length)) markDead(contextOf(worker), iface);
      break;
    }
    bytes += length;
    if (takePacket(worker, received, iface, length)) received += 1;
  }
  return received;
}

/**
 * Returns whether a read that brought nothing will fail for ever. It does so for any other reason than
 * an empty queue, and at the end of a stream (0 bytes): the far end of an in-memory pair has closed.
 * A TUN device that is merely down reads as empty.
 */
export function isFatal(result: i32): bool {
  return result !== -EAGAIN && result !== -EINTR;
}

/**
 * Fills the descriptor of a slot that `length` bytes were read to. Returns false for what is shorter
 * than a virtio-net header, having counted it: there is no packet in it.
 */
export function takePacket(worker: u32, slot: u32, iface: u32, length: i32): bool {
  if (length < VNET_SIZE) {
    const counters = countersOf(worker);
    countRx(counters, iface, 0);
    countRxDrop(counters, iface);
    count(counters, DROP_TOO_SHORT, 1);
    return false;
  }
  const pkt = ringOf(worker) + <usize>PKTS_OFFSET + <usize>slot * <usize>PKT_SIZE;
  store<u32>(pkt, length - VNET_SIZE, PKT_LEN);
  store<u16>(pkt, <u16>iface, PKT_IN_IFACE);
  return true;
}
