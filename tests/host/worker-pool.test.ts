import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CTL_SNAPSHOT,
  MAX_WORKERS,
  READER_OFFLINE,
  READERS_BASE,
  SNAP_NODES,
} from '../../assembly/layout.js';
import { compileDatapath } from '../../src/host/datapath.js';
import { createMemory } from '../../src/host/memory.js';
import { startWorkerPool } from '../../src/host/worker-pool.js';
import { rawClockNs } from '../../src/tun/sys.js';
import { waitUntil } from '../support/datapath-rig.js';
import { possibleIos } from '../support/ios.js';
import { buildUdp } from '../support/packets.js';
import {
  Bench,
  checkForwards,
  cpuMsDuring,
  LEFT,
  RIGHT,
  udp,
  withBench as withAnyBench,
} from '../support/pair-bench.js';
import { parseIpv4 } from '../support/parse-packets.js';

const all = suite('worker pool');

for (const io of possibleIos('worker pool')) {
  const test = (name: string, body: () => void | Promise<void>) => all(`${io}: ${name}`, body);
  const withBench = (body: (bench: Bench) => Promise<void>, workers = 1) =>
    withAnyBench(body, workers, io);

  test(
    'sleeping workers use no processor, hold up no grace period, and wake for a change',
    withBench(async (bench) => {
      const { rig } = bench;
      const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
      await rig.publish([left.port]);
      for (const peer of left.peers) {
        // Its own subnet: the packet comes back, so the worker has come up.
        assert.ok(peer.send(udp(LEFT, LEFT, Buffer.from('up'))));
        assert.ok((await peer.next(3000)) !== undefined);
      }
      const cpuMs = await cpuMsDuring(1000);
      // A worker that spins takes all that it can get. The rest is the test's own event loop.
      assert.ok(cpuMs < 100, `${cpuMs} ms of processor time in a second`);
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
    'a crashed worker is reported and replaced, and the traffic goes on',
    withBench(async (bench) => {
      const { rig } = bench;
      const { u32, u64 } = rig.shared;
      const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
      await rig.publish([left.port, right.port]);
      await checkForwards(left.peer, LEFT, right.peer, RIGHT, 'before');
      const snapshot = Atomics.load(u32, CTL_SNAPSHOT >>> 2);
      Atomics.store(u32, CTL_SNAPSHOT >>> 2, 0xffff_0000);
      const startNs = rawClockNs();
      rig.wake();
      await waitUntil('a crash', () => rig.crashes.length > 0);
      assert.is(u64[READERS_BASE >>> 3], BigInt(READER_OFFLINE));
      await waitUntil('more crashes', () => rig.crashes.length >= 4, 20_000);
      // One replacement at once, the next after 100 ms, the next after 200 ms more.
      const tookMs = Number(rawClockNs() - startNs) / 1e6;
      assert.ok(tookMs >= 290, `four crashes within ${tookMs} ms`);
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
      const bench = new Bench(2, io);
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
    const bench = new Bench(2, io);
    await bench.close();
    assert.equal(bench.rig.errors, []);
  });

  test('a pool that waits to replace a worker stops at once', async () => {
    const bench = new Bench(1, io);
    Atomics.store(bench.rig.shared.u32, CTL_SNAPSHOT >>> 2, 0xffff_0000);
    await waitUntil('crashes', () => bench.rig.crashes.length >= 3);
    const startNs = rawClockNs();
    await bench.close();
    const tookMs = Number(rawClockNs() - startNs) / 1e6;
    assert.ok(tookMs < 150, `${tookMs} ms, and the pause was 200 ms`);
  });
}

for (const count of [0, MAX_WORKERS + 1, 1.5]) {
  all(`a pool of ${count} workers is refused`, () => {
    const shared = createMemory(1);
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const io = 'poll';
    const options = {
      shared,
      module: compileDatapath(),
      count,
      io,
      log,
      onCrash: () => {},
    } as const;
    assert.throws(() => startWorkerPool(options), new RegExp(`worker count ${count} is not in`));
  });
}

all.run();
