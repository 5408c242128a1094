import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  COUNT_ICMP_LIMITED,
  COUNT_ICMP_SENT,
  COUNT_LOCAL,
  DROP_NEEDS_FRAGMENTING,
  DROP_NO_ROUTE,
  DROP_TOO_BIG,
  DROP_TTL_EXCEEDED,
  VERDICT_DROP,
  VERDICT_FORWARD,
  VERDICT_LOCAL,
  VNET_F_NEEDS_CSUM,
} from '../../assembly/layout.js';
import {
  buildIcmpEcho,
  buildIcmpError,
  buildIpv4,
  buildTcp,
  buildUdp,
  buildVnet,
} from '../support/packets.js';
import {
  type Arrival,
  IFACES,
  INSIDE,
  NARROW,
  OUTSIDE,
  TestGateway,
  UNNUMBERED,
} from '../support/test-gateway.js';

const HOST = '10.99.0.5';
const OUT = { src: HOST, dst: '192.0.2.9' };
const NOWHERE = { src: HOST, dst: '203.0.113.1' };
/** To the interface with an MTU of 600. */
const NARROWED = { src: HOST, dst: '10.50.0.5', df: true };
const PORTS = { sport: 40000, dport: 53 };
const UNREACHABLE = { type: 3, code: 0 };
const EXCEEDED = { type: 11, code: 0 };
const TOO_BIG = { type: 3, code: 4, rest: 600 };
/** What the gateway's own errors to HOST have in common. */
const ERROR = { src: '10.99.0.1', dst: HOST, tos: 0xc0, df: true };
const NEEDS_CSUM = VNET_F_NEEDS_CSUM;

interface Case {
  readonly name: string;
  readonly reason: number;
  readonly packet: Buffer;
  readonly vnet?: Buffer;
  readonly error: { readonly type: number; readonly code: number; readonly rest?: number };
  /** What is quoted, when it is not the packet as it came. */
  readonly quoted?: Buffer;
}

const LARGE = buildUdp({ ...OUT, ...PORTS, ttl: 1 }, Buffer.alloc(1400, 0x61));
const WIDE = buildUdp({ ...NARROWED, ...PORTS }, Buffer.alloc(573, 0x62));
const OPTIONS = Buffer.from([1, 1, 1, 0]);

