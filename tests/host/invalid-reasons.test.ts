/*
 * Every reason for which the TCP tracker calls a packet invalid, from the packet to the sentence:
 * decided by the datapath, read from its record, carried by the API, explained by grcli.
 */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as layout from '../../assembly/layout.js';
import { INVALID_LIST, type InvalidPacket } from '../../src/api/invalid-packet.js';
import { explain } from '../../src/api/invalid-reasons.js';
import { InvalidPackets } from '../../src/host/invalid-packets.js';
import { REASON_NAMES } from '../../src/host/reasons.js';
import type { TcpFields } from '../support/packets.js';
import { TcpGateway } from '../support/tcp-gateway.js';
import { BOTH_SYN, CLOSED_ORDERLY, HANDSHAKE, type Line } from '../support/tcp-talk.js';

interface Case {
  readonly reason: string;
  /** What was said before, and what is invalid then. */
  readonly after: readonly Line[];
  readonly line: Line;
  readonly rest?: Partial<TcpFields>;
  readonly isLoose?: boolean;
  readonly why: string;
}

const SYN: readonly Line[] = [['fwd', 'S', 0, 0]];
const PICKED_UP: readonly Line[] = [['fwd', 'A', 777_000, 333_000, { win: 500, len: 100 }]];
/** The server asks again from time_wait: nothing is known of the client. */
const SERVER_ASKS: readonly Line[] = [...CLOSED_ORDERLY, ['rev', 'S', 7000, 0]];
const PEER_END = 'the end of what the other side sent';

