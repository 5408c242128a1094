import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONN_F_REPLIED,
  COUNT_BURSTS,
  COUNT_CONNS_CREATED,
  COUNT_FORWARDED,
  DROP_NO_CONN,
  REASON_NONE,
  STATE_ESTABLISHED,
  STATE_NEW,
  STATE_SYN_RECV,
  TCP_IGNORED_SYN_ACK_LATE,
  TRAN_LOWEST_PORT,
  VERDICT_FORWARD,
  VNET_F_NEEDS_CSUM,
} from '../../assembly/layout.js';
import { printedSeed, seededRandom } from '../support/datapath.js';
import {
  buildIcmpEcho,
  buildTcp,
  buildUdp,
  buildVnet,
  type IcmpFields,
  internetChecksum,
} from '../support/packets.js';
import { parseIcmp, parseIpv4, parseTcp, parseUdp } from '../support/parse-packets.js';
import {
  type Departure,
  INSIDE,
  OTHER_POOLS,
  OUTSIDE,
  SHARED_POOLS,
  TestGateway,
} from '../support/test-gateway.js';

const HOST = '10.99.0.5';
const OUTER = '172.16.0.1';
const REMOTE = '192.0.2.9';
const OUT = { src: HOST, dst: REMOTE };
const BACK = { src: REMOTE, dst: OUTER };
const PAYLOAD = Buffer.from('an odd payload.');
const PARTIAL = buildVnet({ flags: VNET_F_NEEDS_CSUM, csumStart: 20, csumOffset: 6 });

const test = suite('nat');

test('a datagram leaves from the outside address, and its answer finds back', async () => {
  const gateway = await TestGateway.open();
  const out = passed(gateway, INSIDE, buildUdp({ ...OUT, sport: 40000, dport: 53 }, PAYLOAD));
  const wanted = { src: OUTER, dst: REMOTE, ttl: 63, sport: 40000, dport: 53 };
  assert.equal(out.packet, buildUdp(wanted, PAYLOAD), 'the port is kept, all checksums are right');
  assert.is(out.outIface, OUTSIDE);
  assert.equal(out.vnet, Buffer.alloc(10));
  assert.is(gateway.conn(1).state, STATE_NEW);

  const back = passed(gateway, OUTSIDE, buildUdp({ ...BACK, sport: 53, dport: 40000 }, PAYLOAD));
  const answer = { src: REMOTE, dst: HOST, ttl: 63, sport: 53, dport: 40000 };
  assert.equal(back.packet, buildUdp(answer, PAYLOAD));
  assert.is(back.outIface, INSIDE);
  assert.is(gateway.counter(COUNT_CONNS_CREATED), 1);
  assert.is(gateway.counter(COUNT_FORWARDED), 2);
  assert.is(gateway.counter(COUNT_BURSTS), 2);
  assert.is(gateway.reasonCount, 0);
});

test('a UDP conn is new until its answer comes, and every packet refreshes it', async () => {
  const gateway = await TestGateway.open();
  const { clock } = gateway.datapath;
  const out = buildUdp({ ...OUT, sport: 40000, dport: 53 });
  const started = clock.nowNs;
  passed(gateway, INSIDE, out);
  clock.advance(3n);
  passed(gateway, INSIDE, out);
  const made = { policyId: 11, tranPool: SHARED_POOLS.udp };
  const fresh = { state: STATE_NEW, flags: 0, ...made };
  assert.equal(gateway.conn(1), { ...fresh, lastUpdateNs: started + 3n });
  clock.advance(5n);
  passed(gateway, OUTSIDE, buildUdp({ ...BACK, sport: 53, dport: 40000 }));
  const replied = { ...made, state: STATE_ESTABLISHED, flags: CONN_F_REPLIED };
  assert.equal(gateway.conn(1), { ...replied, lastUpdateNs: started + 8n });
  clock.advance(1n);
  passed(gateway, INSIDE, out);
  assert.equal(gateway.conn(1), { ...replied, lastUpdateNs: started + 9n });
});

