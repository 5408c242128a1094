import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TunDevice } from '../../src/tun/device.js';
import { openLinuxTun } from '../../src/tun/linux.js';
import { createSystem, EAGAIN, errnoNameOf, rawClockNs } from '../../src/tun/sys.js';
import { isInitialUserNamespace, Netns, requireTun, runCommand } from '../support/netns.js';

const POLLIN = 1;
const POLLERR = 8;
const AT = 64;
const ROOM = 10 + 65535;
const IPPROTO = 9;
const ICMP = 1;
const TCP = 6;
const UDP = 17;

const all = suite('linux tun');
const test = (await requireTun('linux tun')) ? all : all.skip;
// Device names are unique to this process: another run of these tests may share the namespace.
const NAME = `g${process.pid}`;

function withDevice(
  options: { readonly mtu?: number; readonly queueCount?: number },
  body: (device: TunDevice, netns: Netns) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const { mtu = 1500, queueCount = 1 } = options;
    const netns = await Netns.create();
    try {
      const device = openLinuxTun({ name: NAME, mtu, queueCount });
      try {
        await body(device, netns);
      } finally {
        device.close();
      }
    } finally {
      await netns.dispose();
    }
  };
}

/** A reader of queues, as a worker is one. */
class Gateway {
  readonly #memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  readonly system = createSystem(this.#memory);
  readonly bytes = new Uint8Array(this.#memory.buffer);
  readonly view = new DataView(this.#memory.buffer);

  poll(fd: number, timeoutMs: number): number {
    this.view.setInt32(0, fd, true);
    this.view.setUint16(4, POLLIN, true);
    this.view.setUint16(6, 0, true);
    this.system.poll(0, 1, timeoutMs);
    return this.view.getUint16(6, true);
  }

  /** Reads until a packet is one that `accepts`, while the event loop goes on. */
  async read(
    fds: readonly number[],
    accepts: (vnet: Uint8Array, packet: Uint8Array) => boolean,
  ): Promise<{ vnet: Uint8Array; packet: Uint8Array; queue: number }> {
    const deadlineNs = rawClockNs() + 5_000_000_000n;
    while (rawClockNs() < deadlineNs) {
      for (const [queue, fd] of fds.entries()) {
        const count = this.system.read(fd, AT, ROOM);
        if (count < 0) continue;
        const vnet = this.bytes.slice(AT, AT + 10);
        const packet = this.bytes.slice(AT + 10, AT + count);
        if (accepts(vnet, packet)) return { vnet, packet, queue };
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error('no such packet within 5 s');
  }
}

function isIpv4(packet: Uint8Array, proto: number): boolean {
  return (packet[0] ?? 0) >>> 4 === 4 && packet[IPPROTO] === proto;
}

test(
  'a device has the name, the MTU and a queue that holds a burst',
  withDevice({ mtu: 9000 }, async (device) => {
    assert.is(device.name, NAME);
    assert.is(device.driver, 'tun');
    assert.is(device.mtu, 9000);
    assert.is(device.queues.length, 1);
    const { stdout } = await runCommand('ip', ['-details', 'link', 'show', 'dev', NAME]);
    // The root of a user namespace may not change the length of a queue.
    assert.match(stdout, isInitialUserNamespace() ? /mtu 9000 .*qlen 1000/ : /mtu 9000 .*qlen 500/);
    assert.match(stdout, /tun type tun pi off vnet_hdr on/);
  }),
);

for (const mtu of [68, 65535]) {
  test(
    `an MTU of ${mtu} is possible`,
    withDevice({ mtu }, async () => {
      const { stdout } = await runCommand('ip', ['link', 'show', 'dev', NAME]);
      assert.match(stdout, new RegExp(`mtu ${mtu} `));
    }),
  );
}

test('a device is gone once it is closed, and its name is free again', async () => {
  for (let round = 0; round < 2; round++) {
    const device = openLinuxTun({ name: NAME, mtu: 1500, queueCount: 1 });
    assert.is((await runCommand('ip', ['link', 'show', 'dev', NAME])).status, 0);
    device.close();
    device.close();
    assert.is((await runCommand('ip', ['link', 'show', 'dev', NAME])).status, 1);
  }
});

test(
  'a real ping arrives behind a virtio-net header, after a move to another namespace',
  withDevice({}, async (device, netns) => {
    await netns.moveDevice(NAME);
    await netns.setAddress(NAME, '10.98.1.1/24');
    const ping = netns.run('ping', ['-c', '1', '-W', '3', '-s', '100', '10.98.1.2']);
    const gateway = new Gateway();
    const { vnet, packet } = await gateway.read(device.queues, (_, bytes) => isIpv4(bytes, ICMP));
    assert.equal(vnet, new Uint8Array(10), 'nothing is left to the receiver');
    assert.is(packet.length, 128);
    assert.equal([...packet.subarray(12, 20)], [10, 98, 1, 1, 10, 98, 1, 2]);

    // Its answer: addresses swapped, type 8 to 0, and 8 << 8 more on the ICMP checksum (RFC 1624).
    const [fd = -1] = device.queues;
    const reply = packet.slice();
    reply.set(packet.subarray(16, 20), 12);
    reply.set(packet.subarray(12, 16), 16);
    reply[20] = 0;
    const sum = (((packet[22] ?? 0) << 8) | (packet[23] ?? 0)) + 0x0800;
    const folded = (sum & 0xffff) + (sum >>> 16);
    reply[22] = folded >>> 8;
    reply[23] = folded & 0xff;
    gateway.bytes.fill(0, AT, AT + 10);
    gateway.bytes.set(reply, AT + 10);
    assert.is(gateway.system.write(fd, AT, 138), 138);
    const { status, stdout } = await ping;
    assert.is(status, 0, stdout);
    assert.match(stdout, /1 received/);
  }),
);

test(
  'TCP sends segments larger than the MTU, with their checksums left open',
  withDevice({}, async (device, netns) => {
    await netns.moveDevice(NAME);
    await netns.setAddress(NAME, '10.98.1.1/24');
    const sender = netns.spawn(process.execPath, [
      '-e',
      "require('net').connect(9, '10.98.1.2').end(Buffer.alloc(200000))",
    ]);
    try {
      const gateway = new Gateway();
      const [fd = -1] = device.queues;
      const syn = await gateway.read(device.queues, (_, bytes) => isIpv4(bytes, TCP));
      assert.is(syn.vnet[0], 1, 'needs a checksum');
      assert.equal([...syn.vnet.subarray(6, 10)], [20, 0, 16, 0], 'of TCP');
      const answer = synAck(syn.packet);
      gateway.bytes.set(Uint8Array.of(1, 0, 0, 0, 0, 0, 20, 0, 16, 0), AT);
      gateway.bytes.set(answer, AT + 10);
      assert.is(gateway.system.write(fd, AT, 10 + answer.length), 10 + answer.length);
      const large = await gateway.read(
        device.queues,
        (_, bytes) => isIpv4(bytes, TCP) && bytes.length > 1500,
      );
      assert.is(large.vnet[0], 1, 'needs a checksum');
      assert.is((large.vnet[1] ?? 0) & 0x7f, 1, 'VIRTIO_NET_HDR_GSO_TCPV4');
      const segment = (large.vnet[4] ?? 0) | ((large.vnet[5] ?? 0) << 8);
      assert.is(segment, 1460, 'the segments fit the MTU');
    } finally {
      sender.kill('SIGKILL');
    }
  }),
);

/** A SYN-ACK to a SYN: MSS 1460, and a checksum field that holds the pseudo-header's sum only. */
function synAck(syn: Uint8Array): Uint8Array {
  const request = new DataView(syn.buffer, syn.byteOffset);
  const packet = new Uint8Array(44);
  const view = new DataView(packet.buffer);
  view.setUint32(0, 0x4500_002c);
  view.setUint16(8, 0x4006);
  view.setUint32(12, request.getUint32(16));
  view.setUint32(16, request.getUint32(12));
  view.setUint16(10, ~sumWords(view, 0, 20) & 0xffff);
  view.setUint16(20, request.getUint16(22));
  view.setUint16(22, request.getUint16(20));
  view.setUint32(24, 1000);
  view.setUint32(28, request.getUint32(24) + 1);
  view.setUint16(32, 0x6012);
  view.setUint16(34, 65535);
  view.setUint32(40, 0x0204_05b4);
  view.setUint16(36, fold(sumWords(view, 12, 20) + TCP + 24));
  return packet;
}

function sumWords(view: DataView, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at += 2) sum += view.getUint16(at);
  return fold(sum);
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

test(
  'a device that is down has nothing to read, wakes no poll, and takes no packet',
  withDevice({}, async (device, netns) => {
    await netns.moveDevice(NAME);
    const gateway = new Gateway();
    const [fd = -1] = device.queues;
    const checkDown = () => {
      while (gateway.system.read(fd, AT, ROOM) >= 0);
      assert.is(gateway.system.read(fd, AT, ROOM), -EAGAIN);
      assert.is(gateway.poll(fd, 20), 0);
      gateway.bytes.fill(0, AT, AT + 10);
      gateway.bytes[AT + 10] = 0x45;
      assert.is(errnoNameOf(-gateway.system.write(fd, AT, 30)), 'EIO');
    };
    checkDown();
    await netns.setUp(NAME);
    assert.is(gateway.system.write(fd, AT, 30), 30);
    await netns.setDown(NAME);
    checkDown();
  }),
);

test(
  'a deleted device polls as failed and reads EBADFD',
  withDevice({}, async (device, netns) => {
    await netns.moveDevice(NAME);
    await netns.setUp(NAME);
    await netns.exec('ip', ['link', 'delete', NAME]);
    const gateway = new Gateway();
    const [fd = -1] = device.queues;
    assert.ok(gateway.poll(fd, 20) & POLLERR);
    assert.is(errnoNameOf(-gateway.system.read(fd, AT, ROOM)), 'EBADFD');
    assert.is(errnoNameOf(-gateway.system.write(fd, AT, 30)), 'EBADFD');
  }),
);

test(
  'two queues share the flows of one device',
  withDevice({ queueCount: 2 }, async (device, netns) => {
    assert.is(device.queues.length, 2);
    await netns.moveDevice(NAME);
    await netns.setAddress(NAME, '10.98.1.1/24');
    const seen = new Set<number>();
    const gateway = new Gateway();
    // Sixty-four flows: that all of them hash to one queue has a chance of 2^-63.
    const sending = netns.exec(process.execPath, [
      '-e',
      `const socket = require('dgram').createSocket('udp4');
      let left = 64;
      for (let port = 1; port <= 64; port++)
        socket.send('x', port, '10.98.1.2', () => --left === 0 && socket.close());`,
    ]);
    for (let packet = 0; packet < 64; packet++)
      seen.add((await gateway.read(device.queues, (_, bytes) => isIpv4(bytes, UDP))).queue);
    await sending;
    assert.is(seen.size, 2);
  }),
);

all.run();
