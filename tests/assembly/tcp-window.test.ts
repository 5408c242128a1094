import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  REASON_MASK,
  TCP_ABOVE_WINDOW,
  TCP_ACK_OF_UNSEEN,
  TCP_IGNORED_ABOVE_WINDOW,
  TCP_IGNORED_OLD_ACK,
  TCP_IGNORED_OLD_DATA,
  TCP_LOOSE_ACK,
  TCP_TOLERATED,
} from '../../assembly/layout.js';
import { TcpHarness } from '../support/tcp-harness.js';
import type { WindowMode } from '../support/tcp-segment.js';
import { HANDSHAKE, type Line, say } from '../support/tcp-talk.js';

const test = suite('tcp window');
const harness = new TcpHarness();

/** What the last segment is called after those before it passed. */
function reasonAfter(lines: readonly Line[], last: Line, mode: WindowMode = 'strict'): number {
  harness.reset(mode, true);
  for (const line of lines) assert.is(say(harness, [line]).reason, 0, `${line}`);
  return say(harness, [last]).reason;
}

const MAXEND = 1 + 65535;

test('I: up to the right edge passes, a receiver window beyond it is ignored, more is not', () => {
  // The edges of seq, then of the overshoot seq + len - maxend, which may be up to 65535.
  for (const [seq, len, expected] of [
    [MAXEND, 0, 0],
    [MAXEND, 1000, 0],
    [MAXEND + 1, 0, TCP_IGNORED_ABOVE_WINDOW],
    [MAXEND + 1, 65_534 - 1000, TCP_IGNORED_ABOVE_WINDOW],
    [MAXEND + 35_535, 30_000, TCP_IGNORED_ABOVE_WINDOW],
    [MAXEND + 35_536, 30_000, TCP_ABOVE_WINDOW],
    [MAXEND + 65_536, 0, TCP_ABOVE_WINDOW],
  ] as const)
    assert.is(reasonAfter(HANDSHAKE, ['fwd', 'A', seq, 5001, { len }]), expected, `${seq}+${len}`);
});

test('I: beyond the edge the other boundaries must hold too', () => {
  const seq = MAXEND + 1;
  assert.is(reasonAfter(HANDSHAKE, ['fwd', 'A', seq, 5002]), TCP_ABOVE_WINDOW);
  assert.is(reasonAfter(HANDSHAKE, ['fwd', 'A', seq, 5001 - 66_001]), TCP_ABOVE_WINDOW);
});

test('II: an ack up to the peer end passes, one more is of unseen data', () => {
  assert.is(reasonAfter(HANDSHAKE, ['fwd', 'A', 1, 5001]), 0);
  assert.is(reasonAfter(HANDSHAKE, ['fwd', 'A', 1, 5002]), TCP_ACK_OF_UNSEEN);
});

const SENT: readonly Line[] = [
  ...HANDSHAKE,
  ['fwd', 'A', 1, 5001, { len: 60_000 }],
  ['rev', 'A', 5001, 60_001],
  ['fwd', 'A', 60_001, 5001, { len: 60_000 }],
];

test('III: old data may end a receiver window below the end', () => {
  const lowest = 120_001 - 65_535;
  assert.is(reasonAfter(SENT, ['fwd', 'A', lowest, 5001]), 0);
  assert.is(reasonAfter(SENT, ['fwd', 'A', lowest - 1, 5001, { len: 1 }]), 0);
  assert.is(reasonAfter(SENT, ['fwd', 'A', lowest - 1, 5001]), TCP_IGNORED_OLD_DATA);
});

test('IV: an old ack may lie 66000 below what the peer sent, or its own window if larger', () => {
  assert.is(reasonAfter(SENT, ['rev', 'A', 5001, 120_001 - 66_000]), 0);
  assert.is(reasonAfter(SENT, ['rev', 'A', 5001, 120_001 - 66_001]), TCP_IGNORED_OLD_ACK);
  const opts = { wscale: 1 };
  const wide: readonly Line[] = [
    ['fwd', 'S', 0, 0, { opts }],
    ['rev', 'SA', 5000, 1, { opts }],
    ['fwd', 'A', 1, 5001],
    ['rev', 'A', 5001, 1],
    ['fwd', 'A', 1, 5001, { len: 60_000 }],
    ['fwd', 'A', 60_001, 5001, { len: 60_000 }],
    ['fwd', 'A', 120_001, 5001, { len: 11_000 }],
  ];
  assert.is(reasonAfter(wide, ['rev', 'A', 5001, 131_001 - 131_070]), 0);
  assert.is(reasonAfter(wide, ['rev', 'A', 5001, 131_001 - 131_071]), TCP_IGNORED_OLD_ACK);
});

/** Window of the server's last ACK, as the client's right edge shows it. */
function edgeWith(client: object, server: object, win: number): number {
  harness.reset('strict', false);
  say(harness, [
    ['fwd', 'S', 0, 0, { win: 100, ...client }],
    ['rev', 'SA', 5000, 1, { win: 100, ...server }],
    ['fwd', 'A', 1, 5001, { win: 1 }],
    ['rev', 'A', 5001, 1, { win }],
  ]);
  return (harness.view?.fwd.maxend ?? 0) - 1;
}

test('the scale counts only if both sides offered one, and never in a SYN', () => {
  const scaled = { opts: { wscale: 7 } };
  assert.is(edgeWith(scaled, { opts: { wscale: 3 } }, 1000), 8000);
  assert.is(edgeWith({ opts: { wscale: 0 } }, scaled, 1000), 128_000);
  assert.is(edgeWith({}, scaled, 1000), 1000);
  assert.is(edgeWith(scaled, {}, 1000), 1000);
  assert.is(edgeWith(scaled, { opts: { wscale: 200 } }, 65535), 65535 << 14);
  // The SYN+ACK's own 100 bytes stay unscaled.
  assert.is(edgeWith(scaled, scaled, 0), 100);
});

