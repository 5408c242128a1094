// Throws a million packets at burst(): valid ones, valid ones with bytes changed, with answers to
// what was forwarded among them, and noise; before each a virtio-net header that is right or noise.
// They are laid into the ring without being looked at, so that the time goes into the datapath.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONN_SIZE,
  COUNT_CONNS_CREATED,
  COUNT_FORWARDED,
  COUNT_LOCAL,
  COUNTERS_BASE,
  COUNTERS_SIZE,
  CTX_BASE,
  CTX_NOW,
  CTX_SIZE,
  DROP_TABLE_FULL,
  MAX_BURST,
  MAX_PACKET,
  PKT_IN_IFACE,
  PKT_LEN,
  PKT_OUT_IFACE,
  PKT_REASON,
  PKT_SIZE,
  PKT_VERDICT,
  PKTS_OFFSET,
  POOL_BASE,
  READER_SIZE,
  READERS_BASE,
  REASON_NONE,
  RING_SIZE,
  RINGS_BASE,
  SCRATCH_BASE,
  SCRATCH_SIZE,
  SLOT_PACKET,
  SLOT_SIZE,
  SLOT_VNET,
  SNAP_DYNAMIC,
  TABLES_BASE,
  TABLES_HALF,
  TCP_IGNORED_FIRST,
  VERDICT_DROP,
  VERDICT_FORWARD,
  VERDICT_LOCAL,
  VNET_SIZE,
} from '../../assembly/layout.js';
import { printedSeed, seededRandom } from '../support/datapath.js';
import {
  buildIcmpEcho,
  buildIcmpError,
  buildIpv4,
  buildTcp,
  buildUdp,
  dottedAddress,
} from '../support/packets.js';
import { DOWN, INSIDE, NARROW, OUTSIDE, TestGateway, UNNUMBERED } from '../support/test-gateway.js';

const PACKETS = 1_000_000;
/** Few, so that the table is full at times. */
const CEILING = 24;
const PKTS = RINGS_BASE + PKTS_OFFSET;
const IFACES = [OUTSIDE, INSIDE, NARROW, DOWN, UNNUMBERED];
/** 10.97.0.0/24, 10.98.0.0/24 and 10.99.0.0/24 in host order without their last byte. */
const TRANSLATED = new Set([0x0a6100, 0x0a6200, 0x0a6300]);
/** How often the gateway forgets its conns, in bursts. */
const FLUSH_EVERY = 500;
const CANARY = 0xc5;

const test = suite('burst fuzz');

