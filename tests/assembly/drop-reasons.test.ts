import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DROP_BAD_DESTINATION,
  DROP_BAD_SOURCE,
  DROP_BROADCAST,
  DROP_HEADER_CHECKSUM,
  DROP_HEADER_LENGTH,
  DROP_IFACE_DOWN,
  DROP_INDEX_FULL,
  DROP_L4_HEADER,
  DROP_LOCAL_NO_ROUTE,
  DROP_LOCAL_UNSERVED,
  DROP_MULTICAST,
  DROP_NAT_FRAGMENT,
  DROP_NAT_ICMP_TYPE,
  DROP_NAT_PROTOCOL,
  DROP_NEEDS_FRAGMENTING,
  DROP_NO_CONN,
  DROP_NO_ROUTE,
  DROP_NOT_IPV4,
  DROP_TABLE_FULL,
  DROP_TOO_BIG,
  DROP_TOO_SHORT,
  DROP_TOTAL_LENGTH,
  DROP_TRAN_IDS_EXHAUSTED,
  DROP_TTL_EXCEEDED,
  DROP_TX_FAILED,
  TCP_BAD_FLAGS,
  TCP_NO_CONN,
  VERDICT_DROP,
  VERDICT_FORWARD,
} from '../../assembly/layout.js';
import {
  buildIcmpEcho,
  buildIcmpError,
  buildIpv4,
  buildTcp,
  buildUdp,
  internetChecksum,
} from '../support/packets.js';
import {
  DOWN,
  INSIDE,
  NARROW,
  OUTSIDE,
  SHARED_POOLS,
  TestGateway,
  UNNUMBERED,
} from '../support/test-gateway.js';

/** From a translated host, from one that is only routed, and from outside to the gateway. */
const OUT = { src: '10.99.0.5', dst: '192.0.2.9' };
const PLAIN = { src: '10.50.0.5', dst: '10.96.0.5' };
const IN = { src: '192.0.2.9', dst: '172.16.0.1' };
const IN_NAT_ONLY = { src: '192.0.2.9', dst: '172.16.0.9' };
const PORTS = { sport: 40000, dport: 53 };

interface Case {
  readonly name: string;
  readonly reason: number;
  /** The interface it arrives on, INSIDE unless told. */
  readonly iface?: number;
  readonly packet: Uint8Array;
}

