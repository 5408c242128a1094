import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DROP_HEADER_CHECKSUM,
  DROP_HEADER_LENGTH,
  DROP_NOT_IPV4,
  DROP_TOO_SHORT,
  DROP_TOTAL_LENGTH,
  PROTO_UDP,
  REASON_NONE,
} from '../../../assembly/layout.js';
import { packetBench } from '../../support/packet-steps.js';
import { addressBytes, buildIpv4, internetChecksum } from '../../support/packets.js';
import { parseIpv4 } from '../../support/parse-packets.js';

/** 20 bytes of header, UDP from 192.168.0.1 to 192.168.0.199, as Wikipedia's example has it. */
const HEADER = Buffer.from('45000073000040004011b861c0a80001c0a800c7', 'hex');
const PACKET = Buffer.concat([HEADER, Buffer.alloc(0x73 - 20)]);

const bench = packetBench();
const { wasm } = bench;
const test = suite('wire/ipv4');

test('takes a header apart', () => {
  const ip = bench.lay(PACKET);
  assert.is(wasm.ipv4Check(ip, PACKET.length), REASON_NONE);
  assert.is(wasm.ipv4HeaderLength(ip), 20);
  assert.is(wasm.ipv4TotalLength(ip), 0x73);
  assert.is(wasm.ipv4Ttl(ip), 64);
  assert.is(wasm.ipv4Proto(ip), PROTO_UDP);
  assert.is(wasm.ipv4SrcBe(ip) >>> 0, be32('192.168.0.1'));
  assert.is(wasm.ipv4DstBe(ip) >>> 0, be32('192.168.0.199'));
});

/** What the fragment word says; offsets in bytes. */
const FRAGMENTS = [
  { name: 'a whole packet', df: false, mf: false, fragmentOffset: 0, any: 0, later: 0 },
  { name: 'a whole packet with DF', df: true, mf: false, fragmentOffset: 0, any: 0, later: 0 },
  { name: 'a first fragment', df: false, mf: true, fragmentOffset: 0, any: 1, later: 0 },
  { name: 'a middle fragment', df: false, mf: true, fragmentOffset: 8, any: 1, later: 1 },
  { name: 'a last fragment', df: false, mf: false, fragmentOffset: 0xfff8, any: 1, later: 1 },
  { name: 'one far behind', df: true, mf: false, fragmentOffset: 0x800, any: 1, later: 1 },
];

for (const { name, any, later, ...fields } of FRAGMENTS)
  test(`knows ${name}`, () => {
    const ip = bench.lay(buildIpv4({ src: '10.0.0.1', dst: '10.0.0.2', ...fields }));
    assert.is(wasm.ipv4IsFragment(ip), any);
    assert.is(wasm.ipv4IsLaterFragment(ip), later);
    assert.is(wasm.ipv4IsDf(ip), fields.df ? 1 : 0);
  });

test('takes no length below that of the header', () => {
  const ip = bench.lay(PACKET);
  for (let length = 0; length < 20; length++)
    assert.is(wasm.ipv4Check(ip, length), DROP_TOO_SHORT, `${length} bytes`);
});

test('takes no other version', () => {
  for (let version = 0; version < 16; version++) {
    const ip = bench.lay(resummed({ 0: (version << 4) | 5 }));
    assert.is(
      wasm.ipv4Check(ip, PACKET.length),
      version === 4 ? REASON_NONE : DROP_NOT_IPV4,
      `${version}`,
    );
  }
});

test('takes no header length below 20 or beyond the packet', () => {
  for (let words = 0; words < 5; words++)
    assert.is(wasm.ipv4Check(bench.lay(resummed({ 0: 0x40 | words })), 0x73), DROP_HEADER_LENGTH);
  for (let words = 6; words < 16; words++) {
    const packet = buildIpv4({ ...ENDS, options: Buffer.alloc((words - 5) * 4, 1) });
    const ip = bench.lay(packet);
    assert.is(wasm.ipv4Check(ip, packet.length), REASON_NONE);
    for (let length = 20; length < packet.length; length++)
      assert.is(wasm.ipv4Check(ip, length), DROP_HEADER_LENGTH, `${length} of ${packet.length}`);
  }
});

