import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DROP_ICMP_CHECKSUM,
  DROP_ICMP_NO_CONN,
  DROP_ICMP_QUOTE,
  DROP_NAT_ICMP_TYPE,
  DROP_TTL_EXCEEDED,
  REASON_NONE,
  VERDICT_DROP,
  VERDICT_FORWARD,
} from '../../assembly/layout.js';
import {
  buildIcmpEcho,
  buildIcmpError,
  buildIpv4,
  buildTcp,
  buildUdp,
  type IcmpErrorFields,
  type Ipv4Fields,
  internetChecksum,
} from '../support/packets.js';
import { INSIDE, OUTSIDE, TestGateway } from '../support/test-gateway.js';

const HOST = '10.99.0.5';
const OUTER = '172.16.0.1';
const REMOTE = '192.0.2.9';
/** Routers on the way: beyond the gateway on either side. */
const OUTER_ROUTER = '192.0.2.200';
const INNER_ROUTER = '10.99.0.250';
/** A router inside whose own address no policy covers. */
const PLAIN_ROUTER = '10.96.0.250';
const PAYLOAD = Buffer.from('some payload, and more of it');
const EXCEEDED = { type: 11, code: 0 };

type Build = (ends: Ipv4Fields, isReply: boolean) => Buffer;

/** Conversations that HOST begins; the outside ids are the inside ones, as nobody else has them. */
const PROTOCOLS: Readonly<Record<string, Build>> = {
  UDP: plainUdp,
  'UDP without a checksum': (ends, isReply) =>
    buildUdp({ ...ends, ...ports(isReply), checksum: 'none' }, PAYLOAD),
  TCP: tcp,
  echo,
  timestamp: (ends, isReply) =>
    buildIcmpEcho({ ...ends, type: isReply ? 14 : 13 }, 77, 5, Buffer.alloc(12, 7)),
};

/** What RFC 792 and RFC 1191 have; `rest` is the second word. */
const ERRORS: readonly Omit<IcmpErrorFields, keyof Ipv4Fields>[] = [
  ...Array.from({ length: 16 }, (_, code) => ({ type: 3, code })),
  { type: 3, code: 4, rest: 1280 },
  { type: 4 },
  { type: 11, code: 0 },
  { type: 11, code: 1 },
  { type: 12, code: 0, rest: 0x14000000 },
];

const test = suite('icmp inner');

