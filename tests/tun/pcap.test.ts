import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlError } from '../../src/api/errors.js';
import { type CapturedPacket, PcapReader } from '../../src/tun/pcap.js';
import {
  buildPcap,
  CaptureFolder,
  cookedFrame,
  cookedV2Frame,
  ethernetFrame,
  type Frame,
  LINK_COOKED,
  LINK_COOKED_V2,
  LINK_ETHERNET,
  LINK_IPV4,
  LINK_RAW,
} from '../support/captures.js';
import { printedSeed, seededRandom } from '../support/datapath.js';
import { buildUdp } from '../support/packets.js';

const FUZZ_FILES = 10_000;
const PACKET = buildUdp(
  { src: '10.0.0.1', dst: '192.0.2.1', sport: 1, dport: 2 },
  Buffer.from('some payload'),
);
const TIME_NS = 1_700_000_000_123_456_789n;

/** A file of one packet of 8 bytes, written down by hand: little-endian, microseconds, raw IP. */
const LITTLE = [
  'd4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000',
  '00f15365 40e20100 08000000 28000000 4500002800000000',
];
/** The same, big-endian, nanoseconds, and Ethernet. */
const BIG = [
  'a1b23c4d 0002 0004 00000000 00000000 0000ffff 00000001',
  '6553f100 0000e240 00000016 00000036 ffffffffffff eeeeeeeeeeee 0800 4500002800000000',
];

interface Read {
  readonly packets: readonly CapturedPacket[];
  readonly error: ControlError | undefined;
}

const test = suite('pcap');
const folder = new CaptureFolder();

test.after(() => folder.remove());

/** Reads a file to its end or to its first fault; what the reader lends is copied. */
function readAll(bytes: Uint8Array): Read {
  const packets: CapturedPacket[] = [];
  let reader: PcapReader | undefined;
  try {
    reader = PcapReader.open(folder.write(bytes));
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
      const { ipv4, ...rest } = packet;
      packets.push({ ...rest, ipv4: ipv4 === undefined ? undefined : Buffer.from(ipv4) });
    }
    return { packets, error: undefined };
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return { packets, error };
  } finally {
    reader?.close();
  }
}

function hex(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.join('').replaceAll(' ', ''), 'hex');
}

/** Returns what the only packet of a capture of this frame is. */
function readFrame(linkType: number, frame: Frame): CapturedPacket {
  const { packets, error } = readAll(buildPcap([frame], { linkType }));
  assert.is(error, undefined);
  const [packet] = packets;
  if (packet === undefined || packets.length !== 1) throw new Error(`${packets.length} packets`);
  return packet;
}

test('a file written down by hand: little-endian, microseconds, raw IP', () => {
  const { packets, error } = readAll(hex(...LITTLE));
  assert.is(error, undefined);
  assert.equal(packets, [
    { timeNs: 1_700_000_000_123_456_000n, ipv4: hex('4500002800000000'), wireBytes: 40 },
  ]);
});

test('a file written down by hand: big-endian, nanoseconds, Ethernet', () => {
  const { packets, error } = readAll(hex(...BIG));
  assert.is(error, undefined);
  assert.equal(packets, [
    { timeNs: 1_700_000_000_000_057_920n, ipv4: hex('4500002800000000'), wireBytes: 40 },
  ]);
});

for (const isBigEndian of [false, true]) {
  for (const isNanoseconds of [false, true]) {
    const name = `${isBigEndian ? 'big' : 'little'}-endian, ${isNanoseconds ? 'nano' : 'micro'}`;
    test(`${name}seconds: times and lengths are what was written`, () => {
      const frames = Array.from({ length: 5 }, (_, at) => ({
        bytes: PACKET.subarray(0, 20 + at),
        timeNs: TIME_NS + BigInt(at) * 1_500_000_000n,
        wireBytes: PACKET.length,
      }));
      const { packets } = readAll(buildPcap(frames, { isBigEndian, isNanoseconds }));
      assert.equal(
        packets,
        frames.map(({ bytes, timeNs, wireBytes }) => ({
          timeNs: isNanoseconds ? timeNs : timeNs - (timeNs % 1000n),
          ipv4: Buffer.from(bytes),
          wireBytes,
        })),
      );
    });
  }
}

