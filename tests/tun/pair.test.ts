import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openPair, pairOpener } from '../../src/tun/pair.js';
import { createSystem, EAGAIN, errnoNameOf } from '../../src/tun/sys.js';

const POLLIN = 1;
const POLLHUP = 0x10;
/** Where the gateway of these tests reads to and writes from; a pollfd lies at 0. */
const AT = 64;
const ROOM = 10 + 65535;

const test = suite('pair');

function makeGateway() {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const bytes = new Uint8Array(memory.buffer).fill(0xa5);
  return { system: createSystem(memory), bytes, view: new DataView(memory.buffer) };
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);
}

const LENGTHS = [1, 19, 20, 1500, 65535];

for (const length of LENGTHS) {
  test(`a packet of ${length} bytes passes both ways with its header`, async () => {
    const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
    const { system, bytes } = makeGateway();
    const [fd = -1] = device.queues;
    const [peer] = peers;
    try {
      const sent = pattern(length, 7);
      const vnet = Uint8Array.of(1, 3, 40, 0, 0xb4, 5, 20, 0, 16, 0);
      assert.ok(peer?.send(sent, vnet));
      assert.is(system.read(fd, AT, ROOM), 10 + length);
      assert.equal(bytes.slice(AT, AT + 10), vnet);
      assert.equal(bytes.slice(AT + 10, AT + 10 + length), sent);
      assert.is(bytes[AT + 10 + length], 0xa5, 'nothing behind it');

      const answer = pattern(length, 99);
      bytes.fill(0, AT, AT + 10);
      bytes.set(answer, AT + 10);
      assert.is(system.write(fd, AT, 10 + length), 10 + length);
      const received = await peer?.next(1000);
      assert.equal(received?.vnet, new Uint8Array(10));
      assert.equal(received?.packet, answer);
      assert.is(peer?.receive(), undefined);
    } finally {
      close();
    }
  });
}

test('packets keep their order and their boundaries', () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
  const { system, view } = makeGateway();
  const [fd = -1] = device.queues;
  try {
    for (let length = 1; length <= 40; length++)
      assert.ok(peers[0]?.send(new Uint8Array(length).fill(length)));
    for (let length = 1; length <= 40; length++) {
      assert.is(system.read(fd, AT, ROOM), 10 + length);
      assert.is(view.getUint8(AT + 10), length);
    }
    assert.is(system.read(fd, AT, ROOM), -EAGAIN);
  } finally {
    close();
  }
});

test('a full queue refuses more, both ways, and goes on once it is read', () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
  const { system } = makeGateway();
  const [fd = -1] = device.queues;
  const packet = new Uint8Array(65535);
  try {
    let sent = 0;
    while (sent < 1000 && peers[0]?.send(packet)) sent++;
    assert.ok(sent >= 2 && sent < 1000, `${sent} packets fitted`);
    while (system.read(fd, AT, ROOM) >= 0) sent--;
    assert.is(sent, 0, 'as many came out');
    assert.ok(peers[0]?.send(packet));

    let written = 0;
    let result = 0;
    while (written < 1000 && result >= 0) {
      result = system.write(fd, AT, ROOM);
      if (result >= 0) written++;
    }
    assert.is(result, -EAGAIN);
    while (peers[0]?.receive() !== undefined) written--;
    assert.is(written, 0, 'as many came out');
  } finally {
    close();
  }
});

test('a queue polls readable only while it holds a packet', () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
  const { system, view } = makeGateway();
  const [fd = -1] = device.queues;
  try {
    view.setInt32(0, fd, true);
    view.setUint16(4, POLLIN, true);
    assert.is(system.poll(0, 1, 0), 0);
    peers[0]?.send(new Uint8Array(20));
    assert.is(system.poll(0, 1, 0), 1);
    assert.is(view.getUint16(6, true), POLLIN);
    system.read(fd, AT, ROOM);
    assert.is(system.poll(0, 1, 0), 0);
  } finally {
    close();
  }
});

test('the gateway sees the far end gone: no packet, no spin, no signal', () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
  const { system, view } = makeGateway();
  const [fd = -1] = device.queues;
  try {
    peers[0]?.close();
    view.setInt32(0, fd, true);
    view.setUint16(4, POLLIN, true);
    assert.is(system.poll(0, 1, 0), 1);
    assert.ok(view.getUint16(6, true) & POLLHUP);
    assert.is(system.read(fd, AT, ROOM), 0);
    assert.is(errnoNameOf(-system.write(fd, AT, 30)), 'EPIPE');
  } finally {
    close();
  }
});

test('the far end sees a closed gateway: sends are refused, nothing is received', () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
  try {
    assert.ok(peers[0]?.send(new Uint8Array(20)));
    device.close();
    assert.is(peers[0]?.send(new Uint8Array(20)), false);
    assert.is(peers[0]?.receive(), undefined);
    device.close();
  } finally {
    close();
    close();
  }
});

test('each queue has a far end of its own', () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 9000, queueCount: 3 });
  const { system, view } = makeGateway();
  try {
    assert.is(device.name, 'p0');
    assert.is(device.driver, 'pair');
    assert.is(device.mtu, 9000);
    assert.is(peers.length, 3);
    for (const [queue, peer] of peers.entries()) peer.send(new Uint8Array(20).fill(queue + 1));
    for (const [queue, fd] of device.queues.entries()) {
      assert.is(system.read(fd, AT, ROOM), 30);
      assert.is(view.getUint8(AT + 10), queue + 1);
      assert.is(system.read(fd, AT, ROOM), -EAGAIN);
    }
  } finally {
    close();
  }
});

test('waiting for a packet ends with the packet or with the time', async () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
  const { system } = makeGateway();
  const [fd = -1] = device.queues;
  try {
    assert.is(await peers[0]?.next(20), undefined);
    const waiting = peers[0]?.next(5000);
    await setTimeout(5);
    system.write(fd, AT, 10 + 33);
    assert.is((await waiting)?.packet.length, 33);
  } finally {
    close();
  }
});

test('bytes without a whole header reach the gateway as they are', () => {
  const { device, peers, close } = openPair({ name: 'p0', mtu: 1500, queueCount: 1 });
  const { system } = makeGateway();
  const [fd = -1] = device.queues;
  try {
    assert.ok(peers[0]?.sendRaw(Uint8Array.of(1, 2, 3)));
    assert.is(system.read(fd, AT, ROOM), 3);
    assert.throws(() => peers[0]?.send(new Uint8Array(65536)), /65536/);
  } finally {
    close();
  }
});

test('an opener hands the far ends to whoever asked for them', () => {
  const attached = new Map<string, number>();
  const open = pairOpener((name, peers) => {
    attached.set(name, peers.length);
  });
  const device = open({ name: 'lan', mtu: 1500, queueCount: 2 });
  device.close();
  assert.equal([...attached], [['lan', 2]]);
});

test.run();
