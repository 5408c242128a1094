import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DROP_L4_HEADER, REASON_NONE } from '../../../assembly/layout.js';
import { be16, packetBench } from '../../support/packet-steps.js';
import { buildUdp, pseudoHeaderSum } from '../../support/packets.js';

const ENDS = { src: '10.99.0.5', dst: '192.0.2.9', sport: 40000, dport: 53 };

const bench = packetBench();
const { wasm } = bench;
const test = suite('wire/udp');

test('takes a header apart', () => {
  const udp = bench.lay(Buffer.from('9c400035000c1234deadbeef', 'hex'));
  assert.is(wasm.udpCheck(udp, 12, 0), REASON_NONE);
  assert.is(wasm.udpLength(udp), 12);
});

test('takes no header that is not all there', () => {
  const udp = bench.lay(Buffer.from('9c40003500081234', 'hex'));
  for (let available = 0; available < 8; available++)
    assert.is(wasm.udpCheck(udp, available, 0), DROP_L4_HEADER, `${available} bytes`);
  assert.is(wasm.udpCheck(udp, 8, 0), REASON_NONE);
});

/** Length fields of a datagram of which 16 bytes are there. */
const LENGTHS = [
  { length: 0, whole: DROP_L4_HEADER, fragment: DROP_L4_HEADER },
  { length: 7, whole: DROP_L4_HEADER, fragment: DROP_L4_HEADER },
  { length: 8, whole: REASON_NONE, fragment: REASON_NONE },
  { length: 16, whole: REASON_NONE, fragment: REASON_NONE },
  { length: 17, whole: DROP_L4_HEADER, fragment: REASON_NONE },
  { length: 0xffff, whole: DROP_L4_HEADER, fragment: REASON_NONE },
];

for (const { length, whole, fragment } of LENGTHS)
  test(`judges the length field ${length} of 16 bytes`, () => {
    const datagram = Buffer.alloc(16);
    datagram.writeUInt16BE(length, 4);
    const udp = bench.lay(datagram);
    assert.is(wasm.udpCheck(udp, 16, 0), whole);
    assert.is(wasm.udpCheck(udp, 16, 1), fragment);
  });

test('zero_checksum: one that comes out as 0 is stored as 0xffff', () => {
  const udp = bench.lay(Buffer.from('9c40003500081234', 'hex'));
  // 0x1234 is the complement of 0xedcb; a change that adds 0x1234 makes the sum 0xffff.
  wasm.udpFixChecksum(udp, be16(0x1234));
  assert.is(bench.take(8).readUInt16BE(6), 0xffff);
});

test('no_checksum: 0 stays 0', () => {
  const udp = bench.lay(Buffer.from('9c40003500080000', 'hex'));
  wasm.udpFixChecksum(udp, 0x1234);
  assert.is(bench.take(8).readUInt16BE(6), 0);
});

test('fixing for another source port equals summing again, whatever the port', () => {
  const payload = Buffer.from('payload');
  const before = buildUdp(ENDS, payload).subarray(20);
  for (let sport = 0; sport <= 0xffff; sport += 251) {
    const udp = bench.lay(before);
    wasm.udpFixChecksum(udp, wasm.delta16(be16(ENDS.sport), be16(sport)));
    const wanted = buildUdp({ ...ENDS, sport }, payload).readUInt16BE(26);
    assert.is(bench.take(8).readUInt16BE(6), wanted, `port ${sport}`);
  }
});

test('a partial checksum follows the addresses, and completes to the full one', () => {
  const payload = Buffer.from('odd');
  const udp = bench.lay(buildUdp({ ...ENDS, checksum: 'partial' }, payload).subarray(20));
  const src = '172.16.0.1';
  wasm.udpFixPartial(udp, wasm.delta32(be32(10, 99, 0, 5), be32(172, 16, 0, 1)));
  assert.is(bench.take(8).readUInt16BE(6), pseudoHeaderSum(src, ENDS.dst, 17, 11));
  wasm.udpCompleteChecksum(udp, 11);
  assert.equal(bench.take(11), buildUdp({ ...ENDS, src }, payload).subarray(20));
});

function be32(...bytes: readonly number[]): number {
  return Buffer.from(bytes).readUInt32LE();
}

test.run();
