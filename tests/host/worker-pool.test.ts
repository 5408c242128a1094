import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CTL_SNAPSHOT,
  CTX_BASE,
  CTX_DEAD,
  DROP_TOO_SHORT,
  DROP_TX_FAILED,
  IFACE_RX_DROPS,
  IFACE_TX_BYTES,
  IFACE_TX_ERRORS,
  IFACE_TX_PACKETS,
  MAX_WORKERS,
  READER_OFFLINE,
  READERS_BASE,
  SNAP_NODES,
} from '../../assembly/layout.js';
import { compileDatapath } from '../../src/host/datapath.js';
import { createMemory } from '../../src/host/memory.js';
import { startWorkerPool } from '../../src/host/worker-pool.js';
import { openPair, type Pair, type PairPeer } from '../../src/tun/pair.js';
import { rawClockNs } from '../../src/tun/sys.js';
import { DatapathRig, type RigPort, waitUntil } from '../support/datapath-rig.js';
import { buildUdp } from '../support/packets.js';
import { parseIpv4 } from '../support/parse-packets.js';

const test = suite('worker pool');
/** Subnets 10.2.0.0/24 and 10.3.0.0/24. */
const LEFT = 2;
const RIGHT = 3;

function udp(from: number, to: number, payload: Uint8Array): Buffer {
  return buildUdp(
    { src: `10.${from}.0.1`, dst: `10.${to}.0.1`, sport: 1000, dport: 2000 },
    payload,
  );
}

class Bench {
  readonly rig: DatapathRig;
  readonly #pairs: Pair[] = [];

  constructor(workerCount = 1) {
    this.rig = new DatapathRig(workerCount);
  }

  /** Opens an in-memory device for interface `id`. */
  open(id: number, mtu = 65535): { port: RigPort; peers: readonly PairPeer[]; peer: PairPeer } {
    const pair = openPair({ name: `p${id}`, mtu, queueCount: this.rig.workerCount });
    this.#pairs.push(pair);
    const [peer] = pair.peers;
    if (peer === undefined) throw new Error('a device without a queue');
    return { port: { id, mtu, queues: pair.device.queues }, peers: pair.peers, peer };
  }

  async close(): Promise<void> {
    await this.rig.close();
    for (const pair of this.#pairs) pair.close();
  }
}

function withBench(body: (bench: Bench) => Promise<void>, workerCount = 1): () => Promise<void> {
  return async () => {
    const bench = new Bench(workerCount);
    try {
      await body(bench);
    } finally {
      await bench.close();
    }
  };
}

/** Sends a datagram through the gateway and checks that its payload comes out. */
async function checkForwards(
  from: PairPeer,
  fromId: number,
  to: PairPeer,
  toId: number,
  text: string,
): Promise<void> {
  assert.ok(from.send(udp(fromId, toId, Buffer.from(text))), 'the queue has room');
  const received = await to.next(3000);
  assert.is(Buffer.from(received?.packet.subarray(28) ?? []).toString(), text);
}

async function cpuMsDuring(durationMs: number): Promise<number> {
  const before = process.cpuUsage();
  await setTimeout(durationMs);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test(
  'packets pass between two devices, both ways, and are counted where they leave',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await rig.publish([left.port, right.port]);
    await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'to the right');
    await checkForwards(right.peer, RIGHT, left.peer, LEFT, 'and to the left');
    assert.is(rig.ifaceCounter(RIGHT, IFACE_TX_PACKETS), 1);
    assert.is(rig.ifaceCounter(RIGHT, IFACE_TX_BYTES), 28 + 'to the right'.length);
    assert.is(rig.ifaceCounter(LEFT, IFACE_TX_PACKETS), 1);
    assert.is(rig.ifaceCounter(LEFT, IFACE_TX_BYTES), 28 + 'and to the left'.length);
    assert.equal(rig.errors, []);
  }),
);