const CASES: readonly Case[] = [
  ...[
    { flags: '', why: 'no flag is set at all' },
    { flags: 'SF', why: 'flags SF are not a combination that TCP sends' },
    { flags: 'FP', why: 'flags FP are not a combination that TCP sends' },
    { flags: 'SFRPAUEC', why: 'flags SFRPAUEC are not a combination that TCP sends' },
  ].flatMap(({ flags, why }) =>
    [[], HANDSHAKE].map((after): Case => {
      return { reason: 'tcp_bad_flags', after, line: ['fwd', flags, 1, 5001], why };
    }),
  ),
  {
    reason: 'tcp_bad_length',
    after: [],
    line: ['fwd', 'S', 0, 0],
    rest: { dataOffset: 4 },
    why: 'the TCP header claims 16 bytes, fewer than the 20 that it has',
  },
  {
    reason: 'tcp_bad_length',
    after: HANDSHAKE,
    line: ['rev', 'A', 5001, 1, { len: 30 }],
    rest: { dataOffset: 15 },
    why: 'the TCP header claims 60 bytes, but 50 are all there is',
  },
  {
    reason: 'tcp_no_conn',
    after: [],
    line: ['fwd', 'A', 1, 5001],
    why: 'it belongs to no connection, and tcp-loose is off',
  },
  ...['FA', 'R', 'SA'].map(
    (flags): Case => ({
      reason: 'tcp_no_conn',
      after: [],
      line: ['fwd', flags, 1, 5001],
      isLoose: true,
      why: 'it belongs to no connection, and only a SYN opens one',
    }),
  ),
  {
    reason: 'tcp_loose_ack',
    after: PICKED_UP,
    line: ['rev', 'A', 123_456, 777_103],
    isLoose: true,
    why: `the first answer's ack 777103 is 3 above ${PEER_END}`,
  },
  {
    reason: 'tcp_loose_ack',
    after: PICKED_UP,
    line: ['rev', 'A', 123_456, 777_100 - 66_002],
    isLoose: true,
    why: "the first answer's ack 711098 is 2 below the oldest that is still believed",
  },
  {
    reason: 'tcp_rst_in_handshake',
    after: SYN,
    line: ['rev', 'R', 0, 0],
    why: 'a RST without ACK refuses no SYN',
  },
  {
    reason: 'tcp_rst_in_handshake',
    after: SYN,
    line: ['rev', 'RA', 0, 5],
    why: "ack 5 is 4 above the end of the other side's SYN",
  },
  {
    reason: 'tcp_rst_in_handshake',
    after: SYN,
    line: ['rev', 'RA', 0, 0],
    why: "ack 0 is 1 below the least that acks the other side's SYN",
  },
  {
    reason: 'tcp_rst_in_handshake',
    after: SYN,
    line: ['fwd', 'R', 5, 0],
    why: 'seq 5 is 4 above the end of its SYN',
  },
  {
    reason: 'tcp_rst_in_handshake',
    after: [...SYN, ['rev', 'A', 77, 900]],
    line: ['fwd', 'R', 5, 0],
    why: 'seq 5 is 4 above the end of its SYN and not 900, which the challenge ACK asked for',
  },
  {
    reason: 'tcp_rst_out_of_window',
    after: HANDSHAKE,
    line: ['fwd', 'R', 99_999, 0],
    why: "seq 99999 is 34463 above the window's edge",
  },
  {
    reason: 'tcp_rst_out_of_window',
    after: [...HANDSHAKE, ['fwd', 'A', 1, 5001, { len: 100 }], ['rev', 'A', 5001, 51]],
    line: ['fwd', 'R', 50, 0],
    why: 'seq 50 is 1 below the next one expected',
  },
  {
    reason: 'tcp_rst_out_of_window',
    after: HANDSHAKE,
    line: ['fwd', 'RA', 1, 5003],
    why: `ack 5003 is 2 above ${PEER_END}`,
  },
  {
    reason: 'tcp_rst_out_of_window',
    after: PICKED_UP,
    line: ['rev', 'R', 333_005, 0],
    isLoose: true,
    why: 'seq 333005 is 5 above the one that fits before anything of this side was seen',
  },
  {
    reason: 'tcp_rst_after_fin',
    after: [...HANDSHAKE, ['fwd', 'FA', 1, 5001]],
    line: ['fwd', 'R', 70_000, 0],
    why: "seq 70000 is 4464 above the window's edge",
  },
  {
    reason: 'tcp_rst_after_fin',
    after: [...HANDSHAKE, ['fwd', 'FA', 1, 5001]],
    line: ['fwd', 'R', 2 - 65_536, 0],
    why: "seq 4294901762 is 1 below the window's lower edge",
  },
  {
    reason: 'tcp_syn_from_server',
    after: HANDSHAKE,
    line: ['rev', 'S', 1, 0],
    why: 'a SYN of the server opens nothing in state established',
  },
  {
    reason: 'tcp_syn_from_server',
    after: HANDSHAKE.slice(0, 2),
    line: ['rev', 'S', 4999, 0],
    why: "seq 4999 is not that of the server's first SYN, 5000",
  },
  {
    reason: 'tcp_syn_ack_unexpected',
    after: HANDSHAKE,
    line: ['fwd', 'SA', 0, 5001],
    why: 'a SYN+ACK of the client in state established, when the handshake is over',
  },
  {
    reason: 'tcp_syn_ack_unexpected',
    after: SYN,
    line: ['fwd', 'SA', 0, 5001],
    why: 'a SYN+ACK of the client answers a bare SYN of the server, and there was none',
  },
  {
    reason: 'tcp_syn_ack_wrong_ack',
    after: SYN,
    line: ['rev', 'SA', 5000, 3],
    why: "ack 3 is 2 above the end of the other side's SYN",
  },
  {
    reason: 'tcp_syn_ack_wrong_ack',
    after: SYN,
    line: ['rev', 'SA', 5000, -9],
    why: "ack 4294967287 is 10 below the least that acks the other side's SYN",
  },
  {
    reason: 'tcp_syn_ack_wrong_ack',
    after: SERVER_ASKS,
    line: ['rev', 'SA', 7000, 1],
    why: 'ack 1 is of a SYN that was not seen',
  },
  {
    reason: 'tcp_syn_ack_wrong_seq',
    after: BOTH_SYN,
    line: ['fwd', 'SA', 9, 5001],
    why: "seq 9 is not that of the client's SYN, 0",
  },
  {
    reason: 'tcp_ack_in_handshake',
    after: SYN,
    line: ['fwd', 'A', 1, 1],
    why: "an ACK of the client before the server's SYN+ACK",
  },
  {
    reason: 'tcp_ack_in_handshake',
    after: SYN,
    line: ['rev', 'FA', 1, 1],
    why: "a FIN of the server before the server's SYN+ACK",
  },
  {
    reason: 'tcp_ack_in_handshake',
    after: SERVER_ASKS,
    line: ['rev', 'A', 7001, 1],
    why: 'an ACK of the server before both sides sent a SYN',
  },
  {
    reason: 'tcp_above_window',
    after: [
      ['fwd', 'S', 1_000_000, 0],
      ['rev', 'SA', 5000, 1_000_001, { win: 9000 }],
      ['fwd', 'A', 1_000_001, 5001],
    ],
    line: ['fwd', 'A', 999_999_999, 5001],
    why: "seq 999999999 is 998990998 above the window's edge",
  },
  {
    reason: 'tcp_above_window',
    after: HANDSHAKE,
    line: ['fwd', 'A', 65_537, 5003, { len: 10 }],
    why: `seq 65537 is 1 above the window's edge, and ack 5003 is 2 above ${PEER_END}`,
  },
  {
    reason: 'tcp_above_window',
    after: HANDSHAKE,
    line: ['fwd', 'A', 65_537, 5001 - 66_001],
    why:
      "seq 65537 is 1 above the window's edge, " +
      'and ack 4294906296 is 1 below the oldest that is still believed',
  },
  {
    reason: 'tcp_ack_of_unseen',
    after: HANDSHAKE,
    line: ['rev', 'A', 5001, 8],
    why: `ack 8 is 7 above ${PEER_END}`,
  },
  {
    reason: 'tcp_ack_of_unseen',
    after: [
      ['fwd', 'S', 0, 0, { opts: { sackok: true } }],
      ['rev', 'SA', 5000, 1, { opts: { sackok: true } }],
      ['fwd', 'A', 1, 5001, { len: 100 }],
    ],
    line: ['rev', 'A', 5001, 1, { opts: { sack: [[101, 105]] } }],
    why: `SACK edge 105 is 4 above ${PEER_END}`,
  },
];