test('a window of 0 counts as 1', () => {
  harness.reset('strict', false);
  say(harness, [
    ['fwd', 'S', 0, 0, { win: 0 }],
    ['rev', 'SA', 5000, 1, { win: 0 }],
    ['fwd', 'A', 1, 5001, { win: 0 }],
  ]);
  const { fwd, rev } = harness.view ?? {};
  assert.equal([fwd?.maxwin, rev?.maxwin, fwd?.maxend, rev?.maxend], [1, 1, 2, 5002]);
  assert.is(say(harness, [['fwd', 'A', 1, 5001, { len: 1 }]]).reason, 0);
});

test('what is sent across the edge widens the window that the receiver must have', () => {
  const sent: readonly Line[] = [...HANDSHAKE, ['fwd', 'A', MAXEND, 5001, { len: 700 }]];
  assert.is(reasonAfter(sent, ['fwd', 'A', MAXEND, 5001]), 0);
  assert.is(harness.view?.rev.maxwin, 65_535 + 700);
});

test('a window never grows beyond 2^30, however often it is overshot', () => {
  harness.reset('off', false);
  say(harness, HANDSHAKE);
  for (let times = 0; times < 4; times++) say(harness, [['fwd', 'A', 0x70000000, 5001]]);
  assert.is(harness.view?.rev.maxwin, 2 ** 30);
});

test('SACK counts only if both sides permitted it', () => {
  for (const [client, server] of [
    [true, true],
    [true, false],
    [false, true],
  ] as const) {
    harness.reset('strict', false);
    say(harness, [
      ['fwd', 'S', 0, 0, { opts: { sackok: client } }],
      ['rev', 'SA', 5000, 1, { opts: { sackok: server } }],
      ['fwd', 'A', 1, 5001, { len: 100 }],
    ]);
    const unseen = { opts: { sack: [[101, 102]] as const } };
    const { reason } = say(harness, [['rev', 'A', 5001, 1, unseen]]);
    assert.is(reason, client && server ? TCP_ACK_OF_UNSEEN : 0, `${client} ${server}`);
  }
});

test('keep-alives, with a byte or without, pass', () => {
  assert.is(reasonAfter(HANDSHAKE, ['fwd', 'A', 0, 5001]), 0);
  assert.is(reasonAfter(HANDSHAKE, ['fwd', 'A', 0, 5001, { len: 1 }]), 0);
});

/** What strict mode drops, by its reason. */
const REFUSED: readonly Line[] = [
  ['fwd', 'A', MAXEND + 99_999, 5001],
  ['fwd', 'A', 1, 5002],
  ['fwd', 'R', 99_999, 0],
  ['rev', 'S', 1, 0],
  ['fwd', 'SA', 0, 5001],
];

test('liberal mode forwards what strict drops, under the same reason, and believes none of it', () => {
  for (const line of REFUSED) {
    const strict = reasonAfter(HANDSHAKE, line, 'strict');
    assert.ok(strict > 0 && strict < 64, `${line}`);
    assert.is(reasonAfter(HANDSHAKE, line, 'liberal'), strict | TCP_TOLERATED);
    const after = harness.slot;
    harness.reset('liberal', true);
    say(harness, HANDSHAKE);
    assert.equal(after, harness.slot);
  }
});

test('liberal mode tolerates neither bad flags nor what has no conn', () => {
  harness.reset('liberal', false);
  assert.is(say(harness, [['fwd', 'A', 1, 1]]).verdict, 'invalid');
  say(harness, HANDSHAKE);
  assert.is(say(harness, [['fwd', 'SF', 1, 1]]).verdict, 'invalid');
});

test('off passes what only the window test refuses, nothing else', () => {
  for (const line of REFUSED) {
    const isAck = line[1] === 'A';
    const strict = reasonAfter(HANDSHAKE, line, 'strict');
    assert.is(reasonAfter(HANDSHAKE, line, 'off'), isAck ? 0 : strict, `${line}`);
  }
});

const PICKED_UP: readonly Line[] = [['fwd', 'A', 777_000, 333_000, { win: 500, len: 100 }]];

test('the first answer in a picked-up conn acks at most 66000 below what was seen', () => {
  for (const [ack, isGood] of [
    [777_100, true],
    [777_101, false],
    [777_100 - 66_000, true],
    [777_100 - 66_001, false],
  ] as const)
    for (const mode of ['strict', 'liberal', 'off'] as const) {
      const reason = reasonAfter(PICKED_UP, ['rev', 'A', 123_456, ack], mode);
      assert.is(reason, isGood ? 0 : TCP_LOOSE_ACK, `${ack} ${mode}`);
    }
});

test('a picked-up conn ignores for life what the window test would drop', () => {
  const joined: readonly Line[] = [
    ...PICKED_UP,
    ['rev', 'A', 333_000, 777_100, { win: 500 }],
    ['fwd', 'A', 777_100, 333_000, { win: 500 }],
  ];
  const reason = reasonAfter(joined, ['fwd', 'A', 999_999, 333_000]);
  assert.equal([reason & REASON_MASK, reason & TCP_TOLERATED], [TCP_ABOVE_WINDOW, TCP_TOLERATED]);
  const unseen = reasonAfter(joined, ['fwd', 'A', 777_100, 333_001]);
  assert.is(unseen, TCP_ACK_OF_UNSEEN | TCP_TOLERATED);
});

test.run();
