// Where the IPv4 packet is in a captured frame, by the capture's link type.
// https://www.tcpdump.org/linktypes.html

const ETHERTYPE_IPV4 = 0x0800;
/** Of 802.1Q, of 802.1ad, and of what was used before that. */
const TAG_ETHERTYPES: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100]);
const TAG_BYTES = 4;

/** A frame that begins with a header in which an ethertype tells what follows. */
interface TypedFrame {
  readonly name: string;
  /** Where the ethertype is, and where the header ends, in bytes from the frame's start. */
  readonly typeAt: number;
  readonly headerBytes: number;
}

/** A frame that is the packet itself. */
interface BareFrame {
  readonly name: string;
}

const LINK_TYPES: ReadonlyMap<number, TypedFrame | BareFrame> = new Map([
  [1, { name: 'Ethernet', typeAt: 12, headerBytes: 14 }],
  // DLT_RAW has a number of its own on most systems, on OpenBSD, and in files.
  [12, { name: 'raw IP' }],
  [14, { name: 'raw IP' }],
  [101, { name: 'raw IP' }],
  [113, { name: 'Linux cooked', typeAt: 14, headerBytes: 16 }],
  [228, { name: 'raw IPv4' }],
  [276, { name: 'Linux cooked v2', typeAt: 0, headerBytes: 20 }],
]);

/** Returns whether frames of a link type can be taken apart. */
export function isKnownLinkType(linkType: number): boolean {
  return LINK_TYPES.has(linkType);
}

/** Returns the link types that are known, as an error lists them. */
export function knownLinkTypes(): string {
  return [...LINK_TYPES].map(([number, { name }]) => `${number} (${name})`).join(', ');
}

/**
 * Returns the bytes that precede the IPv4 packet of a frame, or undefined when it holds no IPv4.
 * Where the frame ends within its header, that is its length.
 *
 * @throws {Error} when the link type is not a known one.
 */
export function ipv4Offset(linkType: number, frame: Buffer): number | undefined {
  const link = LINK_TYPES.get(linkType);
  if (link === undefined) throw new Error(`link type ${linkType}`);
  if (!('typeAt' in link)) return frame.length === 0 || (frame[0] ?? 0) >> 4 === 4 ? 0 : undefined;
  let { typeAt, headerBytes } = link;
  for (;;) {
    if (frame.length < headerBytes) return frame.length;
    const etherType = frame.readUInt16BE(typeAt);
    if (etherType === ETHERTYPE_IPV4) return headerBytes;
    if (!TAG_ETHERTYPES.has(etherType)) return undefined;
    // A tag is its two bytes of control and then the ethertype of what follows it.
    typeAt = headerBytes + 2;
    headerBytes += TAG_BYTES;
  }
}