for (const [name, request, reply] of [
  ['an echo', 8, 0],
  ['a timestamp', 13, 14],
] as const)
  test(`${name} request leaves with its identifier, and the reply finds back`, async () => {
    const gateway = await TestGateway.open();
    const build = (fields: IcmpFields) => buildIcmpEcho(fields, 77, 1, PAYLOAD);
    const out = passed(gateway, INSIDE, build({ ...OUT, type: request }));
    assert.equal(out.packet, build({ src: OUTER, dst: REMOTE, ttl: 63, type: request }));
    const back = passed(gateway, OUTSIDE, build({ ...BACK, type: reply }));
    assert.equal(back.packet, build({ src: REMOTE, dst: HOST, ttl: 63, type: reply }));
    assert.is(gateway.conn(1).state, STATE_ESTABLISHED);
  });

test('two hosts that ping with one identifier get two, and each its own replies', async () => {
  const gateway = await TestGateway.open();
  const hosts = ['10.99.0.5', '10.99.0.6', '10.98.0.5'];
  const ids = hosts.map((src) => {
    const { packet } = passed(gateway, INSIDE, buildIcmpEcho({ ...OUT, src, type: 8 }, 77, 1));
    const parsed = parseIcmp(packet);
    assert.ok(parsed.checksumOk && parsed.l4ChecksumOk);
    return parsed.l4.id;
  });
  assert.is(ids[0], 77);
  assert.is(new Set(ids).size, 3);
  for (const [n, id] of ids.entries()) {
    const { packet } = passed(gateway, OUTSIDE, buildIcmpEcho({ ...BACK, type: 0 }, id, 1));
    const { dst, l4, checksumOk, l4ChecksumOk } = parseIcmp(packet);
    assert.equal([dst, l4.id, checksumOk, l4ChecksumOk], [hosts[n], 77, true, true]);
  }
});

test('an echo request never finds a conn by its rev key', async () => {
  const gateway = await TestGateway.open();
  const out = { src: '10.97.0.5', dst: REMOTE, type: 8 };
  assert.is(parseIcmp(passed(gateway, INSIDE, buildIcmpEcho(out, 77, 1)).packet).src, '172.16.0.9');
  const request = buildIcmpEcho({ src: REMOTE, dst: '172.16.0.9', type: 8 }, 77, 1);
  assert.is.not(gateway.decideOne({ iface: OUTSIDE, packet: request }).verdict, VERDICT_FORWARD);
});

test('a TCP handshake passes both ways, tracked', async () => {
  const gateway = await TestGateway.open();
  const ports = { sport: 50000, dport: 80 };
  const away = { sport: 80, dport: 50000 };
  const mss = { mss: 1460 };
  const syn = { ...ports, flags: 'S', seq: 1000, opts: mss };
  const synAck = { ...away, flags: 'SA', seq: 9000, ack: 1001, opts: mss };
  const ack = { ...ports, flags: 'A', seq: 1001, ack: 9001 };
  assert.equal(
    passed(gateway, INSIDE, buildTcp({ ...OUT, ...syn })).packet,
    buildTcp({ src: OUTER, dst: REMOTE, ttl: 63, ...syn }),
  );
  assert.is(gateway.conn(1).state, STATE_NEW);
  assert.equal(
    passed(gateway, OUTSIDE, buildTcp({ ...BACK, ...synAck })).packet,
    buildTcp({ src: REMOTE, dst: HOST, ttl: 63, ...synAck }),
  );
  assert.is(gateway.conn(1).state, STATE_SYN_RECV);
  assert.is(gateway.conn(1).flags & CONN_F_REPLIED, CONN_F_REPLIED);
  const data = buildTcp({ ...OUT, ...ack }, PAYLOAD);
  assert.equal(
    passed(gateway, INSIDE, data).packet,
    buildTcp({ src: OUTER, dst: REMOTE, ttl: 63, ...ack }, PAYLOAD),
  );
  assert.is(gateway.conn(1).state, STATE_ESTABLISHED);

  // What the tracker ignores goes on, translated, and is counted.
  const late = gateway.decideOne({ iface: OUTSIDE, packet: buildTcp({ ...BACK, ...synAck }) });
  assert.is(late.verdict, VERDICT_FORWARD);
  assert.is(late.reason, TCP_IGNORED_SYN_ACK_LATE);
  assert.is(parseTcp(late.packet).dst, HOST);
  assert.is(gateway.counter(TCP_IGNORED_SYN_ACK_LATE), 1);
  assert.equal(gateway.received(OUTSIDE).drops, 0);
});

