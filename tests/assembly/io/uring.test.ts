// The loop over an io_uring against a kernel that a test plays: what a real one does at bad moments.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  COUNTERS_BASE,
  COUNTERS_IFACES,
  CTL_SPIN_NS,
  CTX_BASE,
  CTX_DEAD,
  CTX_HELD,
  CTX_WOKEN,
  DROP_TOO_SHORT,
  DROP_TX_FAILED,
  DROP_TX_FULL,
  IFACE_COUNTERS_SIZE,
  IFACE_TX_BYTES,
  IFACE_TX_ERRORS,
  IFACE_TX_PACKETS,
} from '../../../assembly/layout.js';
import { printedSeed, seededRandom } from '../../support/datapath.js';
import { FakeUring, type FakeWrite, type Step } from '../../support/fake-uring.js';
import { buildUdp } from '../../support/packets.js';
import { IFACES, INSIDE, OUTSIDE, TestGateway } from '../../support/test-gateway.js';

const EINTR = 4;
const EIO = 5;
const EAGAIN = 11;
const EBUSY = 16;
const EBADFD = 77;
/** Descriptors of the two interfaces' queues. */
const [OUTSIDE_FD, INSIDE_FD] = [7, 8];
const PORTS = { sport: 1000, dport: 2000 };
const BYTES = 10 + 28 + 4;
const seed = printedSeed('uring');

const test = suite('uring');

/** A gateway whose worker runs when the test says so, on a ring that the test plays. */
class Scene {
  readonly kernel: FakeUring;
  readonly #gateway: TestGateway;

  private constructor(kernel: FakeUring, gateway: TestGateway) {
    this.kernel = kernel;
    this.#gateway = gateway;
    kernel.attach(gateway.datapath.shared);
  }

  static async open(): Promise<Scene> {
    const kernel = new FakeUring();
    return new Scene(kernel, await TestGateway.open({ system: kernel.system }));
  }

  /** Has the worker look for packets for so long before it sleeps. */
  spin(microseconds: number): void {
    const { shared } = this.#gateway.datapath;
    Atomics.store(shared.u32, CTL_SPIN_NS >>> 2, microseconds * 1000);
  }

  /** Runs the worker; `onEnter` is asked in each of `rounds`, `onEnd` in those that end it. */
  run(
    rounds: number,
    onEnter: (round: number, wait: number) => Step | undefined,
    onEnd: (round: number) => void = () => undefined,
  ): void {
    this.kernel.onEnter = (round, wait) => {
      if (round < rounds) return onEnter(round, wait);
      if (round === rounds) this.kernel.stop();
      else onEnd(round);
      return undefined;
    };
    this.#gateway.datapath.wasm.runUring(0);
  }

  /** Publishes other interfaces and wakes the worker, without waiting for it. */
  publish(ifaces: typeof IFACES): void {
    void this.#gateway.publish({ ifaces });
    this.word(CTX_WOKEN, 1);
  }

  /** Returns a word of the worker's page, having set it if `value` is given. */
  word(at: number, value?: number): number {
    const { u32 } = this.#gateway.datapath.shared;
    if (value !== undefined) u32[(CTX_BASE + at) >>> 2] = value;
    return u32[(CTX_BASE + at) >>> 2] ?? 0;
  }

  counter(number: number): number {
    return this.#gateway.counter(number);
  }

