import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  COUNT_BURSTS,
  COUNT_FORWARDED,
  CTL_SPIN_NS,
  CTX_BASE,
  CTX_DEAD,
  DROP_TOO_SHORT,
  DROP_TX_FAILED,
  DROP_TX_FULL,
  IFACE_RX_DROPS,
  IFACE_TX_BYTES,
  IFACE_TX_ERRORS,
  IFACE_TX_PACKETS,
} from '../../../assembly/layout.js';
import {
  AF_UNIX,
  closeFd,
  O_CLOEXEC,
  O_NONBLOCK,
  openSocketPair,
  SOCK_SEQPACKET,
  writeFd,
} from '../../../src/tun/sys.js';
import { DatapathRig, waitUntil } from '../../support/datapath-rig.js';
import { possibleIos } from '../../support/ios.js';
import { buildUdp } from '../../support/packets.js';
import {
  type Bench,
  checkForwards,
  cpuMsDuring,
  LEFT,
  RIGHT,
  udp,
  withBench as withAnyBench,
} from '../../support/pair-bench.js';

const all = suite('loop');

for (const io of possibleIos('loop')) {
  const test = (name: string, body: () => Promise<void>) => all(`${io}: ${name}`, body);
  const withBench = (body: (bench: Bench) => Promise<void>) => withAnyBench(body, 1, io);

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
    'large packets come in small bursts, which stay in cache',
    withBench(async (bench) => {
      const { rig } = bench;
      const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
      let sent = 0;
      while (sent < 30 && left.peer.send(udp(LEFT, RIGHT, Buffer.alloc(60_000)))) sent++;
      assert.ok(sent > 3, `${sent} packets fitted`);
      await rig.publish([left.port, right.port]);
      const takeAll = async () => {
        for (let packet = 0; packet < sent; packet++)
          assert.ok((await right.peer.next(3000)) !== undefined);
      };
      await takeAll();
      // An io_uring reads ahead, as many as the latest packets suggest: the second lot counts.
      const before = rig.counter(COUNT_BURSTS);
      for (let packet = 0; packet < sent; packet++)
        await waitUntil('room', () => left.peer.send(udp(LEFT, RIGHT, Buffer.alloc(60_000))));
      await takeAll();
      // The third packet of 60 KB is the one that exceeds 128 KiB.
      const bursts = rig.counter(COUNT_BURSTS) - before;
      assert.ok(bursts >= sent / 3, `${bursts} bursts for ${sent} packets`);
    }),
  );

  test('a worker that never sleeps lets grace periods pass', async () => {
    const rig = new DatapathRig(1, io);
    // What leaves one interface arrives on the other, until its time to live is up.
    const [near, far] = openSocketPair(AF_UNIX, SOCK_SEQPACKET | O_NONBLOCK | O_CLOEXEC);
    try {
      const left = { id: LEFT, mtu: 1500, queues: [near] };
      const right = { id: RIGHT, mtu: 1500, queues: [far] };
      await rig.publish([left, right]);
      const ends = { src: '10.2.0.1', dst: '10.3.0.1', sport: 1, dport: 2 };
      const packet = Buffer.concat([Buffer.alloc(10), buildUdp({ ...ends, ttl: 255 })]);
      const circling = 200;
      for (let sent = 0; sent < circling; sent++) assert.is(writeFd(far, packet), packet.length);
      await waitUntil('packets that circle', () => rig.counter(COUNT_FORWARDED) > circling);
      await rig.publish([left, right]);
      const forwarded = rig.counter(COUNT_FORWARDED);
      assert.ok(forwarded < circling * 254, `${forwarded} hops: the worker was already asleep`);
    } finally {
      await rig.close();
      closeFd(near);
      closeFd(far);
    }
  });

  test(
    'a worker that spins before it sleeps moves packets, lets grace periods pass, and stops',
    withBench(async (bench) => {
      const { rig } = bench;
      Atomics.store(rig.shared.u32, CTL_SPIN_NS >>> 2, 2_000_000_000);
      const [left, right] = [bench.open(LEFT), bench.open(RIGHT)];
      for (let round = 0; round < 20; round++) {
        await rig.publish([left.port, right.port]);
        await checkForwards(left.peer, LEFT, right.peer, RIGHT, `round ${round}`);
      }
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
      assert.is(rig.counter(DROP_TX_FULL), lost());
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
}

all.run();
