// Builds and takes apart IPv4 packets for the tests, byte by byte and checksum by checksum, with no
// code of the datapath: what it says is right is right by RFC 791, 768, 792, 9293 and 1071 alone.
// It is slow and obvious on purpose.

/** What a transport checksum is to be; a number is written as it is (to make a wrong one). */
type ChecksumKind = 'full' | 'partial' | 'none' | number;

/** Fields of an IPv4 header; addresses are dotted, lengths and the header checksum follow. */
export interface Ipv4Fields {
  readonly src: string;
  readonly dst: string;
  readonly proto?: number;
  readonly ttl?: number;
  readonly id?: number;
  readonly tos?: number;
  readonly df?: boolean;
  readonly mf?: boolean;
  /** In bytes, a multiple of 8. */
  readonly fragmentOffset?: number;
  /** Padded with end-of-list to a multiple of 4 bytes. */
  readonly options?: Uint8Array;
}

export interface UdpFields extends Ipv4Fields {
  readonly sport: number;
  readonly dport: number;
  readonly checksum?: ChecksumKind;
}

export interface TcpOptions {
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackok?: boolean | 1;
  readonly sack?: readonly (readonly [left: number, right: number])[];
  readonly timestamps?: readonly [value: number, echo: number];
}

export interface TcpFields extends Ipv4Fields {
  readonly sport: number;
  readonly dport: number;
  readonly seq?: number;
  readonly ack?: number;
  /** Letters of `SAFRPUEC`, in any order. */
  readonly flags?: string;
  /** The raw 16-bit field, unscaled. */
  readonly win?: number;
  readonly opts?: TcpOptions;
  /** Option bytes as they are, instead of `opts`; padded to a multiple of 4. */
  readonly rawOptions?: Uint8Array;
  /** The data offset as written, in 32-bit words, whatever the header's length. */
  readonly dataOffset?: number;
  readonly checksum?: ChecksumKind;
}

export interface IcmpFields extends Ipv4Fields {
  readonly type: number;
  readonly code?: number;
  readonly checksum?: ChecksumKind;
}

export interface IcmpErrorFields extends IcmpFields {
  /** The second word of the header: next-hop MTU of "fragmentation needed", else 0. */
  readonly rest?: number;
}

/** virtio_net_hdr of linux/virtio_net.h, little-endian. */
export interface VnetFields {
  readonly flags?: number;
  readonly gsoType?: number;
  readonly hdrLen?: number;
  readonly gsoSize?: number;
  readonly csumStart?: number;
  readonly csumOffset?: number;
}

const PROTO_ICMP = 1;
const PROTO_TCP = 6;
const PROTO_UDP = 17;

/** Bits of the TCP flags byte, RFC 9293 section 3.1. */
const TCP_FLAG_BITS: Readonly<Record<string, number>> = {
  F: 0x01,
  S: 0x02,
  R: 0x04,
  P: 0x08,
  A: 0x10,
  U: 0x20,
  E: 0x40,
  C: 0x80,
};

/** Returns the four bytes of a dotted address. */
export function addressBytes(address: string): Buffer {
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255)))
    throw new Error(`${address} is not a dotted address`);
  return Buffer.from(parts);
}

/** Returns the dotted form of the four bytes at `offset`. */
export function dottedAddress(bytes: Uint8Array, offset = 0): string {
  return [...bytes.subarray(offset, offset + 4)].join('.');
}