/** Frames of each link type, and how many bytes stand before their packet. */
const FRAMES: readonly (readonly [string, number, Buffer, number])[] = [
  ['Ethernet', LINK_ETHERNET, ethernetFrame(PACKET), 14],
  ['Ethernet with an 802.1Q tag', LINK_ETHERNET, ethernetFrame(PACKET, [0x8100]), 18],
  ['Ethernet with two tags', LINK_ETHERNET, ethernetFrame(PACKET, [0x88a8, 0x8100]), 22],
  ['Ethernet with three tags', LINK_ETHERNET, ethernetFrame(PACKET, [0x9100, 0x8100, 0x8100]), 26],
  ['raw IP', LINK_RAW, PACKET, 0],
  ['raw IP as DLT_RAW', 12, PACKET, 0],
  ['raw IP as on OpenBSD', 14, PACKET, 0],
  ['raw IPv4', LINK_IPV4, PACKET, 0],
  ['Linux cooked', LINK_COOKED, cookedFrame(PACKET), 16],
  ['Linux cooked v2', LINK_COOKED_V2, cookedV2Frame(PACKET), 20],
  [
    'Linux cooked v2 with a tag',
    LINK_COOKED_V2,
    cookedV2Frame(Buffer.concat([Buffer.from([0, 5, 8, 0]), PACKET]), 0x8100),
    24,
  ],
];

for (const [name, linkType, bytes, before] of FRAMES) {
  test(`${name}: the packet begins behind ${before} bytes`, () => {
    const packet = readFrame(linkType, { bytes, wireBytes: bytes.length + 6 });
    assert.equal(packet.ipv4, PACKET);
    assert.is(packet.wireBytes, PACKET.length + 6);
  });

  test(`${name}: a frame cut anywhere is read as far as it goes`, () => {
    for (let length = 0; length <= bytes.length; length++) {
      const part = readFrame(linkType, {
        bytes: bytes.subarray(0, length),
        wireBytes: bytes.length,
      });
      assert.equal(part.ipv4, PACKET.subarray(0, Math.max(0, length - before)), `${length} bytes`);
      if (length >= before) assert.is(part.wireBytes, PACKET.length);
    }
  });
}

test('what is not IPv4 is told as such', () => {
  const ipv6 = Buffer.from(PACKET);
  ipv6[0] = 0x60;
  for (const [linkType, bytes] of [
    [LINK_ETHERNET, ethernetFrame(PACKET, [], 0x0806)],
    [LINK_ETHERNET, ethernetFrame(PACKET, [0x8100], 0x86dd)],
    [LINK_COOKED, cookedFrame(PACKET, 0x86dd)],
    [LINK_COOKED_V2, cookedV2Frame(PACKET, 0x0806)],
    [LINK_RAW, ipv6],
  ] as const)
    assert.equal(readFrame(linkType, { bytes }), { timeNs: 0n, ipv4: undefined, wireBytes: 0 });
});

test('a packet is never shorter on the wire than in the capture', () => {
  assert.is(readFrame(LINK_RAW, { bytes: PACKET, wireBytes: 0 }).wireBytes, PACKET.length);
});

test('the length of a frame check sequence beside the link type does not matter', () => {
  const bytes = buildPcap([{ bytes: ethernetFrame(PACKET) }]);
  bytes.writeUInt32LE(0x5400_0001, 20);
  assert.equal(readAll(bytes).packets[0]?.ipv4, PACKET);
});

test('a capture without packets ends at once', () => {
  assert.equal(readAll(buildPcap([])), { packets: [], error: undefined });
});

test('a capture larger than what is held of it comes out whole', () => {
  const bytes = Buffer.alloc(60_000, 0x45);
  const frames = Array.from({ length: 100 }, (_, at) => ({ bytes, timeNs: BigInt(at) * 1000n }));
  const { packets } = readAll(buildPcap(frames));
  assert.is(packets.length, frames.length);
  for (const [at, { timeNs, ipv4 }] of packets.entries()) {
    assert.is(timeNs, BigInt(at) * 1000n);
    assert.ok(ipv4?.equals(bytes));
  }
});

test('a file cut anywhere else than between packets says where it ends', () => {
  const frames = [{ bytes: PACKET }, { bytes: PACKET.subarray(0, 24) }];
  const whole = buildPcap(frames);
  const [first, second] = [24 + 16 + PACKET.length, whole.length];
  for (let length = 0; length < whole.length; length++) {
    const { packets, error } = readAll(whole.subarray(0, length));
    const isBetween = length === 24 || length === first;
    assert.is(packets.length, length < first ? 0 : 1, `${length} of ${second} bytes`);
    assert.is(error?.code, isBetween ? undefined : 'EBADMSG', `${length} of ${second} bytes`);
    const words =
      length === 0
        ? /is empty$/
        : length < 4
          ? /is not a pcap file$/
          : length < 24
            ? /ends within its header$/
            : length < first
              ? /ends within packet 1$/
              : /ends within packet 2$/;
    if (!isBetween) assert.match(error?.message ?? '', words, `${length} bytes`);
  }
});

