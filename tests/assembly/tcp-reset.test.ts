import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  TCP_IGNORED_RST_AFTER_CLOSE,
  TCP_IGNORED_RST_INEXACT,
  TCP_RST_AFTER_FIN,
  TCP_RST_IN_HANDSHAKE,
  TCP_RST_OUT_OF_WINDOW,
} from '../../assembly/layout.js';
import { TcpHarness } from '../support/tcp-harness.js';
import { BOTH_SYN, CLOSED_ORDERLY, HANDSHAKE, type Line, say } from '../support/tcp-talk.js';

const test = suite('tcp reset');
const harness = new TcpHarness();

/** What a RST after `lines` is called, 0 when it closed the conn. */
function reasonAfter(lines: readonly Line[], reset: Line): number {
  harness.reset('strict', true);
  const before = say(harness, lines).state;
  const { reason, state } = say(harness, [reset]);
  assert.is(state, reason === 0 ? 'closed' : before);
  return reason;
}

const NEW: readonly Line[] = [['fwd', 'S', 100, 0, { len: 50 }]];

test('new: the server refuses by an ack in the SYN, whatever its sequence number', () => {
  for (let ack = 95; ack <= 160; ack++)
    for (const seq of [0, 12345]) {
      const isGood = ack > 100 && ack <= 151;
      const reason = reasonAfter(NEW, ['rev', 'RA', seq, ack]);
      assert.is(reason, isGood ? 0 : TCP_RST_IN_HANDSHAKE, `ack ${ack}`);
    }
  assert.is(reasonAfter(NEW, ['rev', 'R', 0, 101]), TCP_RST_IN_HANDSHAKE);
});

test('new: the client takes its SYN back at its own end only', () => {
  for (let seq = 95; seq <= 160; seq++)
    assert.is(reasonAfter(NEW, ['fwd', 'R', seq, 0]), seq === 151 ? 0 : TCP_RST_IN_HANDSHAKE);
});

test('new: a RST at the last challenge ACK clears the way', () => {
  const challenged: readonly Line[] = [
    ...NEW,
    ['rev', 'A', 9, 777, { win: 5 }],
    ['rev', 'A', 9, 888, { win: 5 }],
  ];
  assert.is(reasonAfter(challenged, ['fwd', 'R', 888, 0]), 0);
  assert.is(reasonAfter(challenged, ['fwd', 'R', 777, 0]), TCP_RST_IN_HANDSHAKE);
  assert.is(reasonAfter(challenged, ['fwd', 'R', 151, 0]), 0);
  // A retransmitted SYN asks the same question again; a SYN with another number, a new one.
  assert.is(reasonAfter([...challenged, ...NEW], ['fwd', 'R', 888, 0]), 0);
  const fresh: Line = ['fwd', 'S', 500, 0];
  assert.is(reasonAfter([...challenged, fresh], ['fwd', 'R', 888, 0]), TCP_RST_IN_HANDSHAKE);
});

/** The server sent 100 bytes, of which the client acked 40: edges at 5041 and 5101. */
const HALF_ACKED: readonly Line[] = [
  ...HANDSHAKE,
  ['rev', 'PA', 5001, 1, { len: 100 }],
  ['fwd', 'A', 1, 5041, { win: 1000 }],
];
/** Highest right edge that the client ever allowed: 5001 + 65535. */
const ALLOWED = 5001 + 65535;

test('established: exact at either edge, inexact above the ack, out of window elsewhere', () => {
  const cases = [4999, 5040, 5041, 5042, 5100, 5101, 5102, ALLOWED, ALLOWED + 1, 0x80000000];
  for (const seq of cases) {
    const isExact = seq === 5041 || seq === 5101;
    const isIn = seq > 5041 && seq <= ALLOWED;
    const expected = isExact ? 0 : isIn ? TCP_IGNORED_RST_INEXACT : TCP_RST_OUT_OF_WINDOW;
    assert.is(reasonAfter(HALF_ACKED, ['rev', 'R', seq, 0]), expected, `seq ${seq}`);
  }
});

test('established: an ack must be near what the peer sent, unless it is 0 or not there', () => {
  const big: readonly Line[] = [
    ['fwd', 'S', 999_999, 0],
    ['rev', 'SA', 5000, 1_000_000],
    ['fwd', 'A', 1_000_000, 5001],
  ];
  for (const [ack, isGood] of [
    [1_000_000, true],
    [1_000_001, false],
    [1_000_000 - 66_000, true],
    [1_000_000 - 66_001, false],
    [0, true],
  ] as const) {
    // The right edge is exact as well as the highest ack, so that nothing lies above it.
    const reason = reasonAfter(big, ['rev', 'RA', 5001, ack]);
    assert.is(reason, isGood ? 0 : TCP_RST_OUT_OF_WINDOW, `ack ${ack}`);
    assert.is(reasonAfter(big, ['rev', 'R', 5001, ack]), 0, `no ack ${ack}`);
  }
});

