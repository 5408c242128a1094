import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { be16, packetBench } from '../support/packet-steps.js';
import { internetChecksum, onesSum } from '../support/packets.js';

/** Hand-checked sums; `sum` is the final, complemented checksum. */
const VECTORS: readonly { readonly name: string; readonly hex: string; readonly sum: number }[] = [
  { name: 'nothing', hex: '', sum: 0xffff },
  { name: 'the example of RFC 1071 section 3', hex: '0001f203f4f5f6f7', sum: 0x220d },
  { name: 'an odd length, padded with zero on the right', hex: '0001f2', sum: 0x0dfe },
  { name: 'an IPv4 header', hex: '450000730000400040110000c0a80001c0a800c7', sum: 0xb861 },
  { name: 'carries into carries', hex: 'ffffffffffffffff0001', sum: 0xfffe },
];

const bench = packetBench();
const { wasm } = bench;
const test = suite('checksum');

for (const { name, hex, sum } of VECTORS)
  test(`sums ${name}`, () => {
    const bytes = Buffer.from(hex, 'hex');
    assert.is(wasm.checksum(bench.lay(bytes), bytes.length), be16(sum));
  });

test('sums every length and alignment as the slow way does', () => {
  const bytes = Buffer.from(Array.from({ length: 96 }, (_, n) => (n * 151 + 7) & 255));
  const at = bench.lay(bytes);
  for (let start = 0; start < 4; start++)
    for (let length = 0; length <= 80; length++)
      assert.is(
        wasm.sumBytes(at + start, length),
        be16(onesSum(bytes.subarray(start, start + length))),
        `${length} bytes at ${start}`,
      );
});

test('sums the largest packet there is', () => {
  const bytes = Buffer.alloc(65535, 0xff);
  assert.is(wasm.sumBytes(bench.lay(bytes), bytes.length), be16(onesSum(bytes)));
});

test('fixing for a 16-bit word equals summing again, whatever the word', () => {
  const header = Buffer.from('450000730000400040110000c0a80001c0a800c7', 'hex');
  for (const before of [0, 1, 0x7fff, 0xc0a8, 0xffff]) {
    header.writeUInt16BE(before, 12);
    const check = be16(internetChecksum(header));
    for (let after = 0; after <= 0xffff; after++) {
      header.writeUInt16BE(after, 12);
      const fixed = wasm.fixChecksum(check, wasm.delta16(be16(before), be16(after)));
      if (fixed !== be16(internetChecksum(header))) assert.unreachable(`${before} -> ${after}`);
    }
  }
});

test('fixing for an address equals summing again, and deltas add up', () => {
  const header = Buffer.from('450000730000400040110000c0a80001c0a800c7', 'hex');
  const addresses = [0x0a630001, 0xffffffff, 0, 0xffff0000, 0x0000ffff, 0xac100001];
  for (const before of addresses)
    for (const after of addresses) {
      header.writeUInt32BE(before, 12);
      const check = be16(internetChecksum(header));
      const addressDelta = wasm.delta32(header.readUInt32LE(12), swap32(after));
      header.writeUInt32BE(after, 12);
      assert.is(wasm.fixChecksum(check, addressDelta), be16(internetChecksum(header)));
      const idDelta = wasm.delta16(header.readUInt16LE(4), be16(0xbeef));
      header.writeUInt16BE(0xbeef, 4);
      assert.is(wasm.fixChecksum(check, addressDelta + idDelta), be16(internetChecksum(header)));
      header.writeUInt16BE(0, 4);
    }
});

test('a sum of zero is never turned into minus zero (RFC 1624 section 3)', () => {
  // The example of the RFC: 0xcd7a + 0x5555 -> 0x3285, checksum 0xdd2f -> 0.
  assert.is(wasm.fixChecksum(0xdd2f, wasm.delta16(0x5555, 0x3285)), 0);
});

test('a partial checksum takes the delta without being complemented', () => {
  const before = Buffer.from('0a630001c0000201001100ff', 'hex');
  const after = Buffer.from('ac100001c0000201001100ff', 'hex');
  const delta = wasm.delta32(before.readUInt32LE(0), after.readUInt32LE(0));
  assert.is(wasm.fixPartial(be16(onesSum(before)), delta), be16(onesSum(after)));
});

function swap32(value: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.readUInt32LE();
}

test.run();
