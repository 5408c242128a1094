import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TCP_BAD_FLAGS, TCP_BAD_LENGTH, TCP_NO_CONN } from '../../../assembly/layout.js';
import { segmentBytes, TcpHarness } from '../../support/tcp-harness.js';
import type { Segment } from '../../support/tcp-segment.js';

const test = suite('wire tcp');
const harness = new TcpHarness();

const SYN: Segment = { flags: 'S', seq: 0xfffffffe, ack: 0, win: 1000, len: 0 };
const FIN = 1;
const SYN_BIT = 2;
const RST = 4;
const ACK = 16;
const URG = 32;

test('of 256 combinations of flags, 9 cores are legal with any PSH, ECE and CWR', () => {
  const legal = new Set([
    SYN_BIT,
    SYN_BIT | URG,
    SYN_BIT | ACK,
    RST,
    RST | ACK,
    FIN | ACK,
    FIN | ACK | URG,
    ACK,
    ACK | URG,
  ]);
  let legalCount = 0;
  for (let flags = 0; flags < 256; flags++) {
    const header = segmentBytes(SYN);
    header[13] = flags;
    const { reason } = harness.reset('strict', false).sendBytes('fwd', header, 0);
    const core = flags & (FIN | SYN_BIT | RST | ACK | URG);
    assert.is(reason === TCP_BAD_FLAGS, !legal.has(core), `flags ${flags}`);
    if (reason !== TCP_BAD_FLAGS) legalCount++;
  }
  assert.is(legalCount, 9 * 8);
});

test('only a SYN opens a conn; a plain ACK does when picking up is on', () => {
  const openers = (loose: boolean) =>
    ['S', 'SU', 'SEC', 'SA', 'R', 'RA', 'FA', 'FAU', 'A', 'PA', 'AU'].filter((flags) => {
      const { reason } = harness.reset('strict', loose).send('fwd', { ...SYN, flags });
      assert.ok(reason === 0 || reason === TCP_NO_CONN, flags);
      return reason === 0;
    });
  assert.equal(openers(false), ['S', 'SU', 'SEC']);
  assert.equal(openers(true), ['S', 'SU', 'SEC', 'A', 'PA', 'AU']);
});

test('refuses every data offset below 20 bytes or beyond the total length', () => {
  for (let words = 0; words < 16; words++)
    for (let segment = 20; segment <= 64; segment++) {
      const header = segmentBytes(SYN);
      header[12] = words << 4;
      const { reason } = harness.reset('strict', false).sendBytes('fwd', header, segment - 20);
      const isGood = words * 4 >= 20 && words * 4 <= segment;
      assert.is(reason, isGood ? 0 : TCP_BAD_LENGTH, `offset ${words * 4} of ${segment}`);
    }
});

test('counts payload and SYN as length, wherever the options end', () => {
  for (const [optionBytes, len] of [
    [0, 0],
    [0, 1],
    [20, 0],
    [40, 65455],
  ] as const) {
    const header = withOptions('01'.repeat(optionBytes));
    harness.reset('strict', false).sendBytes('fwd', header, len);
    assert.is(harness.view?.fwd.end, (SYN.seq + 1 + len) >>> 0, `${optionBytes} options, ${len}`);
  }
});

/** What the options of a SYN offer, by hand from RFC 9293, 7323 and 2018. */
const OPTIONS: readonly {
  name: string;
  hex: string;
  scale: number | undefined;
  sackOk: boolean;
}[] = [
  { name: 'none', hex: '', scale: undefined, sackOk: false },
  { name: 'as Linux', hex: '020405b40402080acb413c2f000000000103030a', scale: 10, sackOk: true },
  { name: 'as Windows', hex: '020405b40103030801010402', scale: 8, sackOk: true },
  { name: 'a shift of 0 is an offer', hex: '01030300', scale: 0, sackOk: false },
  { name: 'a shift of 14', hex: '0103030e', scale: 14, sackOk: false },
  { name: 'a larger shift is 14', hex: '0103030f', scale: 14, sackOk: false },
  { name: 'the largest shift is 14', hex: '010303ff', scale: 14, sackOk: false },
  { name: 'the last of two shifts', hex: '0303070103030501', scale: 5, sackOk: false },
  { name: 'nothing behind the end', hex: '0000000003030700', scale: undefined, sackOk: false },
  { name: 'unknown kinds are skipped', hex: 'fe04abcd03030701', scale: 7, sackOk: false },
  { name: 'size 0 ends the list', hex: '0402fe0003030701', scale: undefined, sackOk: true },
  { name: 'size 1 ends the list', hex: '0402fe0103030701', scale: undefined, sackOk: true },
  { name: 'a size beyond the header', hex: '0402fe2803030701', scale: undefined, sackOk: true },
  { name: 'a kind as the last byte', hex: '0402010101010103', scale: undefined, sackOk: true },
  { name: 'a scale of wrong size', hex: '0304070004020101', scale: undefined, sackOk: true },
  { name: 'SACK permitted of wrong size', hex: '0403000103030701', scale: 7, sackOk: false },
];

