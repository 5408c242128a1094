import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  INVALID_BASE,
  INVALID_KEPT,
  INVALID_NUMBER,
  INVALID_RECORDS,
  INVALID_RING_SIZE,
  INVALID_SIZE,
  INVALID_TIME,
  MAX_WORKERS,
  TCP_IGNORED_SYN,
  VERDICT_DROP,
  VERDICT_FORWARD,
} from '../../assembly/layout.js';
import type { InvalidPacket } from '../../src/api/invalid-packet.js';
import { InvalidPackets } from '../../src/host/invalid-packets.js';
import { arrivalOf, TcpGateway } from '../support/tcp-gateway.js';
import type { WindowMode } from '../support/tcp-segment.js';
import { HANDSHAKE, type Line } from '../support/tcp-talk.js';
import { INSIDE, OUTSIDE } from '../support/test-gateway.js';
import { runWorkers } from '../support/workers.js';

const test = suite('invalid packets');

const STRAY: Line = ['fwd', 'A', 7, 8];

function listOf({ gateway }: TcpGateway): InvalidPacket[] {
  return new InvalidPackets(gateway.datapath.shared).list();
}

test('a record has the header as it came, the conn, and both sides as they were judged by', async () => {
  const talk = await TcpGateway.open();
  talk.say(HANDSHAKE);
  talk.say([['fwd', 'A', 1, 5001, { len: 300 }]]);
  const timeNs = talk.gateway.datapath.clock.nowNs;
  talk.say([['rev', 'PA', 5001, 999, { len: 40, win: 1234 }]]);
  assert.equal(listOf(talk), [
    {
      timeNs,
      connId: 1,
      ifaceId: OUTSIDE,
      flow: 1,
      state: 4,
      flags: 0x18,
      isForwarded: false,
      window: 1234,
      src: '192.0.2.9',
      dst: '172.16.0.1',
      sport: 80,
      dport: 40000,
      seq: 5001,
      ack: 999,
      sack: 999,
      ackSlack: 66_000,
      headerBytes: 20,
      segmentBytes: 60,
      own: {
        isHeard: true,
        hasAcked: true,
        hasChallenged: false,
        end: 5001,
        maxEnd: 5001 + 65_535,
        maxAck: 1,
        isnOrFin: 5000,
        maxWin: 65_535,
      },
      peer: {
        isHeard: true,
        hasAcked: true,
        hasChallenged: false,
        end: 301,
        maxEnd: 1 + 65_535,
        maxAck: 5001,
        isnOrFin: 0,
        maxWin: 65_535,
      },
      reason: 'tcp_ack_of_unseen',
    },
  ]);
});

test('a packet that asked no conn has no sides, whatever the record held before', async () => {
  const talk = await TcpGateway.open();
  talk.say(HANDSHAKE);
  for (let n = 0; n < INVALID_KEPT; n++) talk.say([['rev', 'A', 5001, 999]]);
  // The oldest record is written over.
  talk.say([['fwd', 'SF', 1, 1]]);
  const last = listOf(talk).at(-1);
  const none = { end: 0, maxEnd: 0, maxAck: 0, isnOrFin: 0, maxWin: 0 };
  const side = { isHeard: false, hasAcked: false, hasChallenged: false, ...none };
  assert.equal([last?.own, last?.peer, last?.sack, last?.ackSlack], [side, side, 0, 0]);
  assert.equal([last?.reason, last?.connId, last?.state], ['tcp_bad_flags', 1, 4]);
});

test('a packet without a conn has neither id nor state', async () => {
  const talk = await TcpGateway.open();
  talk.say([STRAY]);
  const [packet] = listOf(talk);
  assert.equal([packet?.connId, packet?.state, packet?.flow, packet?.ifaceId], [0, 0, 0, INSIDE]);
  assert.equal([packet?.src, packet?.sport], ['10.99.0.5', 40000]);
});

test('what passes or is ignored is not recorded, nor what others refuse', async () => {
  const talk = await TcpGateway.open();
  talk.say(HANDSHAKE);
  assert.is(talk.say([['fwd', 'S', 90_000, 0]]).reason, TCP_IGNORED_SYN);
  talk.say([['fwd', 'A', 65_537, 5001]]);
  talk.say([['rev', 'R', 5100, 0]]);
  // Refused by the route, by a checksum, and for want of a conn that an outside address belongs to.
  const arrival = arrivalOf(STRAY);
  arrival.packet[10] = 0;
  talk.gateway.decideOne(arrival);
  talk.gateway.decideOne({ ...arrivalOf(['rev', 'A', 1, 1], { dport: 4 }) });
  talk.gateway.decideOne(arrivalOf(STRAY, { ttl: 1 }));
  assert.equal(listOf(talk), []);
});

/** What the modes make of an ACK of unseen data, and what the record says of it. */
const MODES: readonly { mode: WindowMode; verdict: number; forwarded: readonly boolean[] }[] = [
  { mode: 'strict', verdict: VERDICT_DROP, forwarded: [false] },
  { mode: 'liberal', verdict: VERDICT_FORWARD, forwarded: [true] },
  { mode: 'off', verdict: VERDICT_FORWARD, forwarded: [] },
];