/** Packets from HOST that are answered. */
const CASES: readonly Case[] = [
  {
    name: 'a TTL that ran out',
    reason: DROP_TTL_EXCEEDED,
    packet: buildUdp({ ...OUT, ...PORTS, ttl: 1 }),
    error: EXCEEDED,
  },
  {
    name: 'a ping whose TTL ran out',
    reason: DROP_TTL_EXCEEDED,
    packet: buildIcmpEcho({ ...OUT, type: 8, ttl: 1 }, 77, 1),
    error: EXCEEDED,
  },
  {
    name: 'a first fragment whose TTL ran out',
    reason: DROP_TTL_EXCEEDED,
    packet: buildUdp({ ...OUT, ...PORTS, ttl: 1, mf: true }, Buffer.alloc(8)),
    error: EXCEEDED,
  },
  {
    name: 'a destination without a route',
    reason: DROP_NO_ROUTE,
    packet: buildTcp({ ...NOWHERE, ...PORTS, flags: 'S' }),
    error: UNREACHABLE,
  },
  {
    name: 'another protocol without a route, with header options',
    reason: DROP_NO_ROUTE,
    packet: buildIpv4({ ...NOWHERE, proto: 47, options: OPTIONS }, Buffer.alloc(9, 5)),
    error: UNREACHABLE,
  },
  {
    name: 'an ICMP timestamp request without a route',
    reason: DROP_NO_ROUTE,
    packet: buildIcmpEcho({ ...NOWHERE, type: 13 }, 77, 1, Buffer.alloc(12)),
    error: UNREACHABLE,
  },
  {
    name: 'a packet too big to pass whole',
    reason: DROP_TOO_BIG,
    packet: WIDE,
    error: TOO_BIG,
    quoted: WIDE.subarray(0, 548),
  },
  {
    name: 'a long packet, of which 548 bytes are quoted',
    reason: DROP_TTL_EXCEEDED,
    packet: LARGE,
    error: EXCEEDED,
    quoted: LARGE.subarray(0, 548),
  },
  {
    name: 'a datagram with a partial checksum, which is completed',
    reason: DROP_NO_ROUTE,
    packet: buildUdp({ ...NOWHERE, ...PORTS, checksum: 'partial' }, Buffer.from('odd')),
    vnet: buildVnet({ flags: NEEDS_CSUM, csumStart: 20, csumOffset: 6 }),
    error: UNREACHABLE,
    quoted: buildUdp({ ...NOWHERE, ...PORTS }, Buffer.from('odd')),
  },
  {
    name: 'a segment with a partial checksum, which is completed',
    reason: DROP_NO_ROUTE,
    packet: buildTcp({ ...NOWHERE, ...PORTS, flags: 'A', checksum: 'partial' }, Buffer.from('odd')),
    vnet: buildVnet({ flags: NEEDS_CSUM, csumStart: 20, csumOffset: 16 }),
    error: UNREACHABLE,
    quoted: buildTcp({ ...NOWHERE, ...PORTS, flags: 'A' }, Buffer.from('odd')),
  },
  {
    name: 'a first fragment said to have a partial checksum, which is left alone',
    reason: DROP_NO_ROUTE,
    packet: buildUdp({ ...NOWHERE, ...PORTS, mf: true }, Buffer.from('fragment')),
    vnet: buildVnet({ flags: NEEDS_CSUM, csumStart: 20, csumOffset: 6 }),
    error: UNREACHABLE,
  },
  {
    name: 'half a UDP header said to have a partial checksum',
    reason: DROP_NO_ROUTE,
    packet: buildIpv4({ ...NOWHERE, proto: 17 }, Buffer.alloc(7, 1)),
    vnet: buildVnet({ flags: NEEDS_CSUM, csumStart: 20, csumOffset: 6 }),
    error: UNREACHABLE,
  },
  {
    name: 'half a TCP header said to have a partial checksum',
    reason: DROP_NO_ROUTE,
    packet: buildIpv4({ ...NOWHERE, proto: 6 }, Buffer.alloc(19, 1)),
    vnet: buildVnet({ flags: NEEDS_CSUM, csumStart: 20, csumOffset: 16 }),
    error: UNREACHABLE,
  },
  {
    name: 'a segment that offload would have cut, whose checksum is left alone',
    reason: DROP_NO_ROUTE,
    packet: buildTcp({ ...NOWHERE, ...PORTS, flags: 'A', checksum: 'partial' }, Buffer.alloc(500)),
    vnet: buildVnet({ flags: NEEDS_CSUM, gsoType: 1, gsoSize: 100, csumStart: 20, csumOffset: 16 }),
    error: UNREACHABLE,
  },
];

const gateway = await TestGateway.open();
const test = suite('icmp errors');

test.before.each(() => {
  gateway.resetCounters();
  gateway.datapath.clock.advance(1_000_000_000n);
});

for (const { name, reason, packet, vnet, error, quoted = packet } of CASES)
  test(`answers ${name}`, () => {
    const arrival = { iface: INSIDE, packet };
    const answer = gateway.decideOne(vnet === undefined ? arrival : { ...arrival, vnet });
    assert.is(answer.reason, reason);
    assert.is(answer.verdict, VERDICT_LOCAL);
    assert.is(answer.outIface, INSIDE);
    assert.equal(answer.packet, buildIcmpError({ ...ERROR, ...error }, quoted));
    assert.ok(answer.packet.length <= 576);
    assert.equal(answer.vnet, Buffer.alloc(10));
    assert.is(gateway.counter(COUNT_ICMP_SENT), 1);
    assert.is(gateway.counter(COUNT_LOCAL), 0, 'what is answered by an error is a drop');
    assert.is(gateway.counter(reason), 1);
    assert.is(gateway.received(INSIDE).drops, 1);
    assert.is(gateway.connCount, 0, 'a refused packet begins no conn');
  });