for (const { name, hex, scale, sackOk } of OPTIONS)
  test(`options of a SYN: ${name}`, () => {
    const { reason } = harness.reset('strict', false).sendBytes('fwd', withOptions(hex), 0);
    assert.is(reason, 0);
    assert.is(harness.view?.fwd.scale, scale);
    assert.is(harness.view?.fwd.sackOk, sackOk);
  });

test('an option that is cut off anywhere is not read', () => {
  const whole = '020405b40402080acb413c2f000000000103030a';
  const full = withOptions(whole);
  for (let kept = 20; kept <= 40; kept += 4) {
    // What lies behind the header is payload: it reads like the rest of the options.
    const header = Uint8Array.from(full);
    header[12] = (kept / 4) << 4;
    harness.reset('strict', false).sendBytes('fwd', header, 0);
    assert.is(harness.view?.fwd.sackOk, kept >= 28, `${kept} bytes`);
    assert.is(harness.view?.fwd.scale, kept === 40 ? 10 : undefined, `${kept} bytes`);
  }
});

test('any option bytes at all are survived', () => {
  for (let first = 0; first < 256; first++)
    for (let second = 0; second < 256; second++) {
      const header = withOptions('ff'.repeat(8));
      header[20] = first;
      header[21] = second;
      assert.is(harness.reset('strict', false).sendBytes('fwd', header, 0).reason, 0);
    }
});

/** SACK blocks, by how far the right edge that counts lies above the ack. */
const SACKS: readonly { name: string; hex: string; above: number }[] = [
  { name: 'none', hex: '', above: 0 },
  { name: 'timestamps alone', hex: '0101080a0000000100000002', above: 0 },
  { name: 'one block', hex: '0101050a0000000a00000014', above: 19 },
  { name: 'behind timestamps', hex: '0101080a00000001000000020101050a0000000a00000014', above: 19 },
  {
    name: 'the highest of three, wherever it is',
    hex: '0101051a0000000a000000140000001e000000320000000200000003',
    above: 49,
  },
  { name: 'a block below the ack (RFC 2883)', hex: '0101050afffffff0fffffff8', above: 0 },
  { name: 'a size that is no blocks', hex: '0101050b0000000a0000001400', above: 0 },
  { name: 'a block beyond the header', hex: '010105120000000a00000014', above: 0 },
];

for (const { name, hex, above } of SACKS)
  test(`SACK: ${name}`, () => {
    const syn = { ...SYN, seq: 0, opts: { sackok: true } };
    harness.reset('strict', false);
    harness.send('fwd', { ...syn, len: 99 });
    harness.send('rev', { ...syn, flags: 'SA', seq: 5000, ack: 100 });
    // Bring fwd's ack below what it sent, so that a SACK edge can lie between.
    harness.send('fwd', { ...syn, flags: 'A', seq: 100, ack: 5001, len: 100 });
    const header = withOptions(hex, { ...syn, flags: 'A', seq: 5001, ack: 1, win: 1000 });
    const { reason } = harness.sendBytes('rev', header, 0);
    assert.is(reason, 0);
    // The window of the segment, and what it reports beyond its ack.
    assert.is(harness.view?.rev.maxwin, 1000 + above);
  });

function withOptions(hex: string, segment: Segment = SYN): Uint8Array {
  const options = Buffer.from(hex.padEnd(Math.ceil(hex.length / 8) * 8, '0'), 'hex');
  const header = new Uint8Array(20 + options.length);
  const { opts: _, ...plain } = segment;
  header.set(segmentBytes(plain));
  header.set(options, 20);
  header[12] = (header.length / 4) << 4;
  return header;
}

test.run();