test(
  'packets of every size pass in order, more than one burst of them',
  withBench(async (bench) => {
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await bench.rig.publish([left.port, right.port]);
    const sizes = Array.from({ length: 300 }, (_, index) => 4 + ((index * 211) % 1400));
    sizes.push(65535 - 28, 65535 - 28, 65535 - 28, 65535 - 28, 4);
    const payloads = sizes.map((size, index) => {
      const payload = Buffer.alloc(size, index);
      payload.writeUInt32BE(index);
      return payload;
    });
    let sent = 0;
    for (const expected of payloads) {
      while (sent < payloads.length) {
        const payload = payloads[sent];
        if (payload === undefined || !left.peer.send(udp(LEFT, RIGHT, payload))) break;
        sent++;
      }
      const received = await right.peer.next(3000);
      assert.ok(received !== undefined, 'a packet for each one sent');
      assert.is(Buffer.compare(received.packet.subarray(28), expected), 0);
    }
    assert.is(right.peer.receive(), undefined);
  }),
);

test(
  'a flood from one device does not hold up another',
  withBench(async (bench) => {
    const [flood, quiet, out] = [bench.open(LEFT), bench.open(RIGHT), bench.open(4)];
    for (let packet = 0; packet < 300; packet++)
      assert.ok(flood.peer.send(udp(LEFT, 4, Buffer.from('flood'))));
    assert.ok(quiet.peer.send(udp(RIGHT, 4, Buffer.from('quiet'))));
    await bench.rig.publish([flood.port, quiet.port, out.port]);
    let position = -1;
    for (let packet = 0; packet < 301; packet++) {
      const received = await out.peer.next(3000);
      const text = Buffer.from(received?.packet.subarray(28) ?? []).toString();
      if (text === 'quiet') position = packet;
      else assert.is(text, 'flood');
    }
    assert.ok(position >= 0 && position <= 64, `it came out as number ${position}`);
  }),
);

test(
  'a queue that is full loses packets, which are counted; nothing waits for it',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await rig.publish([left.port, right.port]);
    const payload = Buffer.alloc(60_000);
    const sentCount = 300;
    for (let packet = 0; packet < sentCount; packet++)
      await waitUntil('room to send', () => left.peer.send(udp(LEFT, RIGHT, payload)));
    const passed = () => rig.ifaceCounter(RIGHT, IFACE_TX_PACKETS);
    const lost = () => rig.ifaceCounter(RIGHT, IFACE_TX_ERRORS);
    await waitUntil('all packets tried', () => passed() + lost() === sentCount);
    assert.ok(lost() > 0, 'some were lost');
    assert.is(rig.counter(DROP_TX_FAILED), lost());
    let received = 0;
    while (right.peer.receive() !== undefined) received++;
    assert.is(received, passed());
    await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'room again');
  }),
);

test(
  'what is shorter than a virtio-net header is dropped and counted',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await rig.publish([left.port, right.port]);
    for (let length = 1; length < 10; length++)
      assert.ok(left.peer.sendRaw(new Uint8Array(length).fill(0x45)));
    await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'after them');
    assert.is(rig.counter(DROP_TOO_SHORT), 9);
    assert.is(rig.ifaceCounter(LEFT, IFACE_RX_DROPS), 9);
  }),
);

test(
  'sleeping workers use no processor, hold up no grace period, and wake for a change',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await rig.publish([left.port]);
    await setTimeout(200);
    const cpuMs = await cpuMsDuring(1000);
    assert.ok(cpuMs < 50, `${cpuMs} ms of processor time in a second`);
    for (let worker = 0; worker < MAX_WORKERS; worker++)
      assert.is(rig.shared.u64[(READERS_BASE + worker * 128) >>> 3], BigInt(READER_OFFLINE));
    // A poll of the former tables would sleep for up to a second.
    const startNs = rawClockNs();
    await rig.publish([left.port, right.port]);
    await checkForwards(right.peer, RIGHT, left.peer, LEFT, 'new device');
    const tookMs = Number(rawClockNs() - startNs) / 1e6;
    assert.ok(tookMs < 500, `${tookMs} ms until a packet of the new device passed`);
  }, 2),
);