test('tells an outside host by the address of the interface that it came in by', async () => {
  const own = await TestGateway.open();
  own.decideOne({ iface: INSIDE, packet: buildUdp({ ...OUT, ...PORTS }) });
  const back = { src: '192.0.2.9', dst: '172.16.0.1', sport: 53, dport: 40000, ttl: 1 };
  const packet = buildUdp(back);
  const answer = own.decideOne({ iface: OUTSIDE, packet });
  const error = { ...ERROR, ...EXCEEDED, src: '172.16.0.1', dst: '192.0.2.9' };
  assert.is(answer.outIface, OUTSIDE);
  assert.equal(answer.packet, buildIcmpError(error, packet), 'it quotes the packet as it came');
});

test('quotes no more than fits the interface, and nothing where a whole header would not', async () => {
  const own = await TestGateway.open();
  const packet = buildUdp({ ...NOWHERE, ...PORTS }, Buffer.alloc(600));
  const withMtu = async (mtu: number) => {
    const ifaces = IFACES.map((iface) => (iface.id === INSIDE ? { ...iface, mtu } : iface));
    await own.publish({ ifaces });
    return own.decideOne({ iface: INSIDE, packet });
  };
  const cut = buildIcmpError({ ...ERROR, ...UNREACHABLE }, packet.subarray(0, 272));
  assert.equal((await withMtu(300)).packet, cut);
  assert.is((await withMtu(96)).packet.length, 96);
  assert.is((await withMtu(95)).verdict, VERDICT_DROP);
});

/** Packets that no error is sent about, each with the interface that it arrives on. */
const SILENT: readonly (Arrival & { readonly name: string; readonly reason: number })[] = [
  {
    name: 'an ICMP error',
    reason: DROP_NO_ROUTE,
    iface: NARROW,
    packet: buildIcmpError({ ...NOWHERE, src: '10.50.0.5', type: 3, code: 3 }, Buffer.alloc(28)),
  },
  {
    name: 'an ICMP message of no known type',
    reason: DROP_NO_ROUTE,
    iface: NARROW,
    packet: buildIcmpError({ ...NOWHERE, src: '10.50.0.5', type: 200 }, Buffer.alloc(28)),
  },
  {
    name: 'ICMP without a type',
    reason: DROP_NO_ROUTE,
    iface: INSIDE,
    packet: buildIpv4({ ...NOWHERE, proto: 1 }),
    // What lies behind the packet looks like an echo reply.
    trailer: Buffer.alloc(8),
  },
  {
    name: 'a later fragment',
    reason: DROP_NO_ROUTE,
    iface: INSIDE,
    packet: buildUdp({ ...NOWHERE, ...PORTS, fragmentOffset: 8 }),
  },
  {
    name: 'a source without a route',
    reason: DROP_NO_ROUTE,
    iface: INSIDE,
    packet: buildUdp({ ...NOWHERE, ...PORTS, src: '203.0.113.7' }),
  },
  {
    name: 'a source that is an outside address',
    reason: DROP_NO_ROUTE,
    iface: OUTSIDE,
    packet: buildUdp({ ...NOWHERE, ...PORTS, src: '172.16.0.9' }),
  },
  {
    name: 'a source behind an interface that is down',
    reason: DROP_NO_ROUTE,
    iface: INSIDE,
    packet: buildUdp({ ...NOWHERE, ...PORTS, src: '10.60.0.9' }),
  },
  {
    name: 'what came in where we have no address',
    reason: DROP_NO_ROUTE,
    iface: UNNUMBERED,
    packet: buildUdp({ ...NOWHERE, ...PORTS }),
  },
  {
    name: 'a packet too big that may be fragmented',
    reason: DROP_NEEDS_FRAGMENTING,
    iface: INSIDE,
    packet: buildUdp({ ...NARROWED, ...PORTS, df: false }, Buffer.alloc(573)),
  },
];

