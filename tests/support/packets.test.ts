import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  buildIcmpEcho,
  buildIcmpError,
  buildIpv4,
  buildTcp,
  buildUdp,
  buildVnet,
  internetChecksum,
  tcpOptionBytes,
} from './packets.js';
import { parseIcmp, parseIpv4, parseTcp, parseUdp } from './parse-packets.js';

const test = suite('packets');

// Captured between two Linux 6.x hosts with checksum offload switched off.
const CLIENT = { src: '10.99.0.1', dst: '10.99.0.2' };
const SERVER = { src: '10.99.0.2', dst: '10.99.0.1' };
const ECHO = '450000241d1740004001' + '08fa0a6300010a6300020800cfbe1c3000010001020304050607';
const UNREACHABLE =
  '45c0003922e7000040014255' +
  '0a6300020a630001030311e000000000' +
  '4500001daece4000401177390a6300010a630002e5ba000900098d4f78';
const UDP = '45000021aecb4000401177380a6300010a630002917214e9000df9c767726f7574';
const SYN =
  '4500003c736940004006b28a0a6300010a630002db801f90ec418ba500000000' +
  'a002faf0bdda0000020405b40402080acb413c2f000000000103030a';
const DATA =
  '45000039736b40004006b28b0a6300010a630002db801f90ec418ba63d88b619' +
  '8018003f63fd00000101080acb413c30a6969e1f67726f7574';

test('sums the worked example of RFC 1071 section 3', () => {
  assert.is(internetChecksum(Buffer.from('0001f203f4f5f6f7', 'hex')), 0x220d);
  assert.is(internetChecksum(Buffer.from('0001f2', 'hex')), 0x0dfe);
});

test('builds an echo request as captured', () => {
  const fields = { ...CLIENT, id: 0x1d17, df: true, type: 8 };
  const built = buildIcmpEcho(fields, 7216, 1, Buffer.from('0001020304050607', 'hex'));
  assert.is(built.toString('hex'), ECHO);
});

test('builds a port unreachable as captured', () => {
  const quoted = Buffer.from(UNREACHABLE, 'hex').subarray(28);
  const built = buildIcmpError({ ...SERVER, id: 0x22e7, tos: 0xc0, type: 3, code: 3 }, quoted);
  assert.is(built.toString('hex'), UNREACHABLE);
});

test('builds a UDP datagram of odd length as captured', () => {
  const built = buildUdp(
    { ...CLIENT, id: 0xaecb, df: true, sport: 37234, dport: 5353 },
    Buffer.from('grout'),
  );
  assert.is(built.toString('hex'), UDP);
});

test('builds TCP segments as captured', () => {
  const syn = buildTcp({
    ...CLIENT,
    id: 0x7369,
    df: true,
    sport: 56192,
    dport: 8080,
    seq: 3963718565,
    flags: 'S',
    win: 64240,
    rawOptions: Buffer.from('020405b40402080acb413c2f000000000103030a', 'hex'),
  });
  assert.is(syn.toString('hex'), SYN);
  const data = buildTcp(
    {
      ...CLIENT,
      id: 0x736b,
      df: true,
      sport: 56192,
      dport: 8080,
      seq: 3963718566,
      ack: 1032369689,
      flags: 'PA',
      win: 63,
      opts: { timestamps: [3410050096, 2794888735] },
    },
    Buffer.from('grout'),
  );
  assert.is(data.toString('hex'), DATA);
});

test('encodes TCP options as their RFCs draw them', () => {
  const opts = { mss: 1460, wscale: 10, sackok: true, sack: [[1, 0xfffffffe]] } as const;
  assert.is(
    tcpOptionBytes(opts).toString('hex'),
    '020405b4' + '0103030a' + '01010402' + '0101050a' + '00000001fffffffe',
  );
});