test(
  'tables are swapped under load without a loss',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right, other] = [bench.open(LEFT), bench.open(RIGHT), bench.open(4)];
    await rig.publish([left.port, right.port]);
    const wanted = 2000;
    let [sent, received, publishes] = [0, 0, 0];
    const pump = () => {
      while (
        sent < wanted &&
        sent - received < 200 &&
        left.peer.send(udp(LEFT, RIGHT, Buffer.of(1)))
      )
        sent++;
      while (right.peer.receive() !== undefined) received++;
      return received === wanted;
    };
    const pumping = waitUntil('all packets out', pump, 10_000);
    while (received < wanted && publishes < 2000) {
      await rig.publish([other.port, left.port, right.port]);
      await rig.publish([left.port, right.port]);
      publishes += 2;
    }
    await pumping;
    assert.ok(publishes > 10, `${publishes} publishes`);
    assert.is(rig.counter(DROP_TX_FAILED), 0);
  }),
);

test(
  'each worker serves its own queue',
  withBench(async (bench) => {
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await bench.rig.publish([left.port, right.port]);
    for (const worker of [0, 1]) {
      const [from, to] = [left.peers[worker], right.peers[worker]];
      if (from === undefined || to === undefined) throw new Error('a queue per worker');
      await checkForwards(from, LEFT, to, RIGHT, `worker ${worker}`);
    }
  }, 2),
);

test(
  'a device that is gone is marked, costs no processor, and may come back',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right, lost] = [bench.open(LEFT), bench.open(RIGHT), bench.open(4)];
    await rig.publish([lost.port, left.port, right.port]);
    await checkForwards(lost.peer, 4, right.peer, RIGHT, 'still there');
    const isDead = () => rig.shared.u32[(CTX_BASE + CTX_DEAD + 4 * 4) >>> 2] === 1;
    assert.is(isDead(), false);
    lost.peer.close();
    await waitUntil('the device is marked dead', isDead);
    const cpuMs = await cpuMsDuring(500);
    assert.ok(cpuMs < 50, `${cpuMs} ms of processor time in half a second`);
    await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'the others go on');
    left.peer.send(udp(LEFT, 4, Buffer.from('lost')));
    await waitUntil('a failed send', () => rig.ifaceCounter(4, IFACE_TX_ERRORS) === 1);

    // A wake-up alone gives it another chance, of which nothing comes.
    rig.wake();
    await waitUntil('the device is marked dead again', isDead);
    const back = bench.open(4);
    await rig.publish([back.port, left.port, right.port]);
    await checkForwards(back.peer, 4, right.peer, RIGHT, 'back again');
    assert.is(isDead(), false);
  }),
);

test(
  'a crashed worker is reported and replaced, and the traffic goes on',
  withBench(async (bench) => {
    const { rig } = bench;
    const { u32, u64 } = rig.shared;
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await rig.publish([left.port, right.port]);
    await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'before');
    const snapshot = Atomics.load(u32, CTL_SNAPSHOT >>> 2);
    Atomics.store(u32, CTL_SNAPSHOT >>> 2, 0xffff_0000);
    rig.wake();
    await waitUntil('a crash', () => rig.crashes.length > 0);
    assert.is(u64[READERS_BASE >>> 3], BigInt(READER_OFFLINE));
    await setTimeout(600);
    // One replacement at once, the next after 100 ms, the next after 200 ms more.
    assert.ok(rig.crashes.length >= 2 && rig.crashes.length <= 5, `${rig.crashes.length} crashes`);
    Atomics.store(u32, CTL_SNAPSHOT >>> 2, snapshot);
    assert.ok(left.peer.send(udp(LEFT, RIGHT, Buffer.from('after'))));
    const received = await right.peer.next(5000);
    assert.is(Buffer.from(received?.packet.subarray(28) ?? []).toString(), 'after');
    for (const text of rig.errors)
      assert.match(
        text,
        /^worker 0 crashed between bursts: RuntimeError: memory access out of bounds/,
      );
    assert.is(rig.errors.length, rig.crashes.length);
    assert.not.match(rig.errors.join(''), /\n/);
  }),
);

