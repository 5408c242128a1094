// The other half of packets.ts: takes a packet apart and verifies every checksum in full.
import { dottedAddress, internetChecksum, onesSum, pseudoHeaderSum } from './packets.js';

export interface ParsedUdp {
  readonly kind: 'udp';
  readonly sport: number;
  readonly dport: number;
  readonly length: number;
  readonly checksum: number;
}

export interface ParsedTcp {
  readonly kind: 'tcp';
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  /** Letters of `SAFRPUEC`, in this order. */
  readonly flags: string;
  readonly win: number;
  readonly checksum: number;
  readonly options: Buffer;
}

export interface ParsedIcmp {
  readonly kind: 'icmp';
  readonly type: number;
  readonly code: number;
  readonly checksum: number;
  /** Identifier and sequence number of an echo; unused word or next-hop MTU of an error. */
  readonly id: number;
  readonly seq: number;
}

/** Another protocol, a fragment that is not the first, or too short for its header. */
interface ParsedOther {
  readonly kind: 'other';
}

type ParsedL4 = ParsedUdp | ParsedTcp | ParsedIcmp | ParsedOther;

export interface ParsedIpv4<L4 extends ParsedL4 = ParsedL4> {
  readonly src: string;
  readonly dst: string;
  readonly proto: number;
  readonly ttl: number;
  readonly id: number;
  readonly tos: number;
  readonly df: boolean;
  readonly mf: boolean;
  /** In bytes. */
  readonly fragmentOffset: number;
  readonly headerLength: number;
  readonly totalLength: number;
  readonly options: Buffer;
  readonly checksumOk: boolean;
  readonly l4: L4;
  /**
   * True when the transport checksum over the whole datagram is right, or is UDP's "none" (0). Of a
   * fragment it says nothing.
   */
  readonly l4ChecksumOk: boolean;
  /** True when the field holds the pseudo-header's sum, as VIRTIO_NET_HDR_F_NEEDS_CSUM wants it. */
  readonly l4ChecksumPartial: boolean;
  /** What follows the transport header, or the IPv4 header when `l4.kind` is `other`. */
  readonly payload: Buffer;
}

/**
 * Takes an IPv4 packet apart; bytes beyond its total length are left out.
 *
 * @throws {Error} when the header or the total length does not fit `bytes`.
 */
export function parseIpv4(bytes: Uint8Array): ParsedIpv4 {
  const whole = Buffer.from(bytes);
  const headerLength = whole.length < 20 ? 0 : ((whole[0] ?? 0) & 15) * 4;
  if (headerLength < 20 || (whole[0] ?? 0) >> 4 !== 4 || headerLength > whole.length)
    throw new Error(`no IPv4 header in ${whole.toString('hex')}`);
  const totalLength = whole.readUInt16BE(2);
  if (totalLength < headerLength || totalLength > whole.length)
    throw new Error(`total length ${totalLength} does not fit ${whole.length} bytes`);
  const header = whole.subarray(0, headerLength);
  const datagram = whole.subarray(headerLength, totalLength);
  const fragment = header.readUInt16BE(6);
  const proto = header[9] ?? 0;
  const src = dottedAddress(header, 12);
  const dst = dottedAddress(header, 16);
  const fragmentOffset = (fragment & 0x1fff) * 8;
  const { l4, headerBytes } =
    fragmentOffset === 0 ? parseL4(proto, datagram) : { l4: OTHER, headerBytes: 0 };
  const pseudo = pseudoHeaderSum(src, dst, proto, datagram.length);
  return {
    src,
    dst,
    proto,
    ttl: header[8] ?? 0,
    id: header.readUInt16BE(4),
    tos: header[1] ?? 0,
    df: (fragment & 0x4000) !== 0,
    mf: (fragment & 0x2000) !== 0,
    fragmentOffset,
    headerLength,
    totalLength,
    options: header.subarray(20),
    checksumOk: internetChecksum(header) === 0,
    l4,
    l4ChecksumOk: isChecksumOk(l4, pseudo, datagram),
    l4ChecksumPartial: (l4.kind === 'udp' || l4.kind === 'tcp') && l4.checksum === pseudo,
    payload: datagram.subarray(headerBytes),
  };
}