test('established: the slack of the ack grows with the window', () => {
  const scaled = { opts: { wscale: 7 } };
  const wide: readonly Line[] = [
    ['fwd', 'S', 999_999, 0, scaled],
    ['rev', 'SA', 5000, 1_000_000, scaled],
    ['fwd', 'A', 1_000_000, 5001],
    ['rev', 'A', 5001, 1_000_000, { win: 1000 }],
  ];
  assert.is(reasonAfter(wide, ['rev', 'RA', 5001, 1_000_000 - 128_000]), 0);
  const beyond = reasonAfter(wide, ['rev', 'RA', 5001, 1_000_000 - 128_001]);
  assert.is(beyond, TCP_RST_OUT_OF_WINDOW);
});

test('established: an exact number with a bad ack is still in the window above the ack', () => {
  assert.is(reasonAfter(HALF_ACKED, ['rev', 'RA', 5101, 999_999]), TCP_IGNORED_RST_INEXACT);
  assert.is(reasonAfter(HALF_ACKED, ['rev', 'RA', 5041, 999_999]), TCP_RST_OUT_OF_WINDOW);
});

test('syn_recv: both sides may abort at their edge', () => {
  const synRecv = HANDSHAKE.slice(0, 2);
  assert.is(reasonAfter(synRecv, ['fwd', 'R', 1, 0]), 0);
  assert.is(reasonAfter(synRecv, ['rev', 'RA', 5001, 1]), 0);
  assert.is(reasonAfter(synRecv, ['fwd', 'R', 2, 0]), TCP_IGNORED_RST_INEXACT);
  assert.is(reasonAfter(synRecv, ['fwd', 'R', 0, 0]), TCP_RST_OUT_OF_WINDOW);
});

test('simsyn_sent: nobody has acked, so that only the own end is exact', () => {
  assert.is(reasonAfter(BOTH_SYN, ['rev', 'R', 5001, 0]), 0);
  assert.is(reasonAfter(BOTH_SYN, ['fwd', 'R', 1, 0]), 0);
  assert.is(reasonAfter(BOTH_SYN, ['rev', 'R', 5002, 0]), TCP_RST_OUT_OF_WINDOW);
});

test('simsyn_sent after time_wait: the client, not heard since, refuses from 0', () => {
  const reopened: readonly Line[] = [...CLOSED_ORDERLY, ['rev', 'S', 9000, 0]];
  assert.is(reasonAfter(reopened, ['fwd', 'RA', 0, 9001]), 0);
  assert.is(reasonAfter(reopened, ['fwd', 'RA', 0, 9002]), TCP_RST_OUT_OF_WINDOW);
  assert.is(reasonAfter(reopened, ['fwd', 'R', 2, 0]), TCP_RST_OUT_OF_WINDOW);
});

test('after a FIN any number from a window below the end to the right edge will do', () => {
  const closing: readonly Line[] = [...HANDSHAKE, ['fwd', 'FA', 1, 5001, { win: 1000 }]];
  // The server's end is 5001; the client's largest window is that of its SYN.
  const lowest = 5001 - 65535;
  const highest = 5001 + 65535;
  for (const seq of [lowest, 5000, 5001, 5002, highest])
    assert.is(reasonAfter(closing, ['rev', 'R', seq, 0]), 0, `seq ${seq}`);
  for (const seq of [lowest - 1, highest + 1])
    assert.is(reasonAfter(closing, ['rev', 'R', seq, 0]), TCP_RST_AFTER_FIN, `seq ${seq}`);
});

test('time_wait and closed heed no RST (RFC 1337)', () => {
  const exact: Line = ['fwd', 'R', 2, 0];
  assert.is(reasonAfter(CLOSED_ORDERLY, exact), TCP_IGNORED_RST_AFTER_CLOSE);
  const reset: readonly Line[] = [...HANDSHAKE, ['fwd', 'R', 1, 0]];
  assert.is(reasonAfter(reset, ['fwd', 'R', 1, 0]), TCP_IGNORED_RST_AFTER_CLOSE);
});

test('a conn picked up in mid-stream judges RSTs as strictly as any', () => {
  const pickedUp: readonly Line[] = [['fwd', 'A', 777_000, 333_000, { win: 500, len: 100 }]];
  assert.is(reasonAfter(pickedUp, ['rev', 'R', 333_000, 0]), 0);
  // The server was not heard: nothing of it is merely inexact.
  assert.is(reasonAfter(pickedUp, ['rev', 'R', 333_001, 0]), TCP_RST_OUT_OF_WINDOW);
  assert.is(reasonAfter(pickedUp, ['fwd', 'R', 777_100, 0]), 0);
  assert.is(reasonAfter(pickedUp, ['fwd', 'R', 777_101, 0]), TCP_IGNORED_RST_INEXACT);
});

test.run();
