// The TCP checksum, RFC 9293 section 3.1: over the pseudo-header, the header and the payload.
import { checksum, fixChecksum, fixPartial } from '../checksum';

const CHECKSUM = 16;

/** Bytes of a TCP header up to where its checksum ends. */
export const TCP_CHECKSUM_END: u32 = 18;

/** Fixes the checksum for a change by `delta`. */
export function tcpFixChecksum(tcp: usize, delta: u32): void {
  store<u16>(tcp, fixChecksum(load<u16>(tcp, CHECKSUM), delta), CHECKSUM);
}

/** Fixes a partial checksum for a change of the pseudo-header by `delta`. */
export function tcpFixPartial(tcp: usize, delta: u32): void {
  store<u16>(tcp, fixPartial(load<u16>(tcp, CHECKSUM), delta), CHECKSUM);
}

/** Completes a partial checksum over the `length` bytes at `tcp`: the field holds the rest. */
export function tcpCompleteChecksum(tcp: usize, length: u32): void {
  store<u16>(tcp, checksum(tcp, length), CHECKSUM);
}