/** Returns the 16-bit one's complement sum of `parts` laid end to end, not complemented. RFC 1071. */
export function onesSum(...parts: readonly Uint8Array[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += (bytes[i] ?? 0) << (i % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

/** Returns the Internet checksum of `parts` laid end to end. RFC 1071. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  return ~onesSum(...parts) & 0xffff;
}

/** Returns an IPv4 packet around `payload`. */
export function buildIpv4(fields: Ipv4Fields, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const options = padded(fields.options ?? Buffer.alloc(0));
  const header = Buffer.alloc(20 + options.length);
  const fragment = (fields.fragmentOffset ?? 0) / 8;
  header[0] = 0x40 | (header.length / 4);
  header[1] = fields.tos ?? 0;
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(fields.id ?? 0, 4);
  header.writeUInt16BE((fields.df ? 0x4000 : 0) | (fields.mf ? 0x2000 : 0) | fragment, 6);
  header[8] = fields.ttl ?? 64;
  header[9] = fields.proto ?? 0;
  addressBytes(fields.src).copy(header, 12);
  addressBytes(fields.dst).copy(header, 16);
  options.copy(header, 20);
  header.writeUInt16BE(internetChecksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** Returns an IPv4 packet that carries one UDP datagram. */
export function buildUdp(fields: UdpFields, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(fields.sport, 0);
  header.writeUInt16BE(fields.dport, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  const datagram = Buffer.concat([header, payload]);
  const sum = transportChecksum(fields, PROTO_UDP, datagram);
  // A computed 0 is sent as 0xffff, because 0 says that there is none. RFC 768.
  const isComputed = fields.checksum === undefined || fields.checksum === 'full';
  datagram.writeUInt16BE(isComputed && sum === 0 ? 0xffff : sum, 6);
  return buildIpv4({ ...fields, proto: PROTO_UDP }, datagram);
}

/** Returns an IPv4 packet that carries one TCP segment. */
export function buildTcp(fields: TcpFields, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const options = padded(fields.rawOptions ?? tcpOptionBytes(fields.opts ?? {}));
  const header = Buffer.alloc(20 + options.length);
  header.writeUInt16BE(fields.sport, 0);
  header.writeUInt16BE(fields.dport, 2);
  header.writeUInt32BE((fields.seq ?? 0) >>> 0, 4);
  header.writeUInt32BE((fields.ack ?? 0) >>> 0, 8);
  header[12] = (fields.dataOffset ?? header.length / 4) << 4;
  header[13] = tcpFlagByte(fields.flags ?? '');
  header.writeUInt16BE(fields.win ?? 65535, 14);
  options.copy(header, 20);
  const segment = Buffer.concat([header, payload]);
  segment.writeUInt16BE(transportChecksum(fields, PROTO_TCP, segment), 16);
  return buildIpv4({ ...fields, proto: PROTO_TCP }, segment);
}

/** Returns an IPv4 packet that carries an ICMP echo request (type 8) or reply (type 0). */
export function buildIcmpEcho(
  fields: IcmpFields,
  id: number,
  seq: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  return buildIcmp(fields, ((id << 16) | seq) >>> 0, payload);
}

/** Returns an IPv4 packet that carries an ICMP error quoting `quoted`. RFC 792. */
export function buildIcmpError(fields: IcmpErrorFields, quoted: Uint8Array): Buffer {
  return buildIcmp(fields, fields.rest ?? 0, quoted);
}

/** Returns the 10 bytes that precede a packet on a TUN device with IFF_VNET_HDR. */
export function buildVnet(fields: VnetFields = {}): Buffer {
  const header = Buffer.alloc(10);
  header[0] = fields.flags ?? 0;
  header[1] = fields.gsoType ?? 0;
  header.writeUInt16LE(fields.hdrLen ?? 0, 2);
  header.writeUInt16LE(fields.gsoSize ?? 0, 4);
  header.writeUInt16LE(fields.csumStart ?? 0, 6);
  header.writeUInt16LE(fields.csumOffset ?? 0, 8);
  return header;
}

/** Returns the flags byte of `letters`. */
export function tcpFlagByte(letters: string): number {
  let byte = 0;
  for (const letter of letters) {
    const bit = TCP_FLAG_BITS[letter];
    if (bit === undefined) throw new Error(`${letter} is not one of SAFRPUEC`);
    byte |= bit;
  }
  return byte;
}

/** Returns the bytes of `opts`, each 4-byte aligned by leading no-operations. RFC 9293, 7323, 2018. */
export function tcpOptionBytes(opts: TcpOptions): Buffer {
  const bytes: number[] = [];
  const word = (value: number) => {
    bytes.push((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  };
  if (opts.mss !== undefined) bytes.push(2, 4, opts.mss >> 8, opts.mss & 255);
  if (opts.wscale !== undefined) bytes.push(1, 3, 3, opts.wscale);
  if (opts.sackok) bytes.push(1, 1, 4, 2);
  if (opts.timestamps !== undefined) {
    bytes.push(1, 1, 8, 10);
    for (const value of opts.timestamps) word(value);
  }
  if (opts.sack !== undefined) {
    bytes.push(1, 1, 5, 2 + 8 * opts.sack.length);
    for (const block of opts.sack) for (const edge of block) word(edge);
  }
  return Buffer.from(bytes);
}

/** Returns the sum over the pseudo-header, not complemented: what a partial checksum holds. */
export function pseudoHeaderSum(src: string, dst: string, proto: number, length: number): number {
  const tail = Buffer.from([0, proto, length >> 8, length & 255]);
  return onesSum(addressBytes(src), addressBytes(dst), tail);
}

function buildIcmp(fields: IcmpFields, rest: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = fields.type;
  header[1] = fields.code ?? 0;
  header.writeUInt32BE(rest, 4);
  const message = Buffer.concat([header, payload]);
  // ICMP has no pseudo-header, so that 'partial' means nothing here.
  const wanted = typeof fields.checksum === 'number' ? fields.checksum : internetChecksum(message);
  message.writeUInt16BE(wanted, 2);
  return buildIpv4({ ...fields, proto: PROTO_ICMP }, message);
}

/** Expects the checksum field of `segment` to be zero still. */
function transportChecksum(
  fields: Ipv4Fields & { readonly checksum?: ChecksumKind },
  proto: number,
  segment: Uint8Array,
): number {
  const kind = fields.checksum ?? 'full';
  if (typeof kind === 'number') return kind;
  if (kind === 'none') return 0;
  const pseudo = pseudoHeaderSum(fields.src, fields.dst, proto, segment.length);
  if (kind === 'partial') return pseudo;
  return internetChecksum(Buffer.from([pseudo >> 8, pseudo & 255]), segment);
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