/** @throws {Error} when the packet is no whole TCP header. */
export function parseTcp(bytes: Uint8Array): ParsedIpv4<ParsedTcp> {
  const parsed = parseIpv4(bytes);
  if (parsed.l4.kind !== 'tcp') throw new Error(`${parsed.l4.kind} packet is not TCP`);
  return { ...parsed, l4: parsed.l4 };
}

/** @throws {Error} when the packet is no whole UDP header. */
export function parseUdp(bytes: Uint8Array): ParsedIpv4<ParsedUdp> {
  const parsed = parseIpv4(bytes);
  if (parsed.l4.kind !== 'udp') throw new Error(`${parsed.l4.kind} packet is not UDP`);
  return { ...parsed, l4: parsed.l4 };
}

/** @throws {Error} when the packet is no whole ICMP header. */
export function parseIcmp(bytes: Uint8Array): ParsedIpv4<ParsedIcmp> {
  const parsed = parseIpv4(bytes);
  if (parsed.l4.kind !== 'icmp') throw new Error(`${parsed.l4.kind} packet is not ICMP`);
  return { ...parsed, l4: parsed.l4 };
}

const OTHER: ParsedOther = { kind: 'other' };

function parseL4(proto: number, datagram: Buffer): { l4: ParsedL4; headerBytes: number } {
  if (proto === 17 && datagram.length >= 8) return { l4: udpHeader(datagram), headerBytes: 8 };
  if (proto === 1 && datagram.length >= 8) return { l4: icmpHeader(datagram), headerBytes: 8 };
  if (proto === 6 && datagram.length >= 20) {
    const headerBytes = ((datagram[12] ?? 0) >> 4) * 4;
    if (headerBytes >= 20 && headerBytes <= datagram.length)
      return { l4: tcpHeader(datagram, headerBytes), headerBytes };
  }
  return { l4: OTHER, headerBytes: 0 };
}

function udpHeader(datagram: Buffer): ParsedUdp {
  return {
    kind: 'udp',
    sport: datagram.readUInt16BE(0),
    dport: datagram.readUInt16BE(2),
    length: datagram.readUInt16BE(4),
    checksum: datagram.readUInt16BE(6),
  };
}

function icmpHeader(datagram: Buffer): ParsedIcmp {
  return {
    kind: 'icmp',
    type: datagram[0] ?? 0,
    code: datagram[1] ?? 0,
    checksum: datagram.readUInt16BE(2),
    id: datagram.readUInt16BE(4),
    seq: datagram.readUInt16BE(6),
  };
}

function tcpHeader(datagram: Buffer, headerBytes: number): ParsedTcp {
  const byte = datagram[13] ?? 0;
  const bits = { S: 0x02, A: 0x10, F: 0x01, R: 0x04, P: 0x08, U: 0x20, E: 0x40, C: 0x80 };
  const letters = Object.entries(bits).filter(([, bit]) => (byte & bit) !== 0);
  return {
    kind: 'tcp',
    sport: datagram.readUInt16BE(0),
    dport: datagram.readUInt16BE(2),
    seq: datagram.readUInt32BE(4),
    ack: datagram.readUInt32BE(8),
    flags: letters.map(([letter]) => letter).join(''),
    win: datagram.readUInt16BE(14),
    checksum: datagram.readUInt16BE(16),
    options: datagram.subarray(20, headerBytes),
  };
}

function isChecksumOk(l4: ParsedL4, pseudo: number, datagram: Buffer): boolean {
  if (l4.kind === 'icmp') return internetChecksum(datagram) === 0;
  if (l4.kind === 'udp' && l4.checksum === 0) return true;
  if (l4.kind === 'other') return false;
  return onesSum(Buffer.from([pseudo >> 8, pseudo & 255]), datagram) === 0xffff;
}
