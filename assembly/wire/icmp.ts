// The ICMP header, RFC 792: type, code, checksum, and four bytes that depend on the type - for echo
// the identifier and the sequence number, for errors unused or the next-hop MTU (RFC 1191).
//
// icmpCheck() goes first; the rest relies on what it found and checks nothing.
import { checksum, delta16, fixChecksum, sumBytes } from '../checksum';
import { DROP_L4_HEADER, REASON_NONE } from '../layout';

/** Bytes of the header. */
export const ICMP_HEADER: u32 = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
const SOURCE_QUENCH = 4;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;
const PARAMETER_PROBLEM = 12;
const TIMESTAMP_REQUEST = 13;
const TIMESTAMP_REPLY = 14;

/** Codes of ICMP_UNREACHABLE. */
export const ICMP_NET_UNREACHABLE = 0;
export const ICMP_HOST_UNREACHABLE = 1;
export const ICMP_FRAGMENTATION_NEEDED = 4;
/** Code of ICMP_TIME_EXCEEDED. */
export const ICMP_TTL_EXCEEDED = 0;

const TYPE = 0;
const CHECKSUM = 2;
const REST = 4;
const IDENTIFIER = 4;

/** Queries and their answers: echo, router discovery, timestamp, information, address mask. */
const QUERY_TYPES: u32 =
  (1 << 0) |
  (1 << 8) |
  (1 << 9) |
  (1 << 10) |
  (1 << 13) |
  (1 << 14) |
  (1 << 15) |
  (1 << 16) |
  (1 << 17) |
  (1 << 18);

/** Returns why the `available` bytes at `icmp` are no ICMP message, or REASON_NONE. */
export function icmpCheck(available: u32): u32 {
  return available < ICMP_HEADER ? DROP_L4_HEADER : REASON_NONE;
}

/** Returns the type of the message. */
export function icmpType(icmp: usize): u32 {
  return load<u8>(icmp, TYPE);
}

/**
 * Returns whether messages of `type` are queries or their answers.
 *
 * All others are taken for errors, unknown ones too: errors about them could go round in circles.
 */
export function icmpIsQuery(type: u32): bool {
  return type < 32 && ((QUERY_TYPES >> type) & 1) !== 0;
}

/** Returns whether messages of `type` are requests that a conn can begin with: echo, timestamp. */
export function icmpIsRequest(type: u32): bool {
  return type === ICMP_ECHO_REQUEST || type === TIMESTAMP_REQUEST;
}

/** Returns whether messages of `type` answer such requests. */
export function icmpIsReply(type: u32): bool {
  return type === ICMP_ECHO_REPLY || type === TIMESTAMP_REPLY;
}

/** Returns whether messages of `type` are errors that quote a packet of a conversation. */
export function icmpIsError(type: u32): bool {
  return (
    type === ICMP_UNREACHABLE ||
    type === SOURCE_QUENCH ||
    type === ICMP_TIME_EXCEEDED ||
    type === PARAMETER_PROBLEM
  );
}

/** Returns whether the checksum of the `length` bytes of a message is right. */
export function icmpSumIsOk(icmp: usize, length: u32): bool {
  return sumBytes(icmp, length) === 0xffff;
}

/** Writes the checksum of the `length` bytes of a message anew. */
export function icmpSum(icmp: usize, length: u32): void {
  store<u16>(icmp, 0, CHECKSUM);
  store<u16>(icmp, checksum(icmp, length), CHECKSUM);
}

/** Returns the identifier of an echo message as it lies in the packet. */
export function icmpIdBe(icmp: usize): u32 {
  return load<u16>(icmp, IDENTIFIER);
}

/** Writes another identifier and fixes the checksum, which has no pseudo-header to cover. */
export function icmpSetIdBe(icmp: usize, idBe: u32): void {
  const delta = delta16(icmpIdBe(icmp), idBe);
  store<u16>(icmp, idBe, IDENTIFIER);
  fix(icmp, delta);
}

/** Turns an echo request into its reply. */
export function icmpAnswerEcho(icmp: usize): void {
  // The checksum covers type and code as one word.
  const before: u32 = load<u16>(icmp, TYPE);
  store<u8>(icmp, ICMP_ECHO_REPLY, TYPE);
  fix(icmp, delta16(before, load<u16>(icmp, TYPE)));
}

/** Writes the header of an error whose `length` bytes end in what it quotes, already in place. */
export function icmpWriteError(icmp: usize, type: u32, code: u32, rest: u32, length: u32): void {
  store<u16>(icmp, type | (code << 8), TYPE);
  store<u32>(icmp, bswap<u32>(rest), REST);
  icmpSum(icmp, length);
}

function fix(icmp: usize, delta: u32): void {
  store<u16>(icmp, fixChecksum(load<u16>(icmp, CHECKSUM), delta), CHECKSUM);
}