for (const [name, build] of Object.entries(PROTOCOLS)) {
  test(`errors about a ${name} request come back as if there were no gateway`, async () => {
    const { gateway, request } = await talk(build);
    const quoted = aged(request);
    const before = gateway.conn(1);
    gateway.datapath.clock.advance(1_000_000n);
    for (const error of ERRORS)
      for (const src of [OUTER_ROUTER, REMOTE]) {
        const packet = buildIcmpError({ ...error, src, dst: OUTER, tos: 0xc0 }, quoted);
        const departure = gateway.decideOne({ iface: OUTSIDE, packet });
        const inner = build({ src: HOST, dst: REMOTE, ttl: 62 }, false);
        const wanted = buildIcmpError({ ...error, src, dst: HOST, ttl: 63, tos: 0xc0 }, inner);
        assert.is(departure.verdict, VERDICT_FORWARD);
        assert.is(departure.outIface, INSIDE);
        assert.equal(departure.packet, wanted);
      }
    assert.equal(gateway.conn(1), before, 'no error changes a conn');
    assert.is(gateway.reasonCount, 0);
  });

  test(`errors about a ${name} reply leave as if the gateway had made them`, async () => {
    const { gateway, reply } = await talk(build);
    const quoted = aged(reply);
    const before = gateway.conn(1);
    gateway.datapath.clock.advance(1_000_000n);
    for (const error of ERRORS)
      for (const src of [HOST, INNER_ROUTER, PLAIN_ROUTER]) {
        const packet = buildIcmpError({ ...error, src, dst: REMOTE }, quoted);
        const departure = gateway.decideOne({ iface: INSIDE, packet });
        const inner = build({ src: REMOTE, dst: OUTER, ttl: 62 }, true);
        const wanted = buildIcmpError({ ...error, src: OUTER, dst: REMOTE, ttl: 63 }, inner);
        assert.is(departure.verdict, VERDICT_FORWARD);
        assert.is(departure.outIface, OUTSIDE);
        assert.equal(departure.packet, wanted);
      }
    assert.equal(gateway.conn(1), before, 'no error changes a conn');
  });

  test(`a quotation of a ${name} request may end anywhere behind 8 bytes of it`, async () => {
    const { gateway, request } = await talk(build);
    const inner = build({ src: HOST, dst: REMOTE, ttl: 62 }, false);
    for (let length = 0; length <= request.length; length++) {
      const quoted = aged(request).subarray(0, length);
      const packet = buildIcmpError({ ...EXCEEDED, src: OUTER_ROUTER, dst: OUTER }, quoted);
      const departure = gateway.decideOne({ iface: OUTSIDE, packet });
      if (length < 28) {
        assert.equal([departure.verdict, departure.reason], [VERDICT_DROP, DROP_ICMP_QUOTE]);
        assert.equal(departure.packet, packet);
        continue;
      }
      const wanted = Buffer.from(inner.subarray(0, length));
      // Of half a checksum nothing can be made.
      if (name === 'TCP' && length === 37) quoted.copy(wanted, 36, 36);
      assert.is(departure.reason, REASON_NONE, `${length} bytes`);
      assert.equal(departure.packet, errorBack(wanted), `${length} bytes`);
    }
  });
}

test('the options of a quoted header are skipped', async () => {
  const options = Buffer.from([7, 7, 4, 0, 0, 0, 0, 0]);
  const { gateway, request } = await talk((ends, isReply) =>
    buildUdp({ ...ends, ...ports(isReply), options }, PAYLOAD),
  );
  const packet = buildIcmpError({ ...EXCEEDED, src: OUTER_ROUTER, dst: OUTER }, aged(request));
  const inner = { src: HOST, dst: REMOTE, ttl: 62, options, ...ports(false) };
  assert.equal(
    gateway.decideOne({ iface: OUTSIDE, packet }).packet,
    errorBack(buildUdp(inner, PAYLOAD)),
  );
});

test('a wrong transport checksum is quoted as wrong as it was', async () => {
  const wrong: Build = (ends, isReply) =>
    buildUdp({ ...ends, ...ports(isReply), checksum: 0x1234 }, PAYLOAD);
  const { gateway, request } = await talk(wrong);
  const packet = buildIcmpError({ ...EXCEEDED, src: OUTER_ROUTER, dst: OUTER }, aged(request));
  const departure = gateway.decideOne({ iface: OUTSIDE, packet });
  const inner = wrong({ src: HOST, dst: REMOTE, ttl: 62 }, false);
  assert.equal(departure.packet, errorBack(inner));
});

test('extensions, and the padding before them, are left alone', async () => {
  const { gateway, request } = await talk(tcp);
  // A version 2 extension with one MPLS label, its addresses like those that are translated.
  const extension = Buffer.concat([Buffer.from('2000dead00080101', 'hex'), Buffer.alloc(4, 172)]);
  const pad = (quoted: Buffer) =>
    Buffer.concat([quoted, Buffer.alloc(128 - quoted.length), extension]);
  const rest = 32 << 16;
  const error = { ...EXCEEDED, rest };
  const quoted = pad(aged(request));
  const packet = buildIcmpError({ ...error, src: OUTER_ROUTER, dst: OUTER }, quoted);
  const wanted = { ...error, src: OUTER_ROUTER, dst: HOST, ttl: 63 };
  const inner = tcp({ src: HOST, dst: REMOTE, ttl: 62 }, false);
  const departure = gateway.decideOne({ iface: OUTSIDE, packet });
  assert.equal(departure.packet, buildIcmpError(wanted, pad(inner)));
});

