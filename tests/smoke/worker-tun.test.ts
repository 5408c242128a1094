// Workers between real TUN devices: each device in a namespace of its own, the datapath in none of them.
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CTX_BASE,
  CTX_DEAD,
  DROP_TX_FAILED,
  IFACE_TX_ERRORS,
  IFACE_TX_PACKETS,
} from '../../assembly/layout.js';
import type { Io } from '../../src/host/io.js';
import type { TunDevice } from '../../src/tun/device.js';
import { openLinuxTun } from '../../src/tun/linux.js';
import { DatapathRig, waitUntil } from '../support/datapath-rig.js';
import { possibleIos } from '../support/ios.js';
import { Netns, requireTun } from '../support/netns.js';
import { cpuMsDuring } from '../support/pair-bench.js';

const all = suite('worker tun');
const anyTest = (await requireTun('worker tun')) ? all : all.skip;
const IDS = [2, 3, 4] as const;

/** A namespace at the far end of a TUN device: the host 10.ID.0.1, and all others through it. */
interface Host {
  readonly id: number;
  readonly netns: Netns;
  readonly device: TunDevice;
  readonly name: string;
}

async function openHost(id: number, queueCount: number): Promise<Host> {
  const name = `w${process.pid}-${id}`;
  const netns = await Netns.create();
  const device = openLinuxTun({ name, mtu: 1500, queueCount });
  const host = { id, netns, device, name };
  await netns.moveDevice(name);
  await netns.exec('ip', ['address', 'add', `10.${id}.0.1/24`, 'dev', name]);
  await bringUp(host);
  return host;
}

async function bringUp({ netns, name }: Host): Promise<void> {
  await netns.setUp(name);
  await netns.exec('ip', ['route', 'replace', 'default', 'dev', name]);
}

function withAnyHosts(
  io: Io,
  workerCount: number,
  body: (rig: DatapathRig, left: Host, right: Host, other: Host) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const rig = new DatapathRig(workerCount, io);
    const hosts: Host[] = [];
    try {
      for (const id of IDS) hosts.push(await openHost(id, workerCount));
      await rig.publish(hosts.map(({ id, device }) => ({ id, mtu: 1500, queues: device.queues })));
      const [left, right, other] = hosts;
      if (left === undefined || right === undefined || other === undefined)
        throw new Error('three hosts');
      await body(rig, left, right, other);
      assert.equal(rig.errors, []);
    } finally {
      await rig.close();
      for (const { device } of hosts) device.close();
      for (const { netns } of hosts) await netns.dispose();
    }
  };
}

function ping({ netns }: Host, { id }: Host, count = 3): Promise<string> {
  const args = ['-c', String(count), '-i', '0.01', '-W', '2', `10.${id}.0.1`];
  return netns.exec('ping', args).then(({ stdout }) => stdout);
}

/** Starts a ping that sends as fast as answers come, and a hundred times a second without any. */
function flood({ netns }: Host, { id }: Host): { stop(): Promise<void> } {
  const child = netns.spawn('ping', ['-f', '-q', `10.${id}.0.1`]);
  const exited = once(child, 'exit');
  return {
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

for (const io of possibleIos('worker tun')) {
  const test = (name: string, body: () => Promise<void>) => anyTest(`${io}: ${name}`, body);
  const withHosts = (workers: number, body: Parameters<typeof withAnyHosts>[2]) =>
    withAnyHosts(io, workers, body);

  for (const workerCount of [1, 2]) {
    test(
      `pings and TCP with offloads pass through ${workerCount} workers`,
      withHosts(workerCount, async (rig, left, right, other) => {
        for (const [from, to] of [
          [left, right],
          [right, left],
          [other, left],
        ] as const)
          assert.match(await ping(from, to), / 0% packet loss/);
        const server = right.netns.spawn('iperf3', ['--server', '--one-off', '--forceflush']);
        if (server.stdout === null) throw new Error('a pipe from iperf3');
        await once(server.stdout, 'data', { signal: AbortSignal.timeout(3000) });
        const { stdout } = await left.netns.exec('iperf3', [
          ...['--client', `10.${right.id}.0.1`, '--bytes', '100M', '--json'],
          ...['--parallel', String(workerCount)],
        ]);
        const { bytes } = JSON.parse(stdout).end.sum_received;
        // iperf3 stops counting before the receiver has read the last of it.
        assert.ok(bytes >= 90e6, `${bytes} bytes received`);
        // 100 MB in packets of 1500 bytes would be 70000.
        const packets = rig.ifaceCounter(right.id, IFACE_TX_PACKETS);
        assert.ok(packets < 35_000, `${packets} packets for 100 MB: offloads are at work`);
        assert.is(rig.counter(DROP_TX_FAILED), 0);
      }),
    );
  }

  test(
    'a device that goes down and up under load loses packets meanwhile, and costs no processor',
    withHosts(1, async (rig, left, right, other) => {
      assert.match(await ping(left, right), / 0% packet loss/);
      const load = flood(left, right);
      const lost = () => rig.ifaceCounter(right.id, IFACE_TX_ERRORS);
      await setTimeout(100);
      await right.netns.setDown(right.name);
      await waitUntil('packets for the device that is down', () => lost() >= 10);
      // Some hundred packets a second arrive and are lost: a worker that spins takes all it gets.
      const cpuMs = await cpuMsDuring(500);
      assert.ok(cpuMs < 150, `${cpuMs} ms of processor time in half a second`);
      assert.match(await ping(left, other), / 0% packet loss/);
      await bringUp(right);
      await load.stop();
      assert.match(await ping(left, right), / 0% packet loss/);
      assert.is(rig.counter(DROP_TX_FAILED), lost());
    }),
  );

  test(
    'a device that is deleted under load is marked, and the others go on',
    withHosts(1, async (rig, left, right, other) => {
      assert.match(await ping(right, left), / 0% packet loss/);
      const isDead = ({ id }: Host) => rig.shared.u32[(CTX_BASE + CTX_DEAD + 4 * id) >>> 2] === 1;
      const loads = [flood(right, left), flood(left, right)];
      await setTimeout(100);
      await right.netns.exec('ip', ['link', 'delete', right.name]);
      await waitUntil('the device is marked dead', () => isDead(right));
      assert.is(isDead(left), false);
      assert.match(await ping(left, other), / 0% packet loss/);
      for (const load of loads) await load.stop();
      await setTimeout(50);
      const cpuMs = await cpuMsDuring(500);
      assert.ok(cpuMs < 50, `${cpuMs} ms of processor time in half a second`);
      assert.ok(rig.ifaceCounter(right.id, IFACE_TX_ERRORS) > 0);
    }),
  );
}

all.run();
