import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  TCP_ACK_IN_HANDSHAKE,
  TCP_IGNORED_AFTER_CLOSE,
  TCP_IGNORED_SYN,
  TCP_IGNORED_SYN_ACK_LATE,
  TCP_SYN_ACK_UNEXPECTED,
  TCP_SYN_ACK_WRONG_ACK,
  TCP_SYN_ACK_WRONG_SEQ,
  TCP_SYN_FROM_SERVER,
} from '../../assembly/layout.js';
import { TcpHarness } from '../support/tcp-harness.js';
import type { State } from '../support/tcp-segment.js';
import { BOTH_SYN, CLOSED_ORDERLY, HANDSHAKE, type Line, say } from '../support/tcp-talk.js';

const test = suite('tcp states');
const harness = new TcpHarness();

/** Says `lines` to a fresh conn; all must pass. Returns the state they end in. */
function stateAfter(lines: readonly Line[]): State | '-' {
  harness.reset('strict', true);
  let state: State | '-' = '-';
  for (const line of lines) {
    const decision = say(harness, [line]);
    assert.is(decision.reason, 0, `${line}`);
    state = decision.state;
  }
  return state;
}

/** What the last segment is called; what it leaves behind is for the caller to look at. */
function reasonAfter(lines: readonly Line[], last: Line): number {
  stateAfter(lines);
  return say(harness, [last]).reason;
}

const FIN_FWD: Line = ['fwd', 'FA', 1, 5001];
const FIN_REV: Line = ['rev', 'FA', 5001, 1];
const ACK_OF_FWD: Line = ['rev', 'A', 5001, 2];
const ACK_OF_REV: Line = ['fwd', 'A', 1, 5002];
const LATE_FIN_REV: Line = ['rev', 'FA', 5001, 2];
const LATE_FIN_FWD: Line = ['fwd', 'FA', 1, 5002];

/** FIN seen per direction, FIN acknowledged per direction: every way that leads there. */
const DERIVED: readonly { state: State; lines: readonly Line[] }[] = [
  { state: 'established', lines: [] },
  { state: 'fin_sent', lines: [FIN_FWD] },
  { state: 'fin_wait', lines: [FIN_FWD, ACK_OF_FWD] },
  { state: 'fin_recv', lines: [FIN_REV] },
  { state: 'close_wait', lines: [FIN_REV, ACK_OF_REV] },
  { state: 'closing', lines: [FIN_FWD, FIN_REV] },
  { state: 'closing', lines: [FIN_REV, FIN_FWD] },
  { state: 'last_ack', lines: [FIN_FWD, LATE_FIN_REV] },
  { state: 'last_ack', lines: [FIN_REV, LATE_FIN_FWD] },
  { state: 'last_ack', lines: [FIN_FWD, ACK_OF_FWD, LATE_FIN_REV] },
  { state: 'last_ack', lines: [FIN_FWD, FIN_REV, ['fwd', 'A', 2, 5002]] },
  { state: 'last_ack', lines: [FIN_FWD, FIN_REV, ['rev', 'A', 5002, 2]] },
  { state: 'time_wait', lines: [FIN_FWD, LATE_FIN_REV, ['fwd', 'A', 2, 5002]] },
  { state: 'time_wait', lines: [FIN_REV, LATE_FIN_FWD, ['rev', 'A', 5002, 2]] },
];

for (const { state, lines } of DERIVED)
  test(`${lines.map(([flow, flags]) => `${flow} ${flags}`).join(', ') || 'no FIN'}: ${state}`, () => {
    assert.is(stateAfter([...HANDSHAKE, ...lines]), state);
    // Saying it all again changes nothing: FINs and their acks may be retransmitted.
    for (const line of lines) assert.is(say(harness, [line]).state, state);
  });

test('a FIN is acked from its own end on, data before it included', () => {
  const fin: Line = ['fwd', 'FPA', 1, 5001, { len: 300 }];
  assert.is(stateAfter([...HANDSHAKE, fin, ['rev', 'A', 5001, 301]]), 'fin_sent');
  assert.is(stateAfter([...HANDSHAKE, fin, ['rev', 'A', 5001, 302]]), 'fin_wait');
});

test('the first FIN counts, whatever a later one says', () => {
  const later: Line = ['fwd', 'FA', 101, 5001];
  assert.is(stateAfter([...HANDSHAKE, FIN_FWD, later, ACK_OF_FWD]), 'fin_wait');
});

test('a SACK does not ack a FIN', () => {
  const opts = { sackok: true } as const;
  const lines: readonly Line[] = [
    ['fwd', 'S', 0, 0, { opts }],
    ['rev', 'SA', 5000, 1, { opts }],
    FIN_FWD,
    ['rev', 'A', 5001, 1, { opts: { sack: [[1, 2]] } }],
  ];
  assert.is(stateAfter(lines), 'fin_sent');
});

test('a FIN leaves the handshake from either side', () => {
  const synRecv = HANDSHAKE.slice(0, 2);
  assert.is(stateAfter([...synRecv, FIN_FWD]), 'fin_sent');
  assert.is(stateAfter([...synRecv, FIN_REV]), 'fin_recv');
  assert.is(stateAfter([...BOTH_SYN, ['rev', 'FA', 5001, 1]]), 'fin_recv');
});