test('an error about a first fragment finds its conn', async () => {
  const { gateway } = await talk(plainUdp);
  const fragment = { ttl: 62, mf: true, id: 9, ...ports(false) };
  const quoted = buildUdp({ src: OUTER, dst: REMOTE, ...fragment }, PAYLOAD);
  const packet = buildIcmpError({ ...EXCEEDED, src: OUTER_ROUTER, dst: OUTER }, quoted);
  const inner = buildUdp({ src: HOST, dst: REMOTE, ...fragment }, PAYLOAD);
  assert.equal(gateway.decideOne({ iface: OUTSIDE, packet }).packet, errorBack(inner));
});

interface Refusal {
  readonly name: string;
  readonly reason: number;
  readonly iface?: number;
  /** What is quoted, made from a request of HOST as it left; as it is unless told. */
  readonly quote?: (request: Buffer) => Buffer;
  readonly error?: Partial<IcmpErrorFields>;
}

const REFUSALS: readonly Refusal[] = [
  {
    name: 'a wrong checksum of the message',
    reason: DROP_ICMP_CHECKSUM,
    error: { checksum: 0x1234 },
  },
  {
    name: 'a wrong checksum of the quoted header',
    reason: DROP_ICMP_QUOTE,
    quote: (request) => written(request, 10, 0x1234),
  },
  {
    name: 'a quoted header of another version',
    reason: DROP_ICMP_QUOTE,
    quote: (request) => resummed(written(request, 0, 0x6500)),
  },
  {
    name: 'a quoted header that is too short',
    reason: DROP_ICMP_QUOTE,
    quote: (request) => resummed(written(request, 0, 0x4400)),
  },
  {
    name: 'a quoted packet that ends with its header',
    reason: DROP_ICMP_QUOTE,
    quote: (request) => resummed(written(request, 2, 20)),
  },
  {
    name: 'a quotation that whoever is told never sent',
    reason: DROP_ICMP_QUOTE,
    quote: () => buildUdp({ src: '172.16.0.9', dst: REMOTE, ...ports(false) }),
  },
  {
    name: 'an error in its quotation',
    reason: DROP_ICMP_QUOTE,
    quote: () => buildIcmpError({ type: 3, src: OUTER, dst: REMOTE }, Buffer.alloc(28)),
  },
  {
    name: 'a conversation that nobody has',
    reason: DROP_ICMP_NO_CONN,
    quote: () => buildUdp({ src: OUTER, dst: REMOTE, sport: 40001, dport: 53 }),
  },
  {
    name: 'another protocol',
    reason: DROP_ICMP_NO_CONN,
    quote: () => buildIpv4({ src: OUTER, dst: REMOTE, proto: 99 }, Buffer.alloc(3)),
  },
  {
    name: 'a later fragment',
    reason: DROP_ICMP_NO_CONN,
    quote: () => buildUdp({ src: OUTER, dst: REMOTE, ...ports(false), fragmentOffset: 8 }),
  },
  {
    name: 'a conversation that nobody has, told by a translated host',
    reason: DROP_ICMP_NO_CONN,
    iface: INSIDE,
    quote: () => buildUdp({ src: REMOTE, dst: HOST, sport: 54, dport: 40000 }),
    error: { src: HOST, dst: REMOTE },
  },
  {
    name: 'a time to live that ends here',
    reason: DROP_TTL_EXCEEDED,
    error: { ttl: 1 },
  },
  {
    name: 'the type of a redirect',
    reason: DROP_NAT_ICMP_TYPE,
    iface: INSIDE,
    error: { src: HOST, dst: REMOTE, type: 5, code: 1 },
  },
];

