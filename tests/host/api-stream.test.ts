/* What a client costs that reads slowly, goes away, or sends anything but requests. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../src/api/client.js';
import { CONNTRACK_CONF_GET } from '../../src/api/conntrack.js';
import { ControlError } from '../../src/api/errors.js';
import { IP4_ROUTE_LIST, type Route } from '../../src/api/route.js';
import { streamHandler } from '../../src/host/api-handler.js';
import { type ApiFixture, startFixture } from '../support/api-fixture.js';
import { connectRaw, hex } from '../support/raw-client.js';

const LIST_ROUTES = hex('02000000 04000df0 04000000 00000000');
const ITEM_COUNT = 200_000;
const ROUTE: Route = {
  vrfId: 1,
  dest: { addr: '10.0.0.0', prefixLength: 8 },
  origin: 4,
  via: '10.0.0.1',
  nexthop: {
    type: 1,
    origin: 4,
    ifaceId: 2,
    vrfId: 1,
    id: 0,
    state: 2,
    flags: 2,
    af: 2,
    prefixLength: 0,
    mac: '00:00:00:00:00:00',
  },
};

const test = suite('api streams');

async function withFixture(
  items: () => AsyncIterable<Route | Buffer> | Iterable<Route | Buffer>,
  use: (fixture: ApiFixture) => Promise<void>,
): Promise<void> {
  const fixture = await startFixture(streamHandler(IP4_ROUTE_LIST, items));
  try {
    await use(fixture);
  } finally {
    await fixture.close();
  }
}

/** Waits until `isSo`; the bound leaves room for a busy machine. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!isSo()) {
    assert.ok(Date.now() < deadline, 'time-out');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a slow reader is waited for and delays nobody', async () => {
  let produced = 0;
  function* items() {
    for (; produced < ITEM_COUNT; produced++) yield ROUTE;
  }
  await withFixture(items, async ({ path }) => {
    const slow = await connectRaw(path);
    slow.socket.pause();
    slow.send(LIST_ROUTES);
    const other = await ApiClient.connect(path);
    let longestMs = 0;
    let last = -1;
    // Until production stands still: what is buffered is then all that ever will be.
    while (produced !== last) {
      last = produced;
      for (let i = 0; i < 20; i++) {
        const startMs = performance.now();
        await other.call(CONNTRACK_CONF_GET, {});
        longestMs = Math.max(longestMs, performance.now() - startMs);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // The kernel's buffers of both sides and one batch; everything would be 12.8 MB.
    assert.ok(produced * 64 < 1 << 20, `${produced} items were produced ahead`);
    assert.ok(longestMs < 500, `an answer took ${longestMs} ms`);
    slow.socket.resume();
    await slow.read(12);
    await until(() => produced === ITEM_COUNT);
    other.close();
    slow.close();
  });
});

test('a fast reader gets all of a long stream and delays nobody', async () => {
  let longestMs = 0;
  function* items() {
    for (let i = 0; i < ITEM_COUNT; i++) yield ROUTE;
  }
  await withFixture(items, async ({ path }) => {
    const [fast, other] = [await ApiClient.connect(path), await ApiClient.connect(path)];
    let isOver = false;
    const probe = async () => {
      while (!isOver) {
        const startMs = performance.now();
        await other.call(CONNTRACK_CONF_GET, {});
        longestMs = Math.max(longestMs, performance.now() - startMs);
      }
    };
    const probing = probe();
    let count = 0;
    for await (const { via } of fast.stream(IP4_ROUTE_LIST, { vrfId: 0, max: 0 }))
      if (via === ROUTE.via) count++;
    isOver = true;
    await probing;
    assert.is(count, ITEM_COUNT);
    assert.ok(longestMs < 500, `an answer took ${longestMs} ms`);
    fast.close();
    other.close();
  });
});

test('a client that asks much and reads nothing is not read from', async () => {
  let lists = 0;
  const items = () => {
    lists++;
    return Array.from({ length: 100 }, () => ROUTE);
  };
  await withFixture(items, async ({ path }) => {
    const client = await connectRaw(path);
    client.socket.pause();
    const requests = Buffer.concat(Array.from({ length: 100_000 }, () => LIST_ROUTES));
    client.send(requests);
    let last = -1;
    while (lists !== last && lists < 1000) {
      last = lists;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(lists > 0 && lists < 1000, `${lists} lists were produced for nobody`);
    assert.ok(client.socket.writableLength > requests.length / 2, 'the rest is with the client');
    client.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(lists < 1000, 'who is gone is not served');
  });
});

for (const [name, isAsync] of [
  ['synchronous', false],
  ['asynchronous', true],
] as const) {
  test(`a client that goes away ends the ${name} iteration`, async () => {
    let produced = 0;
    let wasReturned = false;
    async function* items() {
      try {
        for (; ; produced++) {
          if (isAsync) await new Promise((resolve) => setImmediate(resolve));
          yield ROUTE;
        }
      } finally {
        wasReturned = true;
      }
    }
    await withFixture(items, async ({ path, logged }) => {
      const client = await connectRaw(path);
      client.send(LIST_ROUTES);
      await client.read(1000);
      client.close();
      await until(() => wasReturned);
      assert.ok(produced > 0);
      assert.not(logged.some((line) => line.startsWith('error')));
    });
  });
}

test('closing the server ends the streams under way', async () => {
  let produced = 0;
  let wasReturned = false;
  function* items() {
    try {
      for (; ; produced++) yield ROUTE;
    } finally {
      wasReturned = true;
    }
  }
  await withFixture(items, async (fixture) => {
    const client = await connectRaw(fixture.path);
    client.socket.pause();
    client.send(LIST_ROUTES);
    await until(() => produced > 1000);
    await fixture.close();
    await until(() => wasReturned);
    client.close();
  });
});

test('an error in mid-stream sends what there was, then the status', async () => {
  function* items() {
    yield ROUTE;
    yield ROUTE;
    throw new ControlError('EBUSY', 'somebody else lists');
  }
  await withFixture(items, async ({ path }) => {
    const client = await connectRaw(path);
    client.send(Buffer.concat([LIST_ROUTES, hex('03000000 01005c6a 00000000')]));
    const seen = [];
    for (let i = 0; i < 4; i++) {
      const { id, status, payload } = await client.readMessage();
      seen.push([id, status, id === 3 ? payload.toString() : payload.length]);
    }
    assert.equal(seen, [
      [2, 0, 52],
      [2, 0, 52],
      [2, 16, 0],
      [3, 0, 'somebody else lists'],
    ]);
    client.close();
  });
});

test('encoded items are framed one by one, however many a buffer holds', async () => {
  const size = 24;
  let next = 0;
  const buffers = [0, 1, 2, 4999, 20_000].map((count) => {
    const items = Buffer.alloc(count * size, 0xa5);
    for (let i = 0; i < count; i++) items.writeUInt32LE(next++, i * size);
    return items;
  });
  await withFixture(
    () => [...buffers, ROUTE],
    async ({ path }) => {
      const client = await connectRaw(path);
      client.send(LIST_ROUTES);
      for (let i = 0; i < next; i++) {
        const { id, status, payload } = await client.readMessage();
        assert.equal([id, status, payload.length], [2, 0, size]);
        assert.is(payload.readUInt32LE(0), i);
      }
      const last = [await client.readMessage(), await client.readMessage()];
      assert.equal(
        last.map(({ payload }) => payload.length),
        [52, 0],
      );
      client.close();
    },
  );
});

test('encoded items of an impossible size are a bug', async () => {
  await withFixture(
    () => [Buffer.alloc(25)],
    async ({ path, logged }) => {
      const client = await connectRaw(path);
      client.send(LIST_ROUTES);
      assert.is((await client.readMessage()).status, 5);
      assert.match(logged.join(), /25 bytes are no multiple of an item's 24/);
      client.close();
    },
  );
});

test('10000 random frames harm nobody', async () => {
  const seed = Date.now() >>> 0;
  console.log(`seed ${seed}`);
  await withFixture(
    () => [ROUTE],
    async ({ path, logged }) => {
      const random = generator(seed);
      const bystander = await ApiClient.connect(path);
      let sent = 0;
      while (sent < 10_000) {
        const client = await connectRaw(path);
        const burst = 1 + random(200);
        for (let i = 0; i < burst; i++) client.send(randomFrame(random));
        sent += burst;
        if (random(2) === 0) client.socket.end();
        assert.is((await bystander.call(CONNTRACK_CONF_GET, {})).max, 32);
        client.close();
      }
      assert.not(logged.some((line) => line.startsWith('error')));
      bystander.close();
    },
  );
});

const TYPES = [
  0xcafe1981, 0xc0c00001, 0xc0c00002, 0xc0c00003, 0xc0c00004, 0x0bad0004, 0x0bad0006, 0xacdc0001,
  0xacdc0003, 0xacdc0004, 0xf00d0004, 0xf00d0005, 0xf00d0007, 0xfeed0007, 0x6a5c0001,
];

/** Returns a known or unknown message with random content, whose length is sometimes a lie. */
function randomFrame(random: (below: number) => number): Buffer {
  const length = random(random(10) === 0 ? 4000 : 600);
  const frame = Buffer.alloc(12 + length);
  for (let at = 12; at < frame.length; at++) frame.writeUInt8(random(256), at);
  frame.writeUInt32LE(random(2 ** 32), 0);
  const type = random(8) === 0 ? random(2 ** 32) : (TYPES[random(TYPES.length)] ?? 0);
  frame.writeUInt32LE(type, 4);
  frame.writeUInt32LE(random(50) === 0 ? random(2 ** 32) : length, 8);
  return frame;
}

/** Returns xorshift32, which repeats itself from a printed seed. */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test.run();