test('parses what was captured and finds every checksum right', () => {
  const udp = parseUdp(Buffer.from(UDP, 'hex'));
  assert.is(
    `${udp.src} ${udp.l4.sport} ${udp.dst} ${udp.l4.dport}`,
    '10.99.0.1 37234 10.99.0.2 5353',
  );
  assert.is(udp.payload.toString(), 'grout');
  const tcp = parseTcp(Buffer.from(DATA, 'hex'));
  assert.equal(
    [tcp.l4.seq, tcp.l4.ack, tcp.l4.flags, tcp.l4.win, tcp.l4.options.length],
    [3963718566, 1032369689, 'AP', 63, 12],
  );
  const icmp = parseIcmp(Buffer.from(ECHO, 'hex'));
  assert.equal([icmp.l4.type, icmp.l4.code, icmp.l4.id, icmp.l4.seq], [8, 0, 7216, 1]);
  const quoted = parseIpv4(parseIcmp(Buffer.from(UNREACHABLE, 'hex')).payload);
  assert.is(quoted.l4.kind, 'udp');
  for (const hex of [UDP, DATA, SYN, ECHO, UNREACHABLE]) {
    const parsed = parseIpv4(Buffer.from(hex, 'hex'));
    assert.ok(parsed.checksumOk && parsed.l4ChecksumOk, hex);
  }
});

test('notices every flipped bit of a captured packet that a checksum covers', () => {
  for (const hex of [UDP, DATA, ECHO]) {
    const good = Buffer.from(hex, 'hex');
    // The version, lengths and protocol decide how a packet is taken apart, not whether it is whole.
    const covered = [8, ...Array.from({ length: good.length - 10 }, (_, i) => i + 10)];
    for (const at of covered) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      const parsed = parseIpv4(bad);
      assert.not.ok(parsed.checksumOk && parsed.l4ChecksumOk, `${hex} byte ${at}`);
    }
  }
});

test('writes no, partial and wrong checksums when told to', () => {
  const fields = { ...CLIENT, sport: 1, dport: 2 };
  const none = parseUdp(buildUdp({ ...fields, checksum: 'none' }, Buffer.from('x')));
  assert.equal([none.l4.checksum, none.l4ChecksumOk], [0, true]);
  // 0a63 + 0001 + 0a63 + 0002 + 0011 + 0009 of the pseudo-header.
  const partial = parseUdp(buildUdp({ ...fields, checksum: 'partial' }, Buffer.from('x')));
  assert.equal([partial.l4.checksum, partial.l4ChecksumPartial], [0x14e3, true]);
  assert.not.ok(partial.l4ChecksumOk);
  const wrong = parseTcp(buildTcp({ ...fields, checksum: 0x1234 }));
  assert.equal([wrong.l4.checksum, wrong.l4ChecksumOk], [0x1234, false]);
});

test('sends a computed UDP checksum of 0 as 0xffff', () => {
  const fields = { ...CLIENT, sport: 0, dport: 0 };
  // 0a63 + 0001 + 0a63 + 0002 + 0011 + 000a + 000a sum to 14ee; eb11 makes it ffff.
  const parsed = parseUdp(buildUdp(fields, Buffer.from('eb11', 'hex')));
  assert.equal([parsed.l4.checksum, parsed.l4ChecksumOk], [0xffff, true]);
});

test('puts every IPv4 field where RFC 791 has it', () => {
  const built = buildIpv4(
    {
      ...CLIENT,
      proto: 17,
      ttl: 3,
      id: 0xbeef,
      tos: 0x2e,
      mf: true,
      fragmentOffset: 1480,
      options: Buffer.from('9404', 'hex'),
    },
    Buffer.from('abcd', 'hex'),
  );
  // 462e + 001a + beef + 20b9 + 0311 + 0a63 + 0001 + 0a63 + 0002 + 9404 fold to d1cf.
  assert.is(built.toString('hex'), '462e001abeef20b903112e300a6300010a63000294040000abcd');
  const parsed = parseIpv4(built);
  assert.equal(
    [parsed.ttl, parsed.id, parsed.tos, parsed.df, parsed.mf, parsed.fragmentOffset],
    [3, 0xbeef, 0x2e, false, true, 1480],
  );
  assert.equal([parsed.headerLength, parsed.checksumOk, parsed.l4.kind], [24, true, 'other']);
});

test('puts every virtio-net field where linux/virtio_net.h has it', () => {
  const built = buildVnet({
    flags: 1,
    gsoType: 1,
    hdrLen: 0x0102,
    gsoSize: 0x0304,
    csumStart: 0x0506,
    csumOffset: 0x0708,
  });
  assert.is(built.toString('hex'), '01010201040306050807');
});

test('refuses to parse what does not fit', () => {
  const good = Buffer.from(UDP, 'hex');
  for (let length = 0; length < good.length; length++)
    assert.throws(() => parseIpv4(good.subarray(0, length)), `length ${length}`);
  assert.throws(() => parseTcp(good), /udp packet is not TCP/);
});

test.run();