test('a million packets of every kind leave verdicts and counters, and nothing else', async () => {
  const random = seededRandom(printedSeed('burst fuzz'));
  const gateway = await TestGateway.open({ ceiling: CEILING, random });
  const { shared, view, clock, wasm } = gateway.datapath;
  const { bytes } = shared;
  const templates = buildTemplates(random);
  const untouched = canaries(gateway);
  const replies: Buffer[] = [];

  const verdicts = new Map<number, number>();
  let errors = 0;
  for (let done = 0; done < PACKETS; done += MAX_BURST) {
    for (let n = 0; n < MAX_BURST; n++) lay(n);
    clock.advance(1_000_000n);
    view.setBigInt64(CTX_BASE + CTX_NOW, clock.nowNs, true);
    wasm.burst(0, 0, MAX_BURST);
    for (let n = 0; n < MAX_BURST; n++) check(n);
    if ((done / MAX_BURST) % FLUSH_EVERY === 0) flush();
  }

  /** Lays a packet of some kind into a slot. */
  function lay(n: number): void {
    const choice = random();
    const source = replies.length > 0 && choice % 4 === 0 ? replies : templates;
    const packet = source[(choice >>> 8) % source.length] ?? Buffer.alloc(0);
    const at = RINGS_BASE + n * SLOT_SIZE + SLOT_PACKET;
    const pkt = PKTS + n * PKT_SIZE;
    bytes.set(packet, at);
    let length = packet.length;
    if (choice % 5 === 1) length = mutate(at, length);
    else if (choice % 64 === 2) length = noise(at);
    bytes.fill(0, at - VNET_SIZE, at);
    if (choice % 3 === 0) for (let i = 1; i <= VNET_SIZE; i++) bytes[at - i] = random();
    view.setUint32(pkt + PKT_LEN, length, true);
    const iface = source === replies ? OUTSIDE : IFACES[(choice >>> 4) % IFACES.length];
    view.setUint16(pkt + PKT_IN_IFACE, iface ?? INSIDE, true);
    view.setUint8(pkt + PKT_VERDICT, 0xee);
    view.setUint8(pkt + PKT_REASON, 0xee);
  }

  /** Changes some bytes of the headers, half of the time with a header checksum to match. */
  function mutate(at: number, length: number): number {
    for (let changes = 1 + (random() % 3); changes > 0 && length > 0; changes--)
      bytes[at + (random() % Math.min(length, 64))] = random();
    if (random() % 2 === 0) resum(at, length);
    return random() % 4 === 0 ? random() % (length + 40) : length;
  }

  function noise(at: number): number {
    const length = random() % 16 === 0 ? random() % (MAX_PACKET + 1) : random() % 200;
    for (let i = 0; i < Math.min(length, 80); i++) bytes[at + i] = random();
    bytes[at] = 0x45;
    if (length >= 20) resum(at, length);
    return length;
  }

  function resum(at: number, length: number): void {
    const headerLength = ((bytes[at] ?? 0) & 15) * 4;
    if (headerLength > length) return;
    view.setUint16(at + 10, 0);
    let sum = 0;
    for (let i = 0; i < headerLength; i += 2) sum += view.getUint16(at + i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(at + 10, ~sum & 0xffff);
  }

  function check(n: number): void {
    const at = RINGS_BASE + n * SLOT_SIZE + SLOT_PACKET;
    const pkt = PKTS + n * PKT_SIZE;
    const verdict = view.getUint8(pkt + PKT_VERDICT);
    const reason = view.getUint8(pkt + PKT_REASON);
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    if (verdict === VERDICT_DROP) {
      if (reason === REASON_NONE || reason >= TCP_IGNORED_FIRST)
        assert.unreachable(`dropped for reason ${reason}`);
      return;
    }
    const outIface = view.getUint16(pkt + PKT_OUT_IFACE, true);
    const length = view.getUint32(pkt + PKT_LEN, true);
    const isSound =
      (outIface === OUTSIDE ||
        outIface === INSIDE ||
        outIface === NARROW ||
        outIface === UNNUMBERED) &&
      length >= 20 &&
      length === view.getUint16(at + 2) &&
      isHeaderSumRight(at);
    if (!isSound) assert.unreachable(`sends a bad packet: ${hex(at, length)}`);
    if (verdict === VERDICT_LOCAL) {
      if (reason !== REASON_NONE) errors++;
      return;
    }
    if (verdict !== VERDICT_FORWARD) assert.unreachable(`verdict ${verdict}`);
    if (reason !== REASON_NONE && reason < TCP_IGNORED_FIRST)
      assert.unreachable(`forwarded for reason ${reason}`);
    if (outIface === OUTSIDE && TRANSLATED.has(view.getUint32(at + 12) >>> 8))
      assert.unreachable(`leaked ${hex(at, length)}`);
    if (outIface === OUTSIDE) remember(at, length);
  }

  function isHeaderSumRight(at: number): boolean {
    const headerLength = ((bytes[at] ?? 0) & 15) * 4;
    let sum = 0;
    for (let i = 0; i < headerLength; i += 2) sum += view.getUint16(at + i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum === 0xffff;
  }

  /** Makes the answer, or an error about the packet. */
  function remember(at: number, length: number): void {
    const headerLength = ((bytes[at] ?? 0) & 15) * 4;
    if (length > 200 || length < headerLength + 8) return;
    const packet = Buffer.from(bytes.slice(at, at + length));
    const answer = random() % 4 === 0 ? errorAbout(packet) : replyTo(packet, headerLength);
    if (replies.length < 256) replies.push(answer);
    else replies[random() % 256] = answer;
  }

  function errorAbout(packet: Buffer): Buffer {
    const ends = { src: '192.0.2.200', dst: dottedAddress(packet, 12) };
    const error = { type: [3, 4, 11, 12][random() % 4] ?? 3, code: random() % 16 };
    return buildIcmpError({ ...ends, ...error }, packet.subarray(0, 20 + (random() % 180)));
  }

  /** Swapping addresses and ports leaves all checksums right. */
  function replyTo(packet: Buffer, headerLength: number): Buffer {
    const src = packet.readUInt32BE(12);
    packet.writeUInt32BE(packet.readUInt32BE(16), 12);
    packet.writeUInt32BE(src, 16);
    const proto = packet[9];
    if (proto === 1) packet[headerLength] = 0;
    else {
      const sport = packet.readUInt16BE(headerLength);
      packet.writeUInt16BE(packet.readUInt16BE(headerLength + 2), headerLength);
      packet.writeUInt16BE(sport, headerLength + 2);
    }
    return packet;
  }

  function hex(at: number, length: number): string {
    return Buffer.from(bytes.slice(at, at + Math.min(length, 64))).toString('hex');
  }

  /** Forgets all conns, so that new ones are begun all the time. */
  function flush(): void {
    wasm.reclaimConns(wasm.removeConns(1, CEILING + 1));
    assert.is(gateway.connCount, 0);
  }

  const sum = [...verdicts.values()].reduce((total, count) => total + count, 0);
  assert.is(sum, Math.ceil(PACKETS / MAX_BURST) * MAX_BURST);
  const forwarded = verdicts.get(VERDICT_FORWARD) ?? 0;
  const local = (verdicts.get(VERDICT_LOCAL) ?? 0) - errors;
  assert.is(gateway.counter(COUNT_FORWARDED), forwarded);
  assert.is(gateway.counter(COUNT_LOCAL), local);
  const rows = IFACES.map((iface) => gateway.received(iface));
  assert.is(total(rows.map(({ packets }) => packets)), sum);
  assert.is(total(rows.map(({ drops }) => drops)), sum - forwarded - local);
  let dropped = 0;
  for (let reason = 1; reason < TCP_IGNORED_FIRST; reason++) dropped += gateway.counter(reason);
  assert.is(dropped, sum - forwarded - local);
  // The fuzz reaches what it is meant to reach.
  assert.ok(forwarded > sum / 20 && local > 1000 && errors > 1000);
  assert.ok(gateway.counter(COUNT_CONNS_CREATED) > 100 && gateway.counter(DROP_TABLE_FULL) > 0);
  untouched();
});

/** Marks memory around what worker 0 may write; the returned function finds every change. */
function canaries(gateway: TestGateway): () => void {
  const { bytes } = gateway.datapath.shared;
  const marked: [start: number, end: number][] = [
    [READERS_BASE, READERS_BASE + 32 * READER_SIZE],
    [CTX_BASE + CTX_SIZE, CTX_BASE + 2 * CTX_SIZE],
    [COUNTERS_BASE + COUNTERS_SIZE, COUNTERS_BASE + 2 * COUNTERS_SIZE],
    [SCRATCH_BASE + SCRATCH_SIZE / 2, SCRATCH_BASE + SCRATCH_SIZE],
    [RINGS_BASE - 4096, RINGS_BASE],
    [PKTS + MAX_BURST * PKT_SIZE, RINGS_BASE + RING_SIZE + SLOT_SIZE],
    [POOL_BASE, POOL_BASE + CONN_SIZE],
  ];
  for (let slot = 0; slot < MAX_BURST; slot++) {
    const start = RINGS_BASE + slot * SLOT_SIZE;
    marked.push([start, start + SLOT_VNET]);
    marked.push([start + SLOT_PACKET + MAX_PACKET + 64, start + SLOT_SIZE]);
  }
  for (const [start, end] of marked) bytes.fill(CANARY, start, end);
  const tables: [start: number, end: number][] = [0, 1].map((half) => {
    const base = TABLES_BASE + half * TABLES_HALF;
    return [base, base + SNAP_DYNAMIC + 65536];
  });
  const before = tables.map(([start, end]) => Buffer.from(bytes.slice(start, end)));
  return () => {
    for (const [start, end] of marked) {
      const at = bytes.subarray(start, end).findIndex((byte) => byte !== CANARY);
      assert.is(at, -1, `memory at ${start} was written`);
    }
    for (const [n, [start, end]] of tables.entries())
      assert.is(before[n]?.compare(bytes.slice(start, end)), 0, `tables of half ${n} were written`);
  };
}

/** Returns valid packets between all kinds of addresses. */
function buildTemplates(random: () => number): Buffer[] {
  const srcs = ['10.99.0.5', '10.98.0.6', '10.97.0.7', '10.96.0.8', '10.50.0.5', '192.0.2.9'];
  const dsts = ['192.0.2.9', '172.16.0.1', '172.16.0.9', '10.99.0.1', '10.99.0.5', '10.50.0.5'];
  dsts.push('203.0.113.1', '10.60.0.5', '10.70.0.5', '172.16.0.255', '224.0.0.1');
  const flags = ['S', 'SA', 'A', 'FA', 'RA', 'PA', 'R'];
  return Array.from({ length: 2000 }, (_, n) => {
    const src = srcs[random() % srcs.length] ?? '';
    const dst = dsts[random() % dsts.length] ?? '';
    const ends = { src, dst, ttl: 1 + (random() % 20), df: random() % 2 === 0 };
    const isFragment = random() % 16 === 0;
    const fragment = isFragment ? { mf: true, fragmentOffset: (random() % 2) * 8 } : {};
    const fields = { ...ends, ...fragment };
    const ports = { sport: 1024 + (random() % 16), dport: 50 + (random() % 4) };
    const payload = Buffer.alloc(random() % 32 === 0 ? random() % 1400 : random() % 40);
    const options = random() % 8 === 0 ? { options: Buffer.alloc(1 + (random() % 40), 1) } : {};
    switch (n % 6) {
      case 0:
      case 1:
        return buildUdp({ ...fields, ...options, ...ports }, payload);
      case 2:
      case 3: {
        const segment = { flags: flags[random() % flags.length] ?? '', seq: 1 + (random() % 3) };
        const opts =
          random() % 2 === 0 ? { opts: { mss: 1460, wscale: 7, sackok: 1 as const } } : {};
        return buildTcp({ ...fields, ...ports, ...segment, ...opts, ack: random() % 3 }, payload);
      }
      case 4:
        return buildIcmpEcho({ ...fields, ...options, type: (random() % 2) * 8 }, 77, n, payload);
      default:
        return random() % 2 === 0
          ? buildIcmpError({ ...fields, type: 3, code: random() % 16 }, payload)
          : buildIpv4({ ...fields, proto: random() & 255 }, payload);
    }
  });
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

test.run();
