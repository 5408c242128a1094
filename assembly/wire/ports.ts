// What TCP and UDP have in common: both ports in the first four bytes of the header, so that one
// code translates either. The header must be known to lie inside the packet.

const SRC = 0;
const DST = 2;

/** Returns both ports as they lie in the packet: the source in the low half. */
export function portsBe(l4: usize): u32 {
  return load<u32>(l4);
}

/** Returns the source port as it lies in the packet. */
export function srcPortBe(l4: usize): u32 {
  return load<u16>(l4, SRC);
}

/** Returns the destination port as it lies in the packet. */
export function dstPortBe(l4: usize): u32 {
  return load<u16>(l4, DST);
}

/** Writes another source port; the checksum is the caller's. */
export function setSrcPortBe(l4: usize, portBe: u32): void {
  store<u16>(l4, portBe, SRC);
}

/** Writes another destination port; the checksum is the caller's. */
export function setDstPortBe(l4: usize, portBe: u32): void {
  store<u16>(l4, portBe, DST);
}

/** Writes both ports as they lie in a packet, the source in the low half; the checksum is the caller's. */
export function setPortsBe(l4: usize, portsBe: u32): void {
  store<u32>(l4, portsBe);
}