const test = suite('invalid reasons');

for (const { reason, after, line, rest, isLoose = false, why } of CASES) {
  test(`${reason}: ${line.slice(0, 4).join(' ')} after ${after.length} segments: ${why}`, async () => {
    const talk = await TcpGateway.open('strict', isLoose);
    for (const before of after) assert.is(talk.say([before]).verdict, layout.VERDICT_FORWARD);
    assert.is(talk.say([line], rest).verdict, layout.VERDICT_DROP);
    const packets = new InvalidPackets(talk.gateway.datapath.shared).list().map(overApi);
    assert.is(packets.length, 1, 'only what is invalid is recorded');
    assert.equal(
      packets.map((packet) => [packet.reason, explain(packet), packet.isForwarded]),
      [[reason, why, false]],
    );
  });
}

test('every reason of an invalid packet is in the table above', () => {
  const reasons = new Set(CASES.map(({ reason }) => reason));
  const { TCP_REASON_FIRST, TCP_INVALID_END } = layout;
  for (let reason = TCP_REASON_FIRST; reason < TCP_INVALID_END; reason++)
    assert.ok(reasons.delete(REASON_NAMES[reason] ?? ''), `reason ${reason}`);
  assert.is(reasons.size, 0);
});

test.run();

function overApi(packet: InvalidPacket): InvalidPacket {
  return INVALID_LIST.decodeResponse(INVALID_LIST.encodeResponse(packet));
}
