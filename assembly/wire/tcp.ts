// The TCP header, RFC 9293 section 3.1, and the options that decide a connection's windows: window
// scale (RFC 7323), SACK permitted and SACK (RFC 2018).
//
// The caller has made sure that the 20 fixed bytes are inside the packet. Options may be read only
// after segmentBytes() and dataOffset() were compared by isLengthOk(): then every option byte is
// inside the packet too. A malformed option ends the reading of options; what came before counts.
import { TCP_F_SACK, TCP_F_SCALE } from '../layout';

const SEQ: usize = 4;
const ACK: usize = 8;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const WINDOW: usize = 14;
const OPTIONS: usize = 20;
const IP_TOTAL_LENGTH: usize = 2;

export const TCP_HEADER_SIZE: u32 = 20;

export const FLAG_FIN: u32 = 0x01;
export const FLAG_SYN: u32 = 0x02;
export const FLAG_RST: u32 = 0x04;
export const FLAG_PSH: u32 = 0x08;
export const FLAG_ACK: u32 = 0x10;
export const FLAG_URG: u32 = 0x20;

const OPTION_END: u32 = 0;
const OPTION_NOP: u32 = 1;
const OPTION_SCALE: u32 = 3;
const OPTION_SACK_PERMITTED: u32 = 4;
const OPTION_SACK: u32 = 5;
/** Two no-operations and a timestamp, as little-endian u32: what most segments carry, alone. */
const ALIGNED_TIMESTAMP: u32 = 0x0a080101;
const ALIGNED_TIMESTAMP_SIZE: u32 = 12;
/** RFC 7323 section 2.3: a larger shift is read as this one. */
const MAX_SCALE: u32 = 14;

/** Accessors; `l4` is the address of a TCP header. */
export class Tcp {
  @inline static seq(l4: usize): u32 {
    return bswap<u32>(load<u32>(l4, SEQ));
  }

  @inline static ack(l4: usize): u32 {
    return bswap<u32>(load<u32>(l4, ACK));
  }

  /** Bytes of the header with its options, as it says itself. */
  @inline static dataOffset(l4: usize): u32 {
    return (<u32>load<u8>(l4, DATA_OFFSET) >> 4) << 2;
  }

  @inline static flags(l4: usize): u32 {
    return load<u8>(l4, FLAGS);
  }

  /** The raw field, not scaled. */
  @inline static window(l4: usize): u32 {
    return bswap<u16>(load<u16>(l4, WINDOW));
  }

  /** Bytes from the TCP header to the end of the packet, as the IPv4 header at `ip` says. */
  @inline static segmentBytes(ip: usize, l4: usize): u32 {
    return <u32>bswap<u16>(load<u16>(ip, IP_TOTAL_LENGTH)) - <u32>(l4 - ip);
  }

  /** True when the header is no shorter than 20 bytes and no longer than the segment. */
  @inline static isLengthOk(ip: usize, l4: usize): bool {
    const header = Tcp.dataOffset(l4);
    return header >= TCP_HEADER_SIZE && <i32>header <= <i32>Tcp.segmentBytes(ip, l4);
  }

  /** The sequence numbers that the segment takes: its payload, and one each for SYN and FIN. */
  @inline static sequenceLength(ip: usize, l4: usize): u32 {
    const flags = Tcp.flags(l4);
    const payload = Tcp.segmentBytes(ip, l4) - Tcp.dataOffset(l4);
    return payload + (flags & FLAG_FIN) + ((flags & FLAG_SYN) >> 1);
  }
}

/** Returns what a SYN's options offer, as bits of TCP_FLAGS: scale, TCP_F_SCALE, TCP_F_SACK. */
export function synOptions(l4: usize): u32 {
  const end = l4 + Tcp.dataOffset(l4);
  let at = l4 + OPTIONS;
  let offered: u32 = 0;
  while (at < end) {
    const kind: u32 = load<u8>(at);
    const size = optionSize(at, end);
    if (size === 0) break;
    if (kind === OPTION_SCALE && size === 3) {
      // Of two, the last one counts.
      const scale: u32 = load<u8>(at, 2);
      offered = (offered & TCP_F_SACK) | TCP_F_SCALE | min<u32>(scale, MAX_SCALE);
    } else if (kind === OPTION_SACK_PERMITTED && size === 2) {
      offered |= TCP_F_SACK;
    }
    at += size;
  }
  return offered;
}

/** Returns the highest of the segment's ack and the right edges of its SACK blocks. */
export function highestSack(l4: usize): u32 {
  let highest = Tcp.ack(l4);
  const header = Tcp.dataOffset(l4);
  if (header === TCP_HEADER_SIZE) return highest;
  if (
    header === TCP_HEADER_SIZE + ALIGNED_TIMESTAMP_SIZE &&
    load<u32>(l4, OPTIONS) === ALIGNED_TIMESTAMP
  )
    return highest;
  const end = l4 + header;
  let at = l4 + OPTIONS;
  while (at < end) {
    const kind: u32 = load<u8>(at);
    const size = optionSize(at, end);
    if (size === 0) break;
    if (kind === OPTION_SACK && size % 8 === 2) {
      for (let block = at + 2; block < at + size; block += 8) {
        const right = bswap<u32>(load<u32>(block, 4));
        if (<i32>(right - highest) > 0) highest = right;
      }
    }
    at += size;
  }
  return highest;
}

/** Returns the bytes of the option at `at`, 0 at the list's end and where it is malformed. */
function optionSize(at: usize, end: usize): u32 {
  const kind: u32 = load<u8>(at);
  if (kind === OPTION_END) return 0;
  if (kind === OPTION_NOP) return 1;
  if (at + 1 >= end) return 0;
  const size: u32 = load<u8>(at, 1);
  return size >= 2 && <usize>size <= end - at ? size : 0;
}
