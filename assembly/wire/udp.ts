// The UDP header, RFC 768: source port, destination port, length, checksum; 16 bits each.
//
// udpCheck() goes first; the rest relies on what it found and checks nothing.
import { checksum, fixChecksum, fixPartial } from '../checksum';
import { DROP_L4_HEADER, REASON_NONE } from '../layout';

/** Bytes of the header. */
export const UDP_HEADER: u32 = 8;

const LENGTH = 4;
const CHECKSUM = 6;

/**
 * Returns why the `available` bytes at `udp` are no datagram, or REASON_NONE.
 *
 * Of a first fragment only the header is here, and its length tells about the whole datagram.
 */
export function udpCheck(udp: usize, available: u32, isFragment: bool): u32 {
  if (available < UDP_HEADER) return DROP_L4_HEADER;
  const length = udpLength(udp);
  if (length < UDP_HEADER) return DROP_L4_HEADER;
  if (!isFragment && length > available) return DROP_L4_HEADER;
  return REASON_NONE;
}

/** Returns the bytes of header and payload, as the header says. */
export function udpLength(udp: usize): u32 {
  return bswap<u16>(load<u16>(udp, LENGTH));
}

/**
 * Fixes the checksum for a change by `delta`.
 *
 * 0 means that the sender made none, and stays; a checksum that comes out as 0 is sent as 0xffff,
 * which is the same number in one's complement.
 */
export function udpFixChecksum(udp: usize, delta: u32): void {
  const before: u32 = load<u16>(udp, CHECKSUM);
  if (before === 0) return;
  storeComputed(udp, fixChecksum(before, delta));
}

/** Fixes a partial checksum for a change of the pseudo-header by `delta`. */
export function udpFixPartial(udp: usize, delta: u32): void {
  store<u16>(udp, fixPartial(load<u16>(udp, CHECKSUM), delta), CHECKSUM);
}

/** Completes a partial checksum over the `length` bytes at `udp`: the field holds the rest. */
export function udpCompleteChecksum(udp: usize, length: u32): void {
  storeComputed(udp, checksum(udp, length));
}

function storeComputed(udp: usize, check: u32): void {
  store<u16>(udp, check === 0 ? 0xffff : check, CHECKSUM);
}