test(
  'conns outlive the worker that made them',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await rig.publish([left.port, right.port], RIGHT);
    left.peer.send(udp(LEFT, RIGHT, Buffer.from('question')));
    const question = parseIpv4((await right.peer.next(3000))?.packet ?? Buffer.alloc(0));
    assert.is(question.src, '10.3.0.254');
    assert.ok(question.l4.kind === 'udp');

    const snapshot = Atomics.exchange(rig.shared.u32, CTL_SNAPSHOT >>> 2, 0xffff_0000);
    rig.wake();
    await waitUntil('a crash', () => rig.crashes.length > 0);
    Atomics.store(rig.shared.u32, CTL_SNAPSHOT >>> 2, snapshot);
    right.peer.send(
      buildUdp({ src: '10.3.0.1', dst: question.src, sport: 2000, dport: question.l4.sport }),
    );
    const answer = parseIpv4((await left.peer.next(5000))?.packet ?? Buffer.alloc(0));
    assert.is(answer.dst, '10.2.0.1');
    assert.ok(answer.l4.kind === 'udp' && answer.l4.dport === 1000);
  }),
);

test(
  'the report of a crash shows the burst',
  withBench(async (bench) => {
    const { rig } = bench;
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await rig.publish([left.port, right.port]);
    // A trie that leads nowhere: the worker traps in the middle of its burst.
    const snapshot = Atomics.load(rig.shared.u32, CTL_SNAPSHOT >>> 2);
    const nodes = (snapshot + SNAP_NODES) >>> 2;
    const sound = Atomics.exchange(rig.shared.u32, nodes, 0xffff_0000);
    const packet = udp(LEFT, RIGHT, Buffer.from('poison'));
    assert.ok(left.peer.send(packet));
    await waitUntil('a crash', () => rig.errors.length > 0);
    Atomics.store(rig.shared.u32, nodes, sound);
    assert.match(
      rig.errors[0] ?? '',
      `in a burst of 1 packets, the first of 34 bytes: ${'00'.repeat(10)} ${packet.toString('hex')}`,
    );
    await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'after');
    assert.is(rig.crashes.length, 1);
  }),
);

for (const isBusy of [false, true]) {
  test(`a pool of ${isBusy ? 'busy' : 'sleeping'} workers stops within a second, twice`, async () => {
    const bench = new Bench(2);
    const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
    await bench.rig.publish([left.port, right.port]);
    await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'up');
    const packet = udp(LEFT, RIGHT, Buffer.alloc(1400));
    if (isBusy) for (let sent = 0; sent < 2000; sent++) left.peer.send(packet);
    else await setTimeout(100);
    const startNs = rawClockNs();
    await bench.rig.close();
    const tookMs = Number(rawClockNs() - startNs) / 1e6;
    assert.ok(tookMs < 500, `${tookMs} ms`);
    assert.is(bench.rig.shared.u64[READERS_BASE >>> 3], BigInt(READER_OFFLINE));
    assert.equal(bench.rig.errors, []);
    assert.equal(bench.rig.crashes, []);
    bench.rig.wake();
    await bench.close();
  });
}

test('a pool can be stopped before its workers have come up', async () => {
  const bench = new Bench(2);
  await bench.close();
  assert.equal(bench.rig.errors, []);
});

test('a pool that waits to replace a worker stops at once', async () => {
  const bench = new Bench();
  Atomics.store(bench.rig.shared.u32, CTL_SNAPSHOT >>> 2, 0xffff_0000);
  await waitUntil('crashes', () => bench.rig.crashes.length >= 3);
  const startNs = rawClockNs();
  await bench.close();
  const tookMs = Number(rawClockNs() - startNs) / 1e6;
  assert.ok(tookMs < 150, `${tookMs} ms, and the pause was 200 ms`);
});

for (const count of [0, MAX_WORKERS + 1, 1.5]) {
  test(`a pool of ${count} workers is refused`, () => {
    const shared = createMemory(1);
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const options = { shared, module: compileDatapath(), count, log, onCrash: () => {} };
    assert.throws(() => startWorkerPool(options), new RegExp(`worker count ${count} is not in`));
  });
}

test.run();