/** Files that are none of ours: what is wrong, the code and the words of the error. */
const REFUSED: readonly (readonly [string, Buffer, string, RegExp])[] = [
  ['text', Buffer.from('#!/bin/sh\nexit 0\n# and so on\n'), 'EBADMSG', /is not a pcap file$/],
  ['zeros', Buffer.alloc(100), 'EBADMSG', /is not a pcap file$/],
  ['pcapng', hex('0a0d0d0a 1c000000 4d3c2b1a 01000000'), 'ENOTSUP', /pcapng.*editcap -F pcap/],
  ['the modified format', damaged(0, 0xa1b2cd34), 'EBADMSG', /is not a pcap file$/],
  ['version 1', damaged(4, 0x0004_0001), 'ENOTSUP', /has version 1\.4/],
  ['version 2.2', damaged(4, 0x0002_0002), 'ENOTSUP', /has version 2\.2/],
  ['802.11', damaged(20, 105), 'ENOTSUP', /link type 105.*1 \(Ethernet\).*101 \(raw IP\)/],
  ['a time of 1000000 us', damaged(28, 1_000_000), 'EBADMSG', /packet 1 claims the time/],
  ['a packet of 256 KiB + 1', damaged(32, 262_145), 'EBADMSG', /packet 1 claims 262145 bytes/],
  ['a packet of 4 GiB', damaged(32, 0xffffffff), 'EBADMSG', /packet 1 claims 4294967295 bytes/],
];

for (const [name, bytes, code, words] of REFUSED) {
  test(`refused: ${name}`, () => {
    const { packets, error } = readAll(bytes);
    assert.equal(packets, []);
    assert.is(error?.code, code);
    assert.match(error?.message ?? '', words);
  });
}

/** Returns a good capture with another word (little-endian) at `offset`. */
function damaged(offset: number, word: number): Buffer {
  const bytes = buildPcap([{ bytes: PACKET }]);
  bytes.writeUInt32LE(word, offset);
  return bytes;
}

test('what cannot be opened or read is told with its path', () => {
  for (const [path, code, words] of [
    ['/nonexistent/x.pcap', 'ENOENT', /^cannot open \/nonexistent\/x\.pcap: no such file/],
    ['/', 'EIO', /^cannot read \/: .*directory/],
  ] as const)
    assert.throws(
      () => PcapReader.open(path),
      (error: unknown) =>
        error instanceof ControlError && error.code === code && words.test(error.message),
    );
});

test('a reader closes more than once', () => {
  const reader = PcapReader.open(folder.write(buildPcap([])));
  reader.close();
  reader.close();
});

test(`of ${FUZZ_FILES} mutated files each is read or refused, in bounded memory`, () => {
  const random = seededRandom(printedSeed('pcap fuzz'));
  const bases = FRAMES.map(([, linkType, bytes]) =>
    buildPcap(
      Array.from({ length: 3 }, () => ({ bytes })),
      { linkType, isBigEndian: random() % 2 === 0, isNanoseconds: random() % 2 === 0 },
    ),
  );
  let [good, bad] = [0, 0];
  for (let file = 0; file < FUZZ_FILES; file++) {
    const base = bases[file % bases.length] ?? Buffer.alloc(0);
    const bytes = Buffer.from(
      base.subarray(0, random() % 4 === 0 ? random() % base.length : undefined),
    );
    for (let left = random() % 4; left > 0 && bytes.length > 0; left--) {
      const at = random() % bytes.length;
      bytes[at] = random() % 2 === 0 ? random() & 255 : (bytes[at] ?? 0) ^ (1 << (random() % 8));
    }
    const { packets, error } = readAll(bytes);
    if (error === undefined) good++;
    else bad++;
    for (const { ipv4, wireBytes, timeNs } of packets) {
      const kept = ipv4?.length ?? 0;
      assert.ok(Number.isSafeInteger(wireBytes) && wireBytes >= kept && timeNs >= 0n, `${file}`);
      assert.ok(kept <= bytes.length, `${file}`);
    }
  }
  assert.ok(good > 1000 && bad > 1000, `${good} read, ${bad} refused`);
});

test.run();