test('syn_recv waits for the client, unless both sides opened', () => {
  assert.is(stateAfter([...HANDSHAKE.slice(0, 2), ['rev', 'A', 5001, 1]]), 'syn_recv');
  const answered: readonly Line[] = [...BOTH_SYN, ['fwd', 'SA', 0, 5001]];
  assert.is(stateAfter([...answered, ['rev', 'A', 5001, 1]]), 'established');
  assert.is(stateAfter([...answered, ['fwd', 'A', 1, 5001]]), 'established');
});

test('a simultaneous open is done when both sides answered, whoever is first', () => {
  assert.is(stateAfter([...BOTH_SYN, ['rev', 'A', 5001, 1]]), 'simsyn_sent');
  const client: Line = ['fwd', 'SA', 0, 5001];
  const server: Line = ['rev', 'SA', 5000, 1];
  for (const [first, second] of [
    [client, server],
    [server, client],
  ] as const) {
    assert.is(stateAfter([...BOTH_SYN, first]), 'syn_recv');
    assert.is(stateAfter([...BOTH_SYN, first, second]), 'established');
  }
});

test('in a simultaneous open both SYNs and SYN+ACKs may be retransmitted', () => {
  assert.is(stateAfter([...BOTH_SYN, ...BOTH_SYN]), 'simsyn_sent');
  const lines: readonly Line[] = [...BOTH_SYN, ['fwd', 'SA', 0, 5001]];
  assert.is(stateAfter([...lines, ['fwd', 'SA', 0, 5001], ...BOTH_SYN]), 'syn_recv');
});

test('a SYN+ACK must ack the SYN and keep the client number', () => {
  const syn = HANDSHAKE.slice(0, 1);
  assert.is(reasonAfter(syn, ['fwd', 'SA', 0, 0]), TCP_SYN_ACK_UNEXPECTED);
  assert.is(reasonAfter(HANDSHAKE.slice(0, 2), ['fwd', 'SA', 0, 5001]), TCP_SYN_ACK_UNEXPECTED);
  assert.is(reasonAfter(syn, ['rev', 'SA', 5000, 0]), TCP_SYN_ACK_WRONG_ACK);
  assert.is(reasonAfter(syn, ['rev', 'SA', 5000, 2]), TCP_SYN_ACK_WRONG_ACK);
  assert.is(reasonAfter(BOTH_SYN, ['fwd', 'SA', 7, 5001]), TCP_SYN_ACK_WRONG_SEQ);
});

test('a server may answer anew with another number', () => {
  const again: readonly Line[] = [...HANDSHAKE.slice(0, 2), ['rev', 'SA', 8000, 1]];
  assert.is(stateAfter([...again, ['fwd', 'A', 1, 8001]]), 'established');
});

test('a SYN+ACK after the handshake is ignored from the server, invalid from the client', () => {
  for (const lines of [HANDSHAKE, [...HANDSHAKE, FIN_FWD], CLOSED_ORDERLY]) {
    assert.is(reasonAfter(lines, ['rev', 'SA', 5000, 1]), TCP_IGNORED_SYN_ACK_LATE);
    assert.is(reasonAfter(lines, ['fwd', 'SA', 0, 5001]), TCP_SYN_ACK_UNEXPECTED);
  }
});

test('a SYN with another number starts a new conn over', () => {
  const lines: readonly Line[] = [
    ['fwd', 'S', 0, 0, { opts: { wscale: 7 } }],
    ['fwd', 'S', 700, 0],
  ];
  assert.is(stateAfter(lines), 'new');
  assert.equal([harness.view?.fwd.isn, harness.view?.fwd.scale], [700, undefined]);
  assert.is(reasonAfter(lines, ['rev', 'SA', 5000, 1]), TCP_SYN_ACK_WRONG_ACK);
});

test('fast open: what the SYN carried may be acked or not, and come again', () => {
  const data: Line = ['fwd', 'S', 0, 0, { len: 100 }];
  for (const ack of [1, 50, 101])
    assert.is(stateAfter([data, ['rev', 'SA', 5000, ack]]), 'syn_recv');
  assert.is(reasonAfter([data], ['rev', 'SA', 5000, 102]), TCP_SYN_ACK_WRONG_ACK);
  // A retransmission may carry what the first SYN did not.
  assert.is(stateAfter([['fwd', 'S', 0, 0], data, ['rev', 'SA', 5000, 101]]), 'syn_recv');
});

test('a SYN inside a live conn is only annotated, and the conn goes on', () => {
  for (const lines of [HANDSHAKE, HANDSHAKE.slice(0, 2), BOTH_SYN, [...HANDSHAKE, FIN_FWD]]) {
    assert.is(reasonAfter(lines, ['fwd', 'S', 123_456, 0]), TCP_IGNORED_SYN);
    assert.is(harness.view?.annotation, 123_457);
    assert.is(reasonAfter(lines, ['rev', 'S', 123_456, 0]), TCP_SYN_FROM_SERVER);
  }
});

