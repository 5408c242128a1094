// The IPv4 header, RFC 791.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------+-------+---------------+-------------------------------+
// 0 |version|  IHL  |      TOS      |         total length          |
//   +-------+-------+---------------+-----+-------------------------+
// 4 |        identification         | DF/MF |    fragment offset    |
//   +---------------+---------------+-----+-------------------------+
// 8 |      TTL      |   protocol    |        header checksum        |
//   +---------------+---------------+-------------------------------+
// 12|                        source address                         |
// 16|                     destination address                       |
//   +---------------------------------------------------------------+
//
// ipv4Check() goes first; the accessors rely on what it found and check nothing.
import { checksum, delta16, delta32, fixChecksum, sumBytes } from '../checksum';
import {
  DROP_HEADER_CHECKSUM,
  DROP_HEADER_LENGTH,
  DROP_NOT_IPV4,
  DROP_TOO_SHORT,
  DROP_TOTAL_LENGTH,
  REASON_NONE,
} from '../layout';

/** Bytes of a header without options. */
export const IPV4_HEADER: u32 = 20;

const TOTAL_LENGTH = 2;
const IDENTIFICATION = 4;
const FRAGMENT = 6;
const TTL = 8;
const PROTO = 9;
const CHECKSUM = 10;
const SRC = 12;
const DST = 16;

// Masks over the fragment word as it lies in the packet.
const DF_BE: u32 = 0x0040;
const MF_BE: u32 = 0x0020;
const OFFSET_BE: u32 = 0xff1f;

/**
 * Returns why the `length` bytes at `ip` are no IPv4 packet that may be routed, or REASON_NONE.
 *
 * Bytes beyond the total length are allowed: links pad. RFC 1812 section 5.2.2.
 */
export function ipv4Check(ip: usize, length: u32): u32 {
  if (length < IPV4_HEADER) return DROP_TOO_SHORT;
  if (load<u8>(ip) >> 4 !== 4) return DROP_NOT_IPV4;
  const headerLength = ipv4HeaderLength(ip);
  if (headerLength < IPV4_HEADER || headerLength > length) return DROP_HEADER_LENGTH;
  if (sumBytes(ip, headerLength) !== 0xffff) return DROP_HEADER_CHECKSUM;
  const totalLength = ipv4TotalLength(ip);
  if (totalLength < headerLength || totalLength > length) return DROP_TOTAL_LENGTH;
  return REASON_NONE;
}

/**
 * Returns whether the `length` bytes at `ip` begin with a whole and undamaged header, as an ICMP
 * error quotes it: of what follows it, any part may be missing.
 */
export function ipv4CheckQuoted(ip: usize, length: u32): bool {
  if (length < IPV4_HEADER || load<u8>(ip) >> 4 !== 4) return false;
  const headerLength = ipv4HeaderLength(ip);
  if (headerLength < IPV4_HEADER || headerLength > length) return false;
  return sumBytes(ip, headerLength) === 0xffff && ipv4TotalLength(ip) > headerLength;
}

/** Returns the bytes of header, options included: 20..60. */
export function ipv4HeaderLength(ip: usize): u32 {
  return (load<u8>(ip) & 15) << 2;
}

/** Returns the bytes of header and payload. */
export function ipv4TotalLength(ip: usize): u32 {
  return bswap<u16>(load<u16>(ip, TOTAL_LENGTH));
}

/** Returns whether the packet must not be fragmented. */
export function ipv4IsDf(ip: usize): bool {
  return (load<u16>(ip, FRAGMENT) & DF_BE) !== 0;
}

/** Returns whether the packet is any fragment, the first included. */
export function ipv4IsFragment(ip: usize): bool {
  return (load<u16>(ip, FRAGMENT) & (OFFSET_BE | MF_BE)) !== 0;
}

/** Returns whether the packet is a fragment that lacks the transport header. */
export function ipv4IsLaterFragment(ip: usize): bool {
  return (load<u16>(ip, FRAGMENT) & OFFSET_BE) !== 0;
}

/** Returns how many hops are left. */
export function ipv4Ttl(ip: usize): u32 {
  return load<u8>(ip, TTL);
}

/** Returns the transport protocol's number. */
export function ipv4Proto(ip: usize): u32 {
  return load<u8>(ip, PROTO);
}

/** Returns the source address as it lies in the packet. */
export function ipv4SrcBe(ip: usize): u32 {
  return load<u32>(ip, SRC);
}

/** Returns the destination address as it lies in the packet. */
export function ipv4DstBe(ip: usize): u32 {
  return load<u32>(ip, DST);
}

/** Returns source and destination as they lie in the packet: the source in the low half. */
export function ipv4AddressesBe(ip: usize): u64 {
  return load<u64>(ip, SRC);
}

/** Writes another TTL and fixes the header checksum. */
export function ipv4SetTtl(ip: usize, ttl: u32): void {
  // The checksum covers TTL and protocol as one word.
  const before: u32 = load<u16>(ip, TTL);
  store<u8>(ip, ttl, TTL);
  fixHeader(ip, delta16(before, load<u16>(ip, TTL)));
}

/** Writes another source, fixes the header checksum, and returns the delta for the transport's. */
export function ipv4SetSrcBe(ip: usize, srcBe: u32): u32 {
  const delta = delta32(ipv4SrcBe(ip), srcBe);
  store<u32>(ip, srcBe, SRC);
  fixHeader(ip, delta);
  return delta;
}

/** Writes another destination, fixes the header checksum, returns the delta for the transport's. */
export function ipv4SetDstBe(ip: usize, dstBe: u32): u32 {
  const delta = delta32(ipv4DstBe(ip), dstBe);
  store<u32>(ip, dstBe, DST);
  fixHeader(ip, delta);
  return delta;
}

/** Swaps source and destination; no checksum changes by that. */
export function ipv4SwapAddresses(ip: usize): void {
  store<u64>(ip, rotl<u64>(load<u64>(ip, SRC), 32), SRC);
}

/**
 * Writes a header of 20 bytes with its checksum: identification 0 and DF, as an atomic datagram has
 * no use for an identification (RFC 6864 section 4.1).
 */
export function ipv4Write(
  ip: usize,
  tos: u32,
  totalLength: u32,
  ttl: u32,
  proto: u32,
  srcBe: u32,
  dstBe: u32,
): void {
  store<u8>(ip, 0x45);
  store<u8>(ip, tos, 1);
  store<u16>(ip, bswap<u16>(<u16>totalLength), TOTAL_LENGTH);
  store<u16>(ip, 0, IDENTIFICATION);
  store<u16>(ip, DF_BE, FRAGMENT);
  store<u8>(ip, ttl, TTL);
  store<u8>(ip, proto, PROTO);
  store<u16>(ip, 0, CHECKSUM);
  store<u32>(ip, srcBe, SRC);
  store<u32>(ip, dstBe, DST);
  store<u16>(ip, checksum(ip, IPV4_HEADER), CHECKSUM);
}

function fixHeader(ip: usize, delta: u32): void {
  store<u16>(ip, fixChecksum(load<u16>(ip, CHECKSUM), delta), CHECKSUM);
}