/** Packets that a fresh gateway refuses. */
const CASES: readonly Case[] = [
  { name: 'nothing at all', reason: DROP_TOO_SHORT, packet: Buffer.alloc(0) },
  { name: '19 bytes', reason: DROP_TOO_SHORT, packet: udp(OUT).subarray(0, 19) },
  { name: 'IPv6', reason: DROP_NOT_IPV4, packet: patched(udp(OUT), { 0: 0x65 }) },
  {
    name: 'a header of 16 bytes',
    reason: DROP_HEADER_LENGTH,
    packet: patched(udp(OUT), { 0: 0x44 }),
  },
  {
    name: 'a header beyond the packet',
    reason: DROP_HEADER_LENGTH,
    packet: patched(udp(OUT), { 0: 0x4f }),
  },
  { name: 'a wrong header checksum', reason: DROP_HEADER_CHECKSUM, packet: flipped(udp(OUT), 10) },
  {
    name: 'a total length below the header',
    reason: DROP_TOTAL_LENGTH,
    packet: patched(udp(OUT), { 3: 19 }),
  },
  { name: 'a truncated packet', reason: DROP_TOTAL_LENGTH, packet: udp(OUT).subarray(0, 27) },
  { name: 'a source in 0/8', reason: DROP_BAD_SOURCE, packet: udp({ ...OUT, src: '0.0.0.0' }) },
  { name: 'a source in 127/8', reason: DROP_BAD_SOURCE, packet: udp({ ...OUT, src: '127.0.0.1' }) },
  {
    name: 'a multicast source',
    reason: DROP_BAD_SOURCE,
    packet: udp({ ...OUT, src: '224.0.0.1' }),
  },
  { name: 'a source in 240/4', reason: DROP_BAD_SOURCE, packet: udp({ ...OUT, src: '240.0.0.1' }) },
  {
    name: 'a broadcast source',
    reason: DROP_BAD_SOURCE,
    packet: udp({ ...OUT, src: '255.255.255.255' }),
  },
  {
    name: 'a subnet broadcast source',
    reason: DROP_BAD_SOURCE,
    packet: udp({ ...OUT, src: '10.99.0.255' }),
  },
  {
    name: 'one of our own addresses as source',
    reason: DROP_BAD_SOURCE,
    packet: udp({ ...OUT, src: '10.99.0.1' }),
  },
  {
    name: 'a destination in 0/8',
    reason: DROP_BAD_DESTINATION,
    packet: udp({ ...OUT, dst: '0.1.2.3' }),
  },
  {
    name: 'a destination in 127/8',
    reason: DROP_BAD_DESTINATION,
    packet: udp({ ...OUT, dst: '127.0.0.1' }),
  },
  {
    name: 'a destination in 240/4',
    reason: DROP_BAD_DESTINATION,
    packet: udp({ ...OUT, dst: '250.1.2.3' }),
  },
  {
    name: 'a multicast destination',
    reason: DROP_MULTICAST,
    packet: udp({ ...OUT, dst: '239.255.255.250' }),
  },
  {
    name: 'the limited broadcast',
    reason: DROP_BROADCAST,
    packet: udp({ ...OUT, dst: '255.255.255.255' }),
  },
  {
    name: 'a subnet broadcast',
    reason: DROP_BROADCAST,
    packet: udp({ ...OUT, dst: '172.16.0.255' }),
  },
  {
    name: 'a TTL of 1',
    reason: DROP_TTL_EXCEEDED,
    iface: UNNUMBERED,
    packet: udp({ ...OUT, ttl: 1 }),
  },
  {
    name: 'a TTL of 0',
    reason: DROP_TTL_EXCEEDED,
    iface: UNNUMBERED,
    packet: udp({ ...OUT, ttl: 0 }),
  },
  {
    name: 'no route',
    reason: DROP_NO_ROUTE,
    iface: UNNUMBERED,
    packet: udp({ ...OUT, dst: '203.0.113.1' }),
  },
  {
    name: 'too big with DF',
    reason: DROP_TOO_BIG,
    iface: UNNUMBERED,
    packet: udp({ ...OUT, dst: '10.50.0.5', df: true }, 573),
  },
  {
    name: 'too big without DF',
    reason: DROP_NEEDS_FRAGMENTING,
    packet: udp({ ...OUT, dst: '10.50.0.5' }, 573),
  },
  {
    name: 'a leaving interface that is down',
    reason: DROP_IFACE_DOWN,
    packet: udp({ ...OUT, dst: '10.60.0.5' }),
  },
  {
    name: 'UDP to the gateway',
    reason: DROP_LOCAL_UNSERVED,
    packet: udp({ ...OUT, dst: '10.99.0.1' }),
  },
  {
    name: 'GRE to the gateway',
    reason: DROP_LOCAL_UNSERVED,
    packet: gre({ ...OUT, dst: '10.99.0.1' }),
  },
  {
    name: 'half an ICMP header to the gateway',
    reason: DROP_LOCAL_UNSERVED,
    packet: buildIpv4({ ...OUT, dst: '10.99.0.1', proto: 1 }, Buffer.from('08000000', 'hex')),
  },
  {
    name: 'a fragment of an echo request to the gateway',
    reason: DROP_LOCAL_UNSERVED,
    packet: echo({ ...OUT, dst: '10.99.0.1', mf: true }, 8),
  },
  {
    name: 'GRE to an outside address of ours',
    reason: DROP_LOCAL_UNSERVED,
    iface: OUTSIDE,
    packet: gre(IN),
  },
  {
    name: 'a fragment to an outside address of ours',
    reason: DROP_LOCAL_UNSERVED,
    iface: OUTSIDE,
    packet: udp({ ...IN, fragmentOffset: 8 }),
  },
  {
    name: 'UDP without a conn to an outside address of ours',
    reason: DROP_LOCAL_UNSERVED,
    iface: OUTSIDE,
    packet: udp(IN),
  },
  { name: 'UDP without a conn', reason: DROP_NO_CONN, iface: OUTSIDE, packet: udp(IN_NAT_ONLY) },
  {
    name: 'a SYN without a conn',
    reason: DROP_NO_CONN,
    iface: OUTSIDE,
    packet: tcp(IN_NAT_ONLY, 'S'),
  },
  {
    name: 'an echo reply without a conn',
    reason: DROP_NO_CONN,
    iface: OUTSIDE,
    packet: echo(IN_NAT_ONLY, 0),
  },
  {
    name: 'a later fragment from outside',
    reason: DROP_NAT_FRAGMENT,
    iface: OUTSIDE,
    packet: udp({ ...IN_NAT_ONLY, fragmentOffset: 8 }),
  },
  {
    name: 'a later fragment of a translated host',
    reason: DROP_NAT_FRAGMENT,
    packet: udp({ ...OUT, fragmentOffset: 8 }),
  },
  {
    name: 'an echo request from outside',
    reason: DROP_NAT_ICMP_TYPE,
    iface: OUTSIDE,
    packet: echo(IN_NAT_ONLY, 8),
  },
  { name: 'an echo reply of a translated host', reason: DROP_NAT_ICMP_TYPE, packet: echo(OUT, 0) },
  {
    name: 'an ICMP redirect of a translated host',
    reason: DROP_NAT_ICMP_TYPE,
    packet: buildIcmpError({ ...OUT, type: 5, code: 1 }, Buffer.alloc(28)),
  },
  { name: 'GRE from outside', reason: DROP_NAT_PROTOCOL, iface: OUTSIDE, packet: gre(IN_NAT_ONLY) },
  { name: 'GRE of a translated host', reason: DROP_NAT_PROTOCOL, packet: gre(OUT) },
  {
    name: '19 bytes of TCP',
    reason: DROP_L4_HEADER,
    packet: buildIpv4({ ...OUT, proto: 6 }, Buffer.alloc(19)),
  },
  {
    name: '7 bytes of UDP',
    reason: DROP_L4_HEADER,
    packet: buildIpv4({ ...OUT, proto: 17 }, Buffer.alloc(7)),
  },
  {
    name: '7 bytes of ICMP',
    reason: DROP_L4_HEADER,
    packet: buildIpv4({ ...OUT, proto: 1 }, Buffer.alloc(7, 8)),
  },
  { name: 'a UDP length of 7', reason: DROP_L4_HEADER, packet: patched(udp(OUT), { 25: 7 }) },
  {
    name: 'a UDP length beyond the packet',
    reason: DROP_L4_HEADER,
    packet: patched(udp(OUT), { 25: 9 }),
  },
  {
    name: 'a ping by an asker without a route',
    reason: DROP_LOCAL_NO_ROUTE,
    iface: OUTSIDE,
    packet: echo({ src: '203.0.113.1', dst: '172.16.0.1' }, 8),
  },
  {
    name: 'a ping by an asker behind an interface that is down',
    reason: DROP_IFACE_DOWN,
    iface: DOWN,
    packet: echo({ src: '10.60.0.5', dst: '10.60.0.1' }, 8),
  },
  {
    name: 'a ping whose answer does not fit',
    reason: DROP_NEEDS_FRAGMENTING,
    iface: NARROW,
    packet: echo({ src: '10.50.0.5', dst: '10.50.0.1' }, 8, 573),
  },
  { name: 'TCP in mid-stream', reason: TCP_NO_CONN, packet: tcp(OUT, 'A') },
  { name: 'TCP with SYN and FIN', reason: TCP_BAD_FLAGS, packet: tcp(OUT, 'SF') },
];