test('a segment that the tracker drops is not rewritten', async () => {
  const gateway = await TestGateway.open();
  const syn = { ...OUT, sport: 50000, dport: 80, flags: 'S', seq: 1000 };
  passed(gateway, INSIDE, buildTcp(syn));
  const bad = buildTcp({ ...BACK, sport: 80, dport: 50000, flags: 'SA', seq: 1, ack: 5 });
  const departure = gateway.decideOne({ iface: OUTSIDE, packet: bad });
  assert.is.not(departure.verdict, VERDICT_FORWARD);
  assert.equal(departure.packet, bad);
});

test('a partial checksum changes by the address alone', async () => {
  const gateway = await TestGateway.open();
  const { random } = seeded('nat partial checksums');
  for (let round = 0; round < 200; round++) {
    const src = `10.99.0.${2 + (random() % 200)}`;
    const dst = `192.0.2.${random() % 256}`;
    // Every other port is a well-known one, and replaced.
    const lowest = round % 2 === 0 ? 1024 : 0;
    const ports = { sport: lowest + (random() % 1024), dport: 1 + (random() % 1000) };
    const checksum = 'partial' as const;
    const packets = [
      buildUdp({ src, dst, ...ports, checksum }, PAYLOAD),
      buildTcp({ src, dst, ...ports, checksum, flags: 'S', seq: random() }),
    ];
    for (const packet of packets) {
      const out = passed(gateway, INSIDE, packet, PARTIAL);
      const parsed = parseIpv4(out.packet);
      assert.ok(parsed.checksumOk && parsed.l4ChecksumPartial);
      assert.equal(out.vnet, PARTIAL);
      const answer = parseIpv4(passed(gateway, OUTSIDE, answered(out.packet), PARTIAL).packet);
      assert.is(answer.dst, src);
      assert.ok(answer.checksumOk && answer.l4ChecksumPartial);
    }
  }
});

test('UDP without a checksum stays without', async () => {
  const gateway = await TestGateway.open();
  const none = buildUdp({ ...OUT, sport: 40000, dport: 53, checksum: 'none' }, PAYLOAD);
  assert.is(parseUdp(passed(gateway, INSIDE, none).packet).l4.checksum, 0);
});

test('a UDP checksum never becomes 0, whatever the payload', async () => {
  const gateway = await TestGateway.open();
  let minusZeros = 0;
  for (let word = 0; word <= 0xffff; word++) {
    const payload = Buffer.from([word >> 8, word & 255]);
    // Only payloads whose translated checksum is close to 0 are of interest.
    const wanted = buildUdp({ src: OUTER, dst: REMOTE, sport: 40000, dport: 53, ttl: 63 }, payload);
    const check = wanted.readUInt16BE(26);
    if (check > 2 && check < 0xfffd) continue;
    const packet = buildUdp({ ...OUT, sport: 40000, dport: 53 }, payload);
    assert.equal(passed(gateway, INSIDE, packet).packet, wanted);
    if (check === 0xffff) minusZeros++;
  }
  assert.is(minusZeros, 1);
});

