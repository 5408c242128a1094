// Builds captures for the tests, byte by byte after pcap-savefile(5) and the link types' pages at
// tcpdump.org, with no code of the reader that they are to test.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const LINK_ETHERNET = 1;
export const LINK_RAW = 101;
export const LINK_COOKED = 113;
export const LINK_IPV4 = 228;
export const LINK_COOKED_V2 = 276;

/** A frame as it was captured. */
export interface Frame {
  readonly bytes: Uint8Array;
  /** Nanoseconds since 1970; 0 unless told. */
  readonly timeNs?: bigint;
  /** Bytes on the wire; as many as were captured unless told. */
  readonly wireBytes?: number;
}

export interface CaptureFormat {
  readonly linkType?: number;
  readonly isBigEndian?: boolean;
  readonly isNanoseconds?: boolean;
}

/** Returns the bytes of a pcap file. */
export function buildPcap(frames: readonly Frame[], format: CaptureFormat = {}): Buffer {
  const { linkType = LINK_RAW, isBigEndian = false, isNanoseconds = false } = format;
  const words = (...values: readonly number[]) => {
    const bytes = Buffer.alloc(4 * values.length);
    values.forEach((value, at) => {
      if (isBigEndian) bytes.writeUInt32BE(value, 4 * at);
      else bytes.writeUInt32LE(value, 4 * at);
    });
    return bytes;
  };
  // Version 2.4: two u16, the major one first.
  const version = isBigEndian ? 0x0002_0004 : 0x0004_0002;
  const magic = isNanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const parts: Uint8Array[] = [words(magic, version, 0, 0, 262144, linkType)];
  for (const { bytes, timeNs = 0n, wireBytes = bytes.length } of frames) {
    const seconds = Number(timeNs / 1_000_000_000n);
    const nanoseconds = Number(timeNs % 1_000_000_000n);
    const fraction = isNanoseconds ? nanoseconds : Math.floor(nanoseconds / 1000);
    parts.push(words(seconds, fraction, bytes.length, wireBytes), bytes);
  }
  return Buffer.concat(parts);
}

/** Returns an Ethernet frame, after `tags` of VLANs, each its ethertype. */
export function ethernetFrame(
  packet: Uint8Array,
  tags: readonly number[] = [],
  etherType = 0x0800,
): Buffer {
  const header = Buffer.alloc(14 + 4 * tags.length);
  header.fill(0x02, 0, 12);
  tags.forEach((tag, at) => {
    header.writeUInt16BE(tag, 12 + 4 * at);
    header.writeUInt16BE(0x0fa0 + at, 14 + 4 * at);
  });
  header.writeUInt16BE(etherType, 12 + 4 * tags.length);
  return Buffer.concat([header, packet]);
}

/** Returns a frame of LINKTYPE_LINUX_SLL. */
export function cookedFrame(packet: Uint8Array, etherType = 0x0800): Buffer {
  const header = Buffer.alloc(16, 0x03);
  header.writeUInt16BE(etherType, 14);
  return Buffer.concat([header, packet]);
}

/** Returns a frame of LINKTYPE_LINUX_SLL2. */
export function cookedV2Frame(packet: Uint8Array, etherType = 0x0800): Buffer {
  const header = Buffer.alloc(20, 0x04);
  header.writeUInt16BE(etherType, 0);
  return Buffer.concat([header, packet]);
}

/** Files that are kept; the next one overwrites the oldest. */
const KEPT_FILES = 100;

/** A folder of its own for the captures of a test file. */
export class CaptureFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'grout-captures-'));
  #count = 0;

  /** Writes a file and returns its path. */
  write(bytes: Uint8Array): string {
    const path = join(this.path, `${this.#count++ % KEPT_FILES}.pcap`);
    writeFileSync(path, bytes);
    return path;
  }

  /** Removes the folder and all in it. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export const INSIDE_HOST = '10.1.0.7';
export const INSIDE = '10.1.0.0/16';
export const OUTSIDE_HOST = '198.51.100.9';
