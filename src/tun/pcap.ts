// Reads captures in the format of libpcap (pcap-savefile(5)): a header of 24 bytes, then records of
// 16 bytes each with the captured bytes behind it. All numbers are in the byte order of the machine
// that wrote the file, which its magic number tells, as it tells the unit of the time stamps.
//
//   header                                record
//   0  u32 magic                          0  u32 seconds since 1970
//   4  u16 major, u16 minor version       4  u32 microseconds or nanoseconds of that second
//   8  u32 zero, u32 zero                 8  u32 bytes captured
//   16 u32 snap length                    12 u32 bytes on the wire
//   20 u32 link type in the low 16 bits
//
// A file is read as a stream, so its size does not matter, and nothing that it says is believed
// before it was checked.
import { ControlError } from '../api/errors.js';
import { ByteSource } from './byte-source.js';
import { ipv4Offset, isKnownLinkType, knownLinkTypes } from './link-layer.js';

/** A packet of a capture. */
export interface CapturedPacket {
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** What was captured from the IPv4 header on, the reader's until the next one; none of others. */
  readonly ipv4: Buffer | undefined;
  /** Bytes on the wire from the IPv4 header on, 0 of others; padding of the link included. */
  readonly wireBytes: number;
}

const HEADER_BYTES = 24;
const RECORD_BYTES = 16;
const MAJOR_VERSION = 2;
/** Before this minor version the two lengths of a record were the other way round. */
const FIRST_MINOR_VERSION = 3;
/** The magic number and the nanoseconds of its time stamps' unit. */
const UNITS: ReadonlyMap<number, number> = new Map([
  [0xa1b2c3d4, 1000],
  [0xa1b23c4d, 1],
]);
/** The magic number of a block format that some tools write instead; palindromic. */
const PCAPNG_MAGIC = 0x0a0d0d0a;
/** No record captures more: libpcap's MAXIMUM_SNAPLEN. */
const MAX_CAPTURED_BYTES = 262144;
const NS_PER_SEC = 1_000_000_000;

/** A capture that is being read, one packet after the other. */
export class PcapReader {
  readonly #source: ByteSource;
  readonly #isLittleEndian: boolean;
  readonly #unitNs: number;
  readonly #linkType: number;
  #count = 0;

  private constructor(source: ByteSource) {
    this.#source = source;
    const header = source.take(HEADER_BYTES);
    const { isLittleEndian, unitNs } = readMagic(source.path, header);
    this.#isLittleEndian = isLittleEndian;
    this.#unitNs = unitNs;
    if (header.length < HEADER_BYTES)
      throw new ControlError('EBADMSG', `${source.path} ends within its header`);
    const [major, minor] = [this.#u16(header, 4), this.#u16(header, 6)];
    if (major !== MAJOR_VERSION || minor < FIRST_MINOR_VERSION)
      throw new ControlError('ENOTSUP', `${source.path} has version ${major}.${minor}, not 2.4`);
    this.#linkType = this.#u32(header, 20) & 0xffff;
    if (!isKnownLinkType(this.#linkType)) {
      const known = knownLinkTypes();
      const message = `${source.path} has link type ${this.#linkType}, which is none of ${known}`;
      throw new ControlError('ENOTSUP', message);
    }
  }

  /**
   * Opens a capture, `-` for the standard input, and reads its header.
   *
   * @throws {ControlError} EBADMSG when it is no capture, ENOTSUP when it is one of another kind,
   * and as open(2) and read(2).
   */
  static open(path: string): PcapReader {
    const source = ByteSource.open(path);
    try {
      return new PcapReader(source);
    } catch (cause) {
      source.close();
      throw cause;
    }
  }

  /**
   * Returns the next packet, undefined at the end of the capture.
   *
   * @throws {ControlError} EBADMSG when the file is damaged or ends within a record, and as read(2).
   */
  next(): CapturedPacket | undefined {
    const record = this.#source.take(RECORD_BYTES);
    if (record.length === 0) return undefined;
    this.#count++;
    if (record.length < RECORD_BYTES) throw this.#cut();
    const seconds = this.#u32(record, 0);
    const fraction = this.#u32(record, 4);
    const capturedBytes = this.#u32(record, 8);
    const frameBytes = this.#u32(record, 12);
    if (fraction * this.#unitNs >= NS_PER_SEC)
      throw this.#damaged(`the time ${seconds}.${fraction}`);
    if (capturedBytes > MAX_CAPTURED_BYTES) throw this.#damaged(`${capturedBytes} bytes`);
    const frame = this.#source.take(capturedBytes);
    if (frame.length < capturedBytes) throw this.#cut();

    const timeNs = BigInt(seconds) * BigInt(NS_PER_SEC) + BigInt(fraction * this.#unitNs);
    const offset = ipv4Offset(this.#linkType, frame);
    if (offset === undefined) return { timeNs, ipv4: undefined, wireBytes: 0 };
    // Some writers forget the length on the wire of what they have made up.
    const wireBytes = Math.max(frameBytes, capturedBytes) - offset;
    return { timeNs, ipv4: frame.subarray(offset), wireBytes };
  }

  /** Closes the file. Idempotent. */
  close(): void {
    this.#source.close();
  }

  #u16(bytes: Buffer, at: number): number {
    return this.#isLittleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  }

  #u32(bytes: Buffer, at: number): number {
    return this.#isLittleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  }

  #cut(): ControlError {
    return new ControlError('EBADMSG', `${this.#source.path} ends within packet ${this.#count}`);
  }

  #damaged(claim: string): ControlError {
    const message = `${this.#source.path} is damaged: packet ${this.#count} claims ${claim}`;
    return new ControlError('EBADMSG', message);
  }
}

/** Returns what the first bytes of a file tell about it. @throws {ControlError} when it is no pcap. */
function readMagic(path: string, header: Buffer): { isLittleEndian: boolean; unitNs: number } {
  if (header.length >= 4) {
    if (header.readUInt32BE(0) === PCAPNG_MAGIC)
      throw new ControlError(
        'ENOTSUP',
        `${path} is a pcapng file: convert it with 'editcap -F pcap IN OUT' or 'tcpdump -r IN -w OUT'`,
      );
    for (const isLittleEndian of [true, false]) {
      const unitNs = UNITS.get(isLittleEndian ? header.readUInt32LE(0) : header.readUInt32BE(0));
      if (unitNs !== undefined) return { isLittleEndian, unitNs };
    }
  }
  const what = header.length === 0 ? 'empty' : 'not a pcap file';
  throw new ControlError('EBADMSG', `${path} is ${what}`);
}