  sent(field: number): number {
    const row = COUNTERS_BASE + COUNTERS_IFACES + OUTSIDE * IFACE_COUNTERS_SIZE;
    return Number(this.#gateway.datapath.view.getBigUint64(row + field, true));
  }
}

/** A datagram from the inside that is routed to the outside and carries its number. */
function packet(number: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(number);
  const ends = { src: '10.96.0.5', dst: '192.0.2.1', ...PORTS };
  return Buffer.concat([Buffer.alloc(10), buildUdp(ends, payload)]);
}

function numbersOf(writes: readonly FakeWrite[]): number[] {
  return writes.map(({ bytes }) => bytes.readUInt32BE(10 + 28));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

test('reads every port into its own slots, and takes one call for a batch', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  const waits: number[] = [];
  scene.run(3, (round, wait) => {
    waits.push(wait);
    // The first call arms the reads; those of the second find packets.
    if (round === 1) for (const n of upTo(8)) assert.ok(kernel.deliver(INSIDE, packet(n)));
    return undefined;
  });
  assert.equal([...kernel.reads.keys()], [], 'none is under way in the end');
  assert.equal(
    kernel.blocking,
    IFACES.map(({ queues: [fd] }) => fd),
  );
  assert.equal(numbersOf(kernel.writes), upTo(8));
  assert.ok(kernel.writes.every(({ fd }) => fd === OUTSIDE_FD));
  assert.equal(waits, [1, 1, 1]);
});

for (const [name, errno] of Object.entries({ EINTR, EAGAIN, EBUSY }))
  test(`a call that fails with ${name} loses nothing`, async () => {
    const scene = await Scene.open();
    const { kernel } = scene;
    scene.run(6, (round) => {
      if (round === 1) for (const n of upTo(5)) kernel.deliver(INSIDE, packet(n));
      // The one that would have written, and the one after it.
      return round === 2 || round === 3 ? { take: 0, result: -errno } : undefined;
    });
    assert.equal(numbersOf(kernel.writes), upTo(5));
    assert.is(scene.sent(IFACE_TX_PACKETS), 5);
  });

test('a ring that is broken ends the worker', async () => {
  const scene = await Scene.open();
  assert.throws(() => scene.run(3, () => ({ take: 0, result: -EBADFD })), /unreachable/);
});

test('a kernel that takes few submissions at a time gets them in order', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  scene.run(40, (round) => {
    if (round === 6) for (const n of upTo(10)) kernel.deliver(INSIDE, packet(n));
    return { take: 1 };
  });
  assert.equal(numbersOf(kernel.writes), upTo(10));
});

for (const [name, errno] of Object.entries({ EINTR, EAGAIN }))
  test(`reads that end with ${name} begin again`, async () => {
    const scene = await Scene.open();
    const { kernel } = scene;
    scene.run(5, (round) => {
      if (round === 1) kernel.failRead(INSIDE, errno);
      if (round === 3) assert.ok(kernel.deliver(INSIDE, packet(1)));
      return undefined;
    });
    assert.equal(numbersOf(kernel.writes), [1]);
    assert.is(scene.word(CTX_DEAD + 4 * INSIDE), 0);
  });

test('reads that run out of slots begin again with those that were written', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  let next = 0;
  scene.run(50, (round) => {
    if (round === 0) return undefined;
    // As many as there is room for, and one more.
    while (kernel.reads.has(INSIDE) && kernel.deliver(INSIDE, packet(next))) next++;
    return undefined;
  });
  assert.ok(next >= 200, `${next} packets`);
  assert.equal(numbersOf(kernel.writes), upTo(next));
});

test('what is read while reads are being ended is sent all the same', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  scene.run(
    3,
    () => undefined,
    (round) => {
      // The call that ends the reads.
      if (round === 4) assert.ok(kernel.deliver(INSIDE, packet(1)));
    },
  );
  assert.equal(numbersOf(kernel.writes), [1]);
});

test('a device whose reads fail for good is marked, and read again only after a wake-up', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  scene.run(6, (round) => {
    if (round === 1) kernel.failRead(INSIDE, EBADFD);
    if (round === 3) {
      assert.is(kernel.reads.has(INSIDE), false);
      assert.is(scene.word(CTX_DEAD + 4 * INSIDE), 1);
      scene.word(CTX_WOKEN, 1);
    }
    if (round === 5) {
      assert.is(scene.word(CTX_DEAD + 4 * INSIDE), 0);
      assert.ok(kernel.deliver(INSIDE, packet(1)));
    }
    return undefined;
  });
  assert.equal(numbersOf(kernel.writes), [1]);
});

test('what is shorter than a virtio-net header is dropped, and its slot is used again', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  scene.run(80, (round) => {
    if (round > 0 && kernel.reads.has(INSIDE)) kernel.deliver(INSIDE, new Uint8Array(9));
    return undefined;
  });
  assert.ok(scene.counter(DROP_TOO_SHORT) > 60, 'more than there are slots');
  assert.equal(kernel.writes, []);
});