// They change nothing, so that one gateway serves them all.
const refusing = await TestGateway.open();
const test = suite('drop reasons');

for (const { name, reason, iface = INSIDE, packet } of CASES)
  test(`refuses ${name}`, () => {
    refusing.resetCounters();
    const departure = refusing.decideOne({ iface, packet });
    assert.is(departure.verdict, VERDICT_DROP);
    assert.is(departure.reason, reason);
    assert.is(refusing.counter(reason), 1);
    assert.is(refusing.reasonCount, 1);
    assert.equal(refusing.received(iface), { packets: 1, bytes: packet.length, drops: 1 });
    assert.is(refusing.connCount, 0);
    assert.is(refusing.tranUsed(SHARED_POOLS.tcp) + refusing.tranUsed(SHARED_POOLS.udp), 0);
  });

test('every reason of the packet path has a case here', () => {
  const shown = new Set(CASES.map(({ reason }) => reason));
  // conn-create.test.ts has those of a gateway that is full, icmp-inner.test.ts those of ICMP errors;
  // DROP_TX_FAILED is the loop's.
  for (const reason of [DROP_TABLE_FULL, DROP_TRAN_IDS_EXHAUSTED, DROP_INDEX_FULL])
    shown.add(reason);
  for (let reason = 1; reason < DROP_TX_FAILED; reason++)
    assert.ok(shown.has(reason), `reason ${reason}`);
});

test('what is only routed leaves as it came, whatever it is', async () => {
  const gateway = await TestGateway.open();
  for (const packet of [
    gre(PLAIN),
    udp({ ...PLAIN, fragmentOffset: 8 }),
    echo(PLAIN, 0),
    buildIpv4({ ...PLAIN, proto: 6 }, Buffer.alloc(3)),
  ]) {
    const departure = gateway.decideOne({ iface: NARROW, packet });
    assert.is(departure.verdict, VERDICT_FORWARD);
    assert.is(departure.outIface, INSIDE);
    assert.equal(departure.packet, patched(packet, { 8: 63 }));
  }
  assert.is(gateway.connCount, 0);
});

interface Ends {
  readonly src: string;
  readonly dst: string;
  readonly ttl?: number;
  readonly df?: boolean;
  readonly mf?: boolean;
  readonly fragmentOffset?: number;
}

function udp(fields: Ends, payloadLength = 0): Buffer {
  return buildUdp({ ...fields, ...PORTS }, Buffer.alloc(payloadLength));
}

function tcp(fields: Ends, flags: string): Buffer {
  return buildTcp({ ...fields, ...PORTS, flags, seq: 1 });
}

function echo(fields: Ends, type: number, payloadLength = 0): Buffer {
  return buildIcmpEcho({ ...fields, type }, 77, 1, Buffer.alloc(payloadLength));
}

function gre(fields: Ends): Buffer {
  return buildIpv4({ ...fields, proto: 47 }, Buffer.alloc(24));
}

/** Returns the packet with other bytes and a header checksum that fits them. */
function patched(packet: Uint8Array, bytes: Readonly<Record<number, number>>): Buffer {
  const copy = Buffer.from(packet);
  for (const [at, byte] of Object.entries(bytes)) copy[Number(at)] = byte;
  copy.writeUInt16BE(0, 10);
  copy.writeUInt16BE(internetChecksum(copy.subarray(0, 20)), 10);
  return copy;
}

function flipped(packet: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(packet);
  copy[at] = ~(copy[at] ?? 0) & 255;
  return copy;
}

test.run();