for (const { name, reason, ...arrival } of SILENT)
  test(`is silent about ${name}`, () => {
    const departure = gateway.decideOne(arrival);
    assert.equal([departure.verdict, departure.reason], [VERDICT_DROP, reason]);
    assert.equal(departure.packet, arrival.packet);
    assert.is(gateway.counter(COUNT_ICMP_SENT) + gateway.counter(COUNT_ICMP_LIMITED), 0);
  });

test('sends a burst of 50 and then 100 a second', () => {
  const arrival = { iface: INSIDE, packet: buildUdp({ ...NOWHERE, ...PORTS }) };
  const { clock } = gateway.datapath;
  const sent = (count: number) =>
    gateway
      .decide(...Array.from({ length: count }, () => arrival))
      .filter(({ verdict }) => verdict === VERDICT_LOCAL).length;
  assert.is(sent(64), 50);
  assert.is(gateway.counter(COUNT_ICMP_LIMITED), 14);
  assert.is(gateway.counter(DROP_NO_ROUTE), 64);
  clock.advance(9_999_999n);
  assert.is(sent(1), 0);
  clock.advance(1n);
  assert.is(sent(2), 1);
  clock.advance(100_000_000n);
  assert.is(sent(64), 10);
  clock.advance(3_600_000_000_000n);
  assert.is(sent(64), 50, 'silence saves up no more than a burst');
});

/** GSO packets towards an MTU of 600; sizes are of segments' payloads. */
const GSO: readonly { name: string; gsoType: number; gsoSize: number; fits: boolean }[] = [
  { name: 'TCP segments of 560 bytes', gsoType: 1, gsoSize: 560, fits: true },
  { name: 'TCP segments of 561 bytes', gsoType: 1, gsoSize: 561, fits: false },
  { name: 'TCP segments with ECN of 560 bytes', gsoType: 0x81, gsoSize: 560, fits: true },
  { name: 'TCP without segments', gsoType: 0, gsoSize: 100, fits: false },
  { name: 'TCP with ECN but without segments', gsoType: 0x80, gsoSize: 100, fits: false },
  { name: 'TCP segments of no bytes', gsoType: 1, gsoSize: 0, fits: false },
];

for (const { name, gsoType, gsoSize, fits } of GSO)
  test(`${fits ? 'lets pass' : 'refuses'} ${name}`, () => {
    const packet = buildTcp({ ...NARROWED, ...PORTS, flags: 'A' }, Buffer.alloc(20000));
    const vnet = buildVnet({ flags: NEEDS_CSUM, gsoType, gsoSize, hdrLen: 40 });
    const departure = gateway.decideOne({ iface: INSIDE, packet, vnet });
    assert.is(departure.verdict, fits ? VERDICT_FORWARD : VERDICT_LOCAL);
    assert.is(departure.reason, fits ? 0 : DROP_TOO_BIG);
    if (fits) assert.equal(departure.vnet, vnet);
  });

test('counts the options of TCP and the header of UDP into the size of segments', () => {
  const opts = { timestamps: [1, 2] as const };
  const payload = Buffer.alloc(20000);
  const size = (gsoSize: number, gsoType: number, packet: Buffer) =>
    gateway.decideOne({ iface: INSIDE, packet, vnet: buildVnet({ gsoType, gsoSize }) }).verdict;
  const tcp = buildTcp({ ...NARROWED, ...PORTS, flags: 'A', opts }, payload);
  assert.is(size(548, 1, tcp), VERDICT_FORWARD);
  assert.is(size(549, 1, tcp), VERDICT_LOCAL);
  const udp = buildUdp({ ...NARROWED, ...PORTS }, payload);
  assert.is(size(572, 5, udp), VERDICT_FORWARD);
  assert.is(size(573, 5, udp), VERDICT_LOCAL);
});

test.run();