test('a port that is taken is drawn anew above the well-known ones', async () => {
  const gateway = await TestGateway.open({ ceiling: 4096 });
  const ports = new Set<number>();
  for (let n = 0; n < 200; n++) {
    const src = `10.${n % 2 === 0 ? 99 : 98}.0.${2 + n}`;
    const out = passed(gateway, INSIDE, buildUdp({ src, dst: REMOTE, sport: 40000, dport: 53 }));
    const { src: seen, l4, checksumOk, l4ChecksumOk } = parseUdp(out.packet);
    assert.ok(checksumOk && l4ChecksumOk && l4.sport >= TRAN_LOWEST_PORT);
    assert.is(seen, OUTER);
    ports.add(l4.sport);
    if (n === 0) assert.is(l4.sport, 40000);
    const answer = passed(gateway, OUTSIDE, buildUdp({ ...BACK, sport: 53, dport: l4.sport }));
    const { dst, l4: reply, ...checks } = parseUdp(answer.packet);
    assert.equal([dst, reply.dport], [src, 40000]);
    assert.ok(checks.checksumOk && checks.l4ChecksumOk);
  }
  assert.is(ports.size, 200, 'two policies that share an address never give one port twice');
  assert.is(gateway.tranUsed(SHARED_POOLS.udp), 200);
});

test('a well-known source port is replaced', async () => {
  const gateway = await TestGateway.open();
  const out = passed(gateway, INSIDE, buildUdp({ ...OUT, sport: 123, dport: 123 }));
  assert.ok(parseUdp(out.packet).l4.sport >= TRAN_LOWEST_PORT);
});

test('another outside address has ports of its own, and answers by its own conns alone', async () => {
  const gateway = await TestGateway.open();
  const src = '10.97.0.5';
  passed(gateway, INSIDE, buildUdp({ ...OUT, sport: 40000, dport: 53 }));
  const other = passed(gateway, INSIDE, buildUdp({ src, dst: REMOTE, sport: 40000, dport: 53 }));
  const parsed = parseUdp(other.packet);
  assert.equal([parsed.src, parsed.l4.sport], ['172.16.0.9', 40000]);
  assert.is(gateway.tranUsed(OTHER_POOLS.udp), 1);
  const answer = { src: REMOTE, dst: '172.16.0.9', sport: 53, dport: 40000 };
  assert.is(parseUdp(passed(gateway, OUTSIDE, buildUdp(answer)).packet).dst, src);
  // From another port of the same server: address and port dependent filtering.
  const stranger = gateway.decideOne({
    iface: OUTSIDE,
    packet: buildUdp({ ...answer, sport: 54 }),
  });
  assert.is(stranger.reason, DROP_NO_CONN);
  // On another interface than the one it left by.
  const elsewhere = gateway.decideOne({ iface: INSIDE, packet: buildUdp(answer) });
  assert.is(elsewhere.reason, DROP_NO_CONN);
});

test('packets of one burst that begin the same conn share it, though there is room for one', async () => {
  const gateway = await TestGateway.open({ ceiling: 1 });
  const arrival = { iface: INSIDE, packet: buildUdp({ ...OUT, sport: 123, dport: 123 }) };
  const departures = gateway.decide(...Array.from({ length: 64 }, () => arrival));
  assert.is(new Set(departures.map(({ packet }) => packet.toString('hex'))).size, 1);
  assert.ok(departures.every(({ reason }) => reason === REASON_NONE));
  assert.equal([gateway.connCount, gateway.tranUsed(SHARED_POOLS.udp)], [1, 1]);
});

test('a first fragment is translated like a whole packet', async () => {
  const gateway = await TestGateway.open();
  // 24 bytes of a datagram of 40: the checksum covers what is not here.
  const whole = buildUdp({ ...OUT, sport: 40000, dport: 53 }, Buffer.alloc(32, 7));
  const wanted = buildUdp(
    { src: OUTER, dst: REMOTE, ttl: 63, sport: 40000, dport: 53 },
    Buffer.alloc(32, 7),
  );
  const out = passed(gateway, INSIDE, firstFragment(whole, 24));
  assert.equal(out.packet, firstFragment(wanted, 24));
});