test('takes no total length below the header or beyond what was read', () => {
  for (const total of [0, 1, 19, 0x74, 0xffff]) {
    const ip = bench.lay(resummed({ 2: total >> 8, 3: total & 255 }));
    assert.is(wasm.ipv4Check(ip, PACKET.length), DROP_TOTAL_LENGTH, `${total}`);
  }
  for (const total of [20, 0x72]) {
    const ip = bench.lay(resummed({ 2: total >> 8, 3: total & 255 }));
    assert.is(wasm.ipv4Check(ip, PACKET.length), REASON_NONE, `${total}`);
  }
});

test('finds every single bit that is wrong in the header', () => {
  for (let bit = 8; bit < 160; bit++) {
    const packet = Buffer.from(PACKET);
    packet[bit >> 3] = (packet[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.is(wasm.ipv4Check(bench.lay(packet), packet.length), DROP_HEADER_CHECKSUM, `bit ${bit}`);
  }
});

test('a new TTL leaves the checksum right, whatever it is', () => {
  for (let ttl = 0; ttl < 256; ttl++) {
    const ip = bench.lay(PACKET);
    wasm.ipv4SetTtl(ip, ttl);
    assert.equal(bench.take(20), resummed({ 8: ttl }).subarray(0, 20));
  }
});

test('a new source or destination leaves the checksum right and tells the difference', () => {
  for (const address of ['0.0.0.0', '10.99.0.5', '255.255.255.255', '172.16.0.1']) {
    const [a = 0, b = 0, c = 0, d = 0] = addressBytes(address);
    const ip = bench.lay(PACKET);
    assert.is(
      wasm.ipv4SetSrcBe(ip, be32(address)),
      wasm.delta32(be32('192.168.0.1'), be32(address)),
    );
    assert.equal(bench.take(20), resummed({ 12: a, 13: b, 14: c, 15: d }).subarray(0, 20));
    bench.lay(PACKET);
    assert.is(
      wasm.ipv4SetDstBe(ip, be32(address)),
      wasm.delta32(be32('192.168.0.199'), be32(address)),
    );
    assert.equal(bench.take(20), resummed({ 16: a, 17: b, 18: c, 19: d }).subarray(0, 20));
  }
});

test('swaps source and destination', () => {
  wasm.ipv4SwapAddresses(bench.lay(PACKET));
  const { src, dst, checksumOk } = parseIpv4(bench.take(PACKET.length));
  assert.equal({ src, dst, checksumOk }, { src: '192.168.0.199', dst: '192.168.0.1', checksumOk });
  assert.ok(checksumOk);
});

test('writes a header over dirt', () => {
  const ip = bench.lay(Buffer.alloc(20, 0xa5));
  wasm.ipv4Write(ip, 0xc0, 56, 64, 1, be32('10.99.0.1'), be32('10.99.0.5'));
  const fields = { src: '10.99.0.1', dst: '10.99.0.5', tos: 0xc0, ttl: 64, proto: 1, df: true };
  assert.equal(bench.take(20), buildIpv4(fields, Buffer.alloc(36)).subarray(0, 20));
});

const ENDS = { src: '10.0.0.1', dst: '10.0.0.2' };

/** Returns PACKET with other bytes and a checksum over the 20 bytes that fits them. */
function resummed(bytes: Readonly<Record<number, number>>): Buffer {
  const packet = Buffer.from(PACKET);
  for (const [at, byte] of Object.entries(bytes)) packet[Number(at)] = byte;
  packet.writeUInt16BE(0, 10);
  packet.writeUInt16BE(internetChecksum(packet.subarray(0, 20)), 10);
  return packet;
}

/** Returns an address as it lies in a packet. */
function be32(address: string): number {
  return addressBytes(address).readUInt32LE();
}

test.run();