for (const { name, reason, iface = OUTSIDE, quote, error } of REFUSALS)
  test(`refuses an error with ${name}`, async () => {
    const { gateway, request } = await talk(plainUdp);
    const quoted = quote === undefined ? aged(request) : quote(aged(request));
    const fields = { ...EXCEEDED, src: OUTER_ROUTER, dst: OUTER, ...error };
    const packet = buildIcmpError(fields, quoted);
    const before = gateway.conn(1);
    const departure = gateway.decideOne({ iface, packet });
    assert.equal([departure.verdict, departure.reason], [VERDICT_DROP, reason]);
    assert.equal(departure.packet, packet, 'a refused packet is left as it came');
    assert.is(gateway.counter(reason), 1);
    assert.equal(gateway.conn(1), before);
  });

test('what no policy covers and no conn knows is only routed', async () => {
  const gateway = await TestGateway.open();
  const quoted = buildUdp({ src: REMOTE, dst: PLAIN_ROUTER, ...ports(true) });
  const error = { ...EXCEEDED, src: PLAIN_ROUTER, dst: REMOTE };
  const departure = gateway.decideOne({ iface: INSIDE, packet: buildIcmpError(error, quoted) });
  assert.is(departure.verdict, VERDICT_FORWARD);
  assert.equal(departure.packet, buildIcmpError({ ...error, ttl: 63 }, quoted));
});

test('the answer to an echo request has the type of one', async () => {
  const { gateway } = await talk(echo);
  const packet = buildIcmpEcho({ src: REMOTE, dst: OUTER, type: 13 }, 77, 5, Buffer.alloc(12));
  assert.is(gateway.decideOne({ iface: OUTSIDE, packet }).verdict, VERDICT_DROP);
});

/** Returns a gateway over which HOST and REMOTE talked, and what it sent on of that. */
async function talk(
  build: Build,
): Promise<{ gateway: TestGateway; request: Buffer; reply: Buffer }> {
  const gateway = await TestGateway.open();
  const request = build({ src: HOST, dst: REMOTE }, false);
  const reply = build({ src: REMOTE, dst: OUTER }, true);
  const passed = [
    gateway.decideOne({ iface: INSIDE, packet: request }),
    gateway.decideOne({ iface: OUTSIDE, packet: reply }),
  ];
  for (const { verdict } of passed) assert.is(verdict, VERDICT_FORWARD);
  const [out, back] = passed.map(({ packet }) => packet);
  if (out === undefined || back === undefined) throw new Error('both were sent');
  return { gateway, request: out, reply: back };
}

/** Returns what a router one hop further sees of a packet. */
function aged(packet: Buffer): Buffer {
  const copy = Buffer.from(packet);
  copy[8] = (copy[8] ?? 0) - 1;
  return resummed(copy);
}

function resummed(packet: Buffer): Buffer {
  const headerLength = ((packet[0] ?? 0) & 15) * 4;
  packet.writeUInt16BE(0, 10);
  packet.writeUInt16BE(internetChecksum(packet.subarray(0, headerLength)), 10);
  return packet;
}

function written(packet: Buffer, at: number, word: number): Buffer {
  packet.writeUInt16BE(word, at);
  return packet;
}

/** Returns the error that HOST gets about `inner` from a router outside. */
function errorBack(inner: Uint8Array): Buffer {
  return buildIcmpError({ ...EXCEEDED, src: OUTER_ROUTER, dst: HOST, ttl: 63 }, inner);
}

function plainUdp(ends: Ipv4Fields, isReply: boolean): Buffer {
  return buildUdp({ ...ends, ...ports(isReply) }, PAYLOAD);
}

function tcp(ends: Ipv4Fields, isReply: boolean): Buffer {
  const segment = { flags: isReply ? 'SA' : 'S', ack: isReply ? 1 : 0 };
  return buildTcp({ ...ends, ...ports(isReply), ...segment });
}

function echo(ends: Ipv4Fields, isReply: boolean): Buffer {
  return buildIcmpEcho({ ...ends, type: isReply ? 0 : 8 }, 77, 5, PAYLOAD);
}

function ports(isReply: boolean): { readonly sport: number; readonly dport: number } {
  return isReply ? { sport: 53, dport: 40000 } : { sport: 40000, dport: 53 };
}

test.run();
