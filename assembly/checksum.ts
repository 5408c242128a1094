// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//
// Words are taken as they lie in the packet, never swapped: the one's complement sum of swapped
// words is the swapped sum (RFC 1071 section 2 (B)), so that what is loaded from a packet on this
// little-endian machine can be summed and stored back as it is.
//
// A change of some words is a `delta`: the complements of the old words plus the new words, not
// folded. Deltas add up, and one delta serves every checksum that covers the words. The update is
// equation 3 of RFC 1624, because equation 4 of RFC 1141 makes 0xffff where 0 is right.

/** Returns the sum of `length` bytes (at most 65535), folded to 16 bits and not complemented. */
export function sumBytes(start: usize, length: u32): u32 {
  const end = start + length;
  let at = start;
  let sum: u64 = 0;
  for (; at + 16 <= end; at += 16) {
    sum += load<u32>(at);
    sum += load<u32>(at, 4);
    sum += load<u32>(at, 8);
    sum += load<u32>(at, 12);
  }
  for (; at + 2 <= end; at += 2) sum += load<u16>(at);
  // An odd byte is padded with a zero byte on its right, which is the high byte of the word here.
  if (at < end) sum += load<u8>(at);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
  return fold(<u32>sum);
}

/** Returns the checksum of `length` bytes (at most 65535), as it is to be stored. */
export function checksum(start: usize, length: u32): u32 {
  return ~sumBytes(start, length) & 0xffff;
}

/** Returns `sum` with its carries added back in: 16 bits, and 0 only for 0. */
function fold(sum: u32): u32 {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

/** Returns the delta of a 16-bit word that changes from `before` to `after`. */
export function delta16(before: u32, after: u32): u32 {
  return (~before & 0xffff) + after;
}

/** Returns the delta of a 32-bit word, such as an address. */
export function delta32(before: u32, after: u32): u32 {
  return (~before & 0xffff) + (~before >> 16) + (after & 0xffff) + (after >> 16);
}

/** Returns the checksum `check` after a change by `delta`. RFC 1624 equation 3. */
export function fixChecksum(check: u32, delta: u32): u32 {
  return ~fold((~check & 0xffff) + delta) & 0xffff;
}

/**
 * Returns the partial checksum `sum` after a change by `delta`.
 *
 * A partial checksum is the sum over the pseudo-header, not complemented, that offload completes
 * later (VIRTIO_NET_HDR_F_NEEDS_CSUM).
 */
export function fixPartial(sum: u32, delta: u32): u32 {
  return fold(sum + delta);
}