test('writes that fail are counted by their reason, and the count is exact again after them', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  let number = 0;
  const results = [0, -EIO, -EAGAIN, -EIO, 0, 0, -EAGAIN, 0];
  kernel.resultOf = ({ bytes }) => results[bytes.readUInt32BE(38) >> 2] || bytes.length;
  scene.run(40, (round) => {
    // Four at a time: the first ones of a device that fails are counted ahead.
    if (round > 0 && round % 4 === 0 && number < results.length * 4)
      for (let n = 0; n < 4; n++) kernel.deliver(INSIDE, packet(number++));
    return undefined;
  });
  assert.is(number, 32);
  assert.is(kernel.writes.length, 32);
  assert.is(scene.counter(DROP_TX_FAILED), 8);
  assert.is(scene.counter(DROP_TX_FULL), 8);
  assert.is(scene.sent(IFACE_TX_ERRORS), 16);
  assert.is(scene.sent(IFACE_TX_PACKETS), 16);
  assert.is(scene.sent(IFACE_TX_BYTES), 16 * (BYTES - 10));
});

test('a change of devices ends all reads first, and tells which devices are held', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  const held = (id: number) => scene.word(CTX_HELD + 4 * id);
  const without = IFACES.filter(({ id }) => id !== INSIDE);
  const again = IFACES.map((iface) => (iface.id === INSIDE ? { ...iface, serial: 9 } : iface));
  scene.run(20, (round) => {
    if (round === 2) {
      assert.is(held(INSIDE), 1);
      kernel.deliver(INSIDE, packet(1));
      scene.publish(without);
    }
    if (round === 8) {
      assert.is(held(INSIDE), 0);
      assert.is(held(OUTSIDE), 1);
      assert.is(kernel.reads.has(INSIDE), false);
      scene.publish(again);
    }
    if (round === 14) {
      assert.is(held(INSIDE), 9);
      assert.ok(kernel.deliver(INSIDE, packet(2)));
    }
    return undefined;
  });
  assert.equal(numbersOf(kernel.writes), [1, 2]);
  assert.is(held(OUTSIDE), 0, 'none is held in the end');
});

test('a new device of the same interface and descriptor is told from the former', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  const datas: (bigint | undefined)[] = [];
  scene.run(10, (round) => {
    if (round === 2) {
      datas.push(kernel.reads.get(INSIDE)?.data);
      scene.publish(IFACES.map((iface) => ({ ...iface, serial: 7 })));
    }
    if (round === 8) datas.push(kernel.reads.get(INSIDE)?.data);
    return undefined;
  });
  assert.is(kernel.blocking.filter((fd) => fd === INSIDE_FD).length, 2);
  assert.is.not(datas[0], datas[1]);
});

test('a worker that spins sleeps when its time is up, and enters the kernel before only for work', async () => {
  const scene = await Scene.open();
  const { kernel } = scene;
  scene.spin(10);
  const waits: number[] = [];
  scene.run(6, (round, wait) => {
    waits.push(wait);
    // Rounds 0 and 1: it looks, and sleeps. Then there is work after five looks.
    if (round === 2) kernel.onTick(5, () => kernel.setWork(true));
    if (round === 3) {
      kernel.setWork(false);
      kernel.deliver(INSIDE, packet(1));
    }
    return undefined;
  });
  assert.equal(waits, [0, 1, 0, 0, 0, 1]);
  assert.equal(numbersOf(kernel.writes), [1]);
});

test('whatever the kernel does, each packet is written once, in order, or counted', async () => {
  const random = seededRandom(seed);
  const chance = (share: number) => random() < share * 0xffffffff;
  const scene = await Scene.open();
  const { kernel } = scene;
  let [number, refused] = [0, 0];
  kernel.resultOf = ({ bytes }) => {
    if (!chance(0.02)) return bytes.length;
    refused++;
    return -EAGAIN;
  };
  scene.run(3000, (round) => {
    if (round === 0) return undefined;
    if (kernel.reads.has(INSIDE)) {
      for (let n = random() % 20; n > 0 && kernel.deliver(INSIDE, packet(number)); n--) number++;
      if (kernel.reads.has(INSIDE) && chance(0.03)) kernel.failRead(INSIDE, EINTR);
    }
    if (chance(0.02)) scene.publish(IFACES.map((iface) => ({ ...iface, serial: 1 + (round % 3) })));
    if (chance(0.1)) return { take: 0, result: -EINTR };
    return chance(0.1) ? { take: random() % 4 } : undefined;
  });
  assert.ok(number > 5000, `${number} packets`);
  assert.equal(numbersOf(kernel.writes), upTo(number));
  assert.is(scene.sent(IFACE_TX_PACKETS), number - refused);
  assert.is(scene.counter(DROP_TX_FULL), refused);
});

test.run();