for (const { mode, verdict, forwarded } of MODES)
  test(`in mode ${mode} the record is ${JSON.stringify(forwarded)}`, async () => {
    const talk = await TcpGateway.open(mode);
    talk.say(HANDSHAKE);
    assert.is(talk.say([['rev', 'A', 5001, 999]]).verdict, verdict);
    const packets = listOf(talk);
    assert.equal(
      packets.map(({ isForwarded }) => isForwarded),
      forwarded,
    );
    for (const { reason } of packets) assert.is(reason, 'tcp_ack_of_unseen');
  });

test('what a picked-up conn tolerates is marked as forwarded', async () => {
  const talk = await TcpGateway.open('strict', true);
  talk.say([
    ['fwd', 'A', 777_000, 333_000, { win: 500, len: 100 }],
    ['rev', 'A', 333_000, 777_100, { win: 500 }],
  ]);
  assert.is(talk.say([['fwd', 'A', 999_999, 333_000]]).verdict, VERDICT_FORWARD);
  const packets = listOf(talk);
  assert.equal(
    packets.map(({ reason, isForwarded }) => [reason, isForwarded]),
    [['tcp_above_window', true]],
  );
});

test('the latest 256 are kept, the oldest first', async () => {
  const talk = await TcpGateway.open();
  for (let seq = 0; seq < 700; seq++) talk.say([['fwd', 'A', seq, 0]]);
  const seqs = listOf(talk).map(({ seq }) => seq);
  assert.equal(
    seqs,
    Array.from({ length: 256 }, (_, n) => 444 + n),
  );
});

test('within one burst the order is that of the ring', async () => {
  const talk = await TcpGateway.open();
  // The burst begins at the ring's end and goes on at its start.
  for (let n = 0; n < 230; n++) talk.say([STRAY]);
  talk.gateway.decide(
    ...Array.from({ length: 60 }, (_, n) => arrivalOf(['fwd', 'A', 1000 - n, 0])),
  );
  const seqs = listOf(talk).map(({ seq }) => seq);
  assert.equal(
    seqs.slice(-60),
    Array.from({ length: 60 }, (_, n) => 1000 - n),
  );
});

test('the rings of all workers are merged by time', async () => {
  const talk = await TcpGateway.open();
  for (let seq = 0; seq < 200; seq++) talk.say([['fwd', 'A', seq, 0]]);
  const { shared, view } = talk.gateway.datapath;
  const first = listOf(talk)[0]?.timeNs ?? 0n;
  // The last worker had the same packets, each half a second later, after a hundred others.
  const last = INVALID_BASE + (MAX_WORKERS - 1) * INVALID_RING_SIZE;
  shared.bytes.copyWithin(last, INVALID_BASE, INVALID_BASE + INVALID_RING_SIZE);
  for (let n = 0; n < 200; n++) {
    const at = last + INVALID_RECORDS + n * INVALID_SIZE;
    const timeNs = view.getBigInt64(at + INVALID_TIME, true);
    view.setBigInt64(at + INVALID_TIME, timeNs + 500_000_000n, true);
    view.setBigUint64(at + INVALID_NUMBER, BigInt(n + 101), true);
  }
  const packets = listOf(talk);
  assert.is(packets.length, 256);
  for (const [n, { seq, timeNs }] of packets.entries()) {
    assert.is(seq, 72 + (n >> 1));
    assert.is(timeNs - first, BigInt(72 * 2 + n) * 500_000_000n);
  }
});

test('a record that is being written is left out', async () => {
  const talk = await TcpGateway.open();
  for (let seq = 0; seq < 3; seq++) talk.say([['fwd', 'A', seq, 0]]);
  const { view } = talk.gateway.datapath;
  view.setBigUint64(INVALID_BASE + INVALID_RECORDS + INVALID_SIZE + INVALID_NUMBER, 0n, true);
  assert.equal(
    listOf(talk).map(({ seq }) => seq),
    [0, 2],
  );
});

test('no record is a mixture of two, while a worker writes without a pause', async () => {
  const talk = await TcpGateway.open();
  const { datapath } = talk.gateway;
  talk.say(HANDSHAKE);
  // One by one of the conn and of none; 63, so that those of both kinds share each record in turn.
  const [ofConn, ofNone] = [arrivalOf(['rev', 'A', 1, 999]), arrivalOf(STRAY, { sport: 5 })];
  talk.gateway.decide(...Array.from({ length: 63 }, (_, n) => (n % 2 === 0 ? ofConn : ofNone)));
  const startNs = datapath.clock.nowNs;
  const job = { task: 'refuse-packets', owner: 1, ms: 400, packets: 63 } as const;
  const done = runWorkers(datapath, [job]);
  const reader = new InvalidPackets(datapath.shared);
  const reached = new Set<number>();
  let isOver = false;
  const result = done.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    // The worker's clock begins long before.
    for (const packet of reader.list().filter(({ timeNs }) => timeNs < startNs)) {
      const { timeNs, seq, ack, connId, own, peer } = packet;
      assert.equal([ack, timeNs], [seq, BigInt(Math.floor(seq / 63))]);
      const isOfConn = (seq % 63) % 2 === 0;
      assert.equal([connId !== 0, own.isHeard, peer.isHeard], [isOfConn, isOfConn, isOfConn]);
      reached.add(seq);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [worker] = await result;
  const written = worker?.operations ?? 0;
  assert.ok(written > 10_000 && reached.size > 1000, `${written} written, ${reached.size} read`);
});

test.run();
