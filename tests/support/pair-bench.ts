// Workers between in-memory devices: what most tests of the loop and of the pool stand on.
import { setTimeout } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Io } from '../../src/host/io.js';
import { openPair, type Pair, type PairPeer } from '../../src/tun/pair.js';
import { DatapathRig, type RigPort } from './datapath-rig.js';
import { buildUdp } from './packets.js';

/** Subnets 10.2.0.0/24 and 10.3.0.0/24. */
export const LEFT = 2;
export const RIGHT = 3;

/** Returns a datagram from the host 10.FROM.0.1 to 10.TO.0.1. */
export function udp(from: number, to: number, payload: Uint8Array): Buffer {
  return buildUdp(
    { src: `10.${from}.0.1`, dst: `10.${to}.0.1`, sport: 1000, dport: 2000 },
    payload,
  );
}

/** A datapath, and the in-memory devices that a test gives it. */
export class Bench {
  readonly rig: DatapathRig;
  readonly #pairs: Pair[] = [];

  constructor(workerCount = 1, io: Io = 'poll') {
    this.rig = new DatapathRig(workerCount, io);
  }

  /** Opens an in-memory device for interface `id`. */
  open(id: number, mtu = 65535): { port: RigPort; peers: readonly PairPeer[]; peer: PairPeer } {
    const pair = openPair({ name: `p${id}`, mtu, queueCount: this.rig.workerCount });
    this.#pairs.push(pair);
    const [peer] = pair.peers;
    if (peer === undefined) throw new Error('a device without a queue');
    const serial = this.#pairs.length;
    return { port: { id, mtu, queues: pair.device.queues, serial }, peers: pair.peers, peer };
  }

  async close(): Promise<void> {
    await this.rig.close();
    for (const pair of this.#pairs) pair.close();
  }
}

/** Returns a test body that closes its bench whatever happens. */
export function withBench(
  body: (bench: Bench) => Promise<void>,
  workerCount = 1,
  io: Io = 'poll',
): () => Promise<void> {
  return async () => {
    const bench = new Bench(workerCount, io);
    try {
      await body(bench);
    } finally {
      await bench.close();
    }
  };
}

/** Sends a datagram through the gateway and checks that its payload comes out. */
export async function checkForwards(
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

/** Resolves with the processor time that this whole process used meanwhile. */
export async function cpuMsDuring(durationMs: number): Promise<number> {
  const before = process.cpuUsage();
  await setTimeout(durationMs);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