test('header options are kept, and the ports behind them found', async () => {
  const gateway = await TestGateway.open();
  const fields = { options: Buffer.from([1, 1, 1, 1, 1, 1, 1, 0]), sport: 40000, dport: 53 };
  const out = passed(gateway, INSIDE, buildUdp({ ...OUT, ...fields }, PAYLOAD));
  assert.equal(out.packet, buildUdp({ src: OUTER, dst: REMOTE, ttl: 63, ...fields }, PAYLOAD));
});

test('what a link padded is cut off', async () => {
  const gateway = await TestGateway.open();
  const packet = buildUdp({ ...OUT, sport: 40000, dport: 53 }, PAYLOAD);
  const [out] = gateway.decide({ iface: INSIDE, packet, trailer: Buffer.alloc(18, 0xee) });
  assert.is(out?.packet.length, packet.length);
  assert.is(gateway.received(INSIDE).bytes, packet.length + 18);
});

test('checksums are right after any translation', async () => {
  const gateway = await TestGateway.open({ ceiling: 8192 });
  const { random } = seeded('nat checksums');
  for (let round = 0; round < 2000; round++) {
    const src = `10.${97 + (random() % 3)}.0.${2 + (random() % 250)}`;
    const fields = { src, dst: `192.0.2.${random() % 256}`, ttl: 2 + (random() % 254) };
    const ports = { sport: random() & 0xffff, dport: random() & 0xffff };
    const payload = Buffer.from(Array.from({ length: random() % 40 }, () => random() & 255));
    const packets = [
      buildUdp({ ...fields, ...ports }, payload),
      buildTcp({ ...fields, ...ports, flags: 'S', seq: random() }, payload),
      buildIcmpEcho({ ...fields, type: 8 }, ports.sport, ports.dport, payload),
    ];
    const out = passed(gateway, INSIDE, packets[round % 3] ?? Buffer.alloc(0));
    const parsed = parseIpv4(out.packet);
    assert.ok(parsed.checksumOk && parsed.l4ChecksumOk, `round ${round}`);
    assert.is(parsed.ttl, fields.ttl - 1);
    assert.equal(parsed.payload, payload);
  }
});

/** Decides a packet that must be forwarded. */
function passed(
  gateway: TestGateway,
  iface: number,
  packet: Uint8Array,
  vnet: Uint8Array = Buffer.alloc(10),
): Departure {
  const departure = gateway.decideOne({ iface, packet, vnet });
  assert.is(departure.verdict, VERDICT_FORWARD, `reason ${departure.reason}`);
  return departure;
}

/** Returns what the server answers to a translated datagram or SYN, with a partial checksum. */
function answered(packet: Buffer): Buffer {
  const { src: dst, dst: src, l4 } = parseIpv4(packet);
  if (l4.kind === 'udp')
    return buildUdp({ src, dst, sport: l4.dport, dport: l4.sport, checksum: 'partial' });
  if (l4.kind !== 'tcp') throw new Error(`no answer to ${l4.kind}`);
  const ports = { sport: l4.dport, dport: l4.sport };
  const ack = (l4.seq + 1) >>> 0;
  return buildTcp({ src, dst, ...ports, flags: 'SA', seq: 1, ack, checksum: 'partial' });
}

/** Returns the first fragment of a packet without options, with `bytes` of its payload. */
function firstFragment(packet: Buffer, bytes: number): Buffer {
  const fragment = Buffer.from(packet.subarray(0, 20 + bytes));
  fragment.writeUInt16BE(20 + bytes, 2);
  fragment.writeUInt16BE(0x2000, 6);
  fragment.writeUInt16BE(0, 10);
  fragment.writeUInt16BE(internetChecksum(fragment.subarray(0, 20)), 10);
  return fragment;
}

function seeded(what: string): { readonly random: () => number } {
  return { random: seededRandom(printedSeed(what)) };
}

test.run();