test('the SYN+ACK that acks an annotated SYN exactly restarts the conn from it', () => {
  const annotated: Line = [
    'fwd',
    'S',
    90_000,
    0,
    { len: 10, win: 3000, opts: { wscale: 5, sackok: true } },
  ];
  for (const lines of [HANDSHAKE, [...HANDSHAKE, FIN_FWD, ACK_OF_FWD], BOTH_SYN]) {
    stateAfter(lines);
    say(harness, [annotated]);
    assert.is(say(harness, [['rev', 'SA', 70_000, 90_010]]).verdict === 'pass', false);
    const { state, verdict } = say(harness, [['rev', 'SA', 70_000, 90_011, { win: 900 }]]);
    assert.equal([verdict, state], ['pass', 'syn_recv']);
    const { fwd, rev, annotation } = harness.view ?? {};
    assert.equal([fwd?.isn, fwd?.end, fwd?.maxwin, fwd?.scale], [90_000, 90_011, 3000, 5]);
    assert.equal([fwd?.maxend, fwd?.sackOk, rev?.isn], [90_911, true, 70_000]);
    assert.is(annotation, undefined);
    assert.is(say(harness, [['fwd', 'A', 90_011, 70_001]]).state, 'established');
    // It happened: the same SYN+ACK is a late one now.
    assert.is(say(harness, [['rev', 'SA', 70_000, 90_011]]).reason, TCP_IGNORED_SYN_ACK_LATE);
  }
});

test('a SYN reopens time_wait and closed as new', () => {
  const closed: readonly Line[] = [...HANDSHAKE, ['fwd', 'R', 1, 0]];
  for (const lines of [CLOSED_ORDERLY, closed]) {
    assert.is(stateAfter([...lines, ['fwd', 'S', 90_000, 0]]), 'new');
    assert.is(harness.view?.rev.heard, false);
    assert.is(harness.view?.isReplied, false);
  }
  assert.is(reasonAfter(closed, ['rev', 'S', 90_000, 0]), TCP_SYN_FROM_SERVER);
});

test('a SYN of the server reopens time_wait, and the client may answer or refuse', () => {
  const reopened: readonly Line[] = [...CLOSED_ORDERLY, ['rev', 'S', 90_000, 0]];
  assert.is(stateAfter(reopened), 'simsyn_sent');
  const answer: Line = ['fwd', 'SA', 70_000, 90_001];
  assert.is(stateAfter([...reopened, answer]), 'syn_recv');
  assert.is(stateAfter([...reopened, answer, ['rev', 'A', 90_001, 70_001]]), 'established');
  assert.is(reasonAfter(reopened, ['fwd', 'A', 2, 5002]), TCP_ACK_IN_HANDSHAKE);
  assert.is(reasonAfter(reopened, ['rev', 'A', 90_001, 3]), TCP_ACK_IN_HANDSHAKE);
  // The SYN of a client that opens at the same time is only annotated: its ISN was forgotten.
  assert.is(reasonAfter(reopened, ['fwd', 'S', 70_000, 0]), TCP_IGNORED_SYN);
});

test('what is closed is forwarded and not believed', () => {
  const closed: readonly Line[] = [...HANDSHAKE, ['fwd', 'R', 1, 0]];
  for (const last of [ACK_OF_FWD, FIN_FWD, ['fwd', 'A', 999_999, 999_999]] as const)
    assert.is(reasonAfter(closed, last), TCP_IGNORED_AFTER_CLOSE);
});

test('a conn that starts over is no longer one picked up in mid-stream', () => {
  const pickedUp: readonly Line[] = [['fwd', 'A', 777_000, 333_000]];
  assert.is(stateAfter(pickedUp), 'established');
  assert.equal([harness.view?.isLoose, harness.view?.isReplied], [true, false]);
  stateAfter([...pickedUp, ['rev', 'A', 333_000, 777_000]]);
  assert.is(harness.view?.isReplied, true);
  stateAfter([...pickedUp, ['fwd', 'R', 777_000, 0], ['fwd', 'S', 1, 0]]);
  assert.is(harness.view?.isLoose, false);
});

test('what passes refreshes the conn, what is ignored or invalid does not', () => {
  harness.reset('strict', true);
  say(harness, HANDSHAKE, 10n);
  assert.is(harness.lastUpdate, 10n);
  const unheeded: readonly Line[] = [
    ['rev', 'R', 5002, 0],
    ['rev', 'SA', 5000, 1],
    ['fwd', 'S', 123, 0],
    ['fwd', 'A', 1, 5002],
    ['fwd', 'SF', 1, 5001],
  ];
  for (const line of unheeded) say(harness, [line], 20n);
  assert.is(harness.lastUpdate, 10n);
  say(harness, [['fwd', 'A', 1, 5001]], 30n);
  assert.is(harness.lastUpdate, 30n);
  harness.reset('strict', true);
  say(harness, [['fwd', 'S', 0, 0]], 1n);
  say(harness, [['fwd', 'S', 0, 0]], 2n);
  assert.is(harness.lastUpdate, 2n);
});

test.run();
