import { createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../src/api/client.js';
import { CONNTRACK_CONF_GET, CONNTRACK_FLUSH, CONNTRACK_LIST } from '../../src/api/conntrack.js';
import { ApiError, ConnectionError } from '../../src/api/errors.js';
import { encodeFrame, type Frame } from '../../src/api/framing.js';
import { IFACE_GET } from '../../src/api/iface.js';
import { temporaryPath } from '../support/api-fixture.js';
import { withFakeDaemon } from '../support/fake-daemon.js';
import { hex } from '../support/raw-client.js';

const CONFIG = hex('20000000 05000000 05000000 1e000000 2c010000 78000000 1e000000 02000000');
const CONN = hex(`0200 02 06 0a630063 ac100002 9c41 04d2 ac100002 ac100001 04d2 b482
  34560000 18f52bf3ae010000 4054cf6e 04000000`);
const NOTHING = Buffer.alloc(0);

async function failureOf(promise: Promise<unknown>): Promise<ApiError | ConnectionError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ApiError || error instanceof ConnectionError) return error;
    throw error;
  }
  throw new Error('nothing failed');
}

/** Expects the promise to fail as a connection does, with words that match. */
async function losesConnection(promise: Promise<unknown>, words: RegExp): Promise<void> {
  const error = await failureOf(promise);
  assert.instance(error, ConnectionError);
  assert.match(error.message, words);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
}

const test = suite('api client');

test('says hello first, with its version', async () => {
  const { path, remove } = temporaryPath('fake.sock');
  let seen = '';
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      seen += chunk.toString('hex');
      socket.end(hex('01000000 00000000 02000000 0004'));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = await ApiClient.connect(path, { version: 'v1' });
  assert.is(
    seen,
    hex(`01000000 8119feca 84000000 0a000000 7631 ${'00'.repeat(126)}`).toString('hex'),
  );
  assert.is(client.maxIfaces, 1024);
  client.close();
  client.close();
  await new Promise((resolve) => server.close(resolve));
  remove();
});

test('nobody at the path is a failed connection', async () => {
  await losesConnection(ApiClient.connect('/nowhere/grout.sock'), /nowhere.*ENOENT/);
  await losesConnection(ApiClient.connect(`/tmp/${'x'.repeat(200)}`), /xxx/);
});

test('a daemon of another version refuses the hello', async () => {
  const { path, remove } = temporaryPath('fake.sock');
  const server = createServer((socket) => {
    socket.on('data', () => socket.write(hex('01000000 4a000000 00000000')));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const error = await failureOf(ApiClient.connect(path));
  assert.instance(error, ApiError);
  assert.match(error.message, 'Bad message');
  await new Promise((resolve) => server.close(resolve));
  remove();
});

test('a daemon that never answers is given up', async () => {
  await withFakeDaemon(
    () => {},
    async (path) => {
      const client = await ApiClient.connect(path, { timeoutMs: 50 });
      await losesConnection(client.call(CONNTRACK_CONF_GET, {}), /silent for 50 ms/);
      await losesConnection(client.call(CONNTRACK_CONF_GET, {}), /silent for 50 ms/);
    },
  );
});

test('a stream that does not end is given up', async () => {
  await withFakeDaemon(
    (socket, { id }) => socket.write(encodeFrame(id, 0, CONN)),
    async (path) => {
      const client = await ApiClient.connect(path, { timeoutMs: 50 });
      let count = 0;
      const all = async () => {
        for await (const _ of client.stream(CONNTRACK_LIST, {})) count++;
      };
      await losesConnection(all(), /silent/);
      assert.is(count, 1);
    },
  );
});

test('longer answers are read, shorter ones are EMSGSIZE', async () => {
  await withFakeDaemon(
    (socket, { id }) => {
      const payload = id === 2 ? Buffer.concat([CONFIG, Buffer.alloc(100, 1)]) : CONFIG.subarray(1);
      socket.write(encodeFrame(id, 0, payload));
    },
    async (path) => {
      const client = await ApiClient.connect(path);
      const status = await client.call(CONNTRACK_CONF_GET, {});
      assert.is(status.max, 32);
      assert.is(status.nowNs, 0x0101010101010101n);
      const error = await failureOf(client.call(CONNTRACK_CONF_GET, {}));
      assert.instance(error, ApiError);
      assert.is(error instanceof ApiError && error.code, 'EMSGSIZE');
      assert.match(error.message, 'CONNTRACK_CONF_GET has 31 bytes, not 32');
      const items = await failureOf(collect(client.stream(CONNTRACK_LIST, {})));
      assert.match(items.message, 'CONNTRACK_LIST has 31 bytes, not 48');
      client.close();
    },
  );
});

test('an answer to nothing ends the connection', async () => {
  await withFakeDaemon(
    (socket, { id }) => socket.write(encodeFrame(id + 7, 0, CONFIG)),
    async (path) => {
      const client = await ApiClient.connect(path);
      await losesConnection(client.call(CONNTRACK_CONF_GET, {}), /answered request 9/);
    },
  );
});

test('an oversized answer ends the connection', async () => {
  await withFakeDaemon(
    (socket) => socket.write(hex('02000000 00000000 01000200')),
    async (path) => {
      const client = await ApiClient.connect(path);
      await losesConnection(client.call(CONNTRACK_CONF_GET, {}), /makes no sense.*131073/);
    },
  );
});

test('a daemon that closes in mid-stream fails the stream, after its items', async () => {
  await withFakeDaemon(
    (socket, { id }) => {
      const item = encodeFrame(id, 0, CONN);
      socket.end(Buffer.concat([item, item, item.subarray(0, 30)]));
    },
    async (path) => {
      const client = await ApiClient.connect(path);
      const items: number[] = [];
      const all = async () => {
        for await (const { id } of client.stream(CONNTRACK_LIST, {})) items.push(id);
      };
      await losesConnection(all(), /closed the connection/);
      assert.equal(items, [0x6ecf5440, 0x6ecf5440]);
    },
  );
});

test('a refusal carries the errno and the reason of the daemon', async () => {
  await withFakeDaemon(
    (socket, { id, kind }) => {
      if (kind === 0x6a5c0001) socket.write(encodeFrame(id, 0, Buffer.from('busy migrating')));
      else socket.write(encodeFrame(id, 16, NOTHING));
    },
    async (path) => {
      const client = await ApiClient.connect(path);
      const error = await failureOf(client.call(CONNTRACK_FLUSH, {}));
      assert.ok(error instanceof ApiError);
      assert.equal([error.code, error.status, error.text], ['EBUSY', 16, 'busy migrating']);
      client.close();
    },
  );
});

test('a daemon that gives no reasons is asked for one once, and its errno put in words', async () => {
  const kinds: number[] = [];
  await withFakeDaemon(
    (socket, { id, kind }) => {
      kinds.push(kind);
      socket.write(encodeFrame(id, kind === 0x6a5c0001 ? 95 : 16, NOTHING));
    },
    async (path) => {
      const client = await ApiClient.connect(path);
      for (let i = 0; i < 2; i++) {
        const error = await failureOf(client.call(CONNTRACK_FLUSH, {}));
        assert.ok(error instanceof ApiError);
        assert.equal([error.code, error.text], ['EBUSY', 'Device or resource busy']);
      }
      assert.equal(kinds, [0xc0c00002, 0x6a5c0001, 0xc0c00002]);
      client.close();
    },
  );
});

test('an errno that this project never sends has its name and words too', async () => {
  await withFakeDaemon(
    (socket, { id }) => socket.write(encodeFrame(id, id === 2 ? 32 : 4242, NOTHING)),
    async (path) => {
      const client = await ApiClient.connect(path);
      const known = await failureOf(client.call(CONNTRACK_FLUSH, {}));
      assert.is(known instanceof ApiError && known.code, 'EPIPE');
      const unknown = await failureOf(client.call(CONNTRACK_FLUSH, {}));
      assert.is(unknown.message, 'unknown error 4242');
      client.close();
    },
  );
});

test('an error in mid-stream comes after the items', async () => {
  await withFakeDaemon(
    (socket, { id, kind }) => {
      if (kind === 0xc0c00001) socket.write(encodeFrame(id, 0, CONN));
      socket.write(encodeFrame(id, 5, NOTHING));
    },
    async (path) => {
      const client = await ApiClient.connect(path);
      const items = client.stream(CONNTRACK_LIST, {});
      assert.is((await items.next()).done, false);
      const error = await failureOf(items.next());
      assert.is(error instanceof ApiError && error.status, 5);
      client.close();
    },
  );
});

test('responses are found by their id, in whatever order', async () => {
  let list = 0;
  await withFakeDaemon(
    (socket, { id, kind }) => {
      if (kind === 0xc0c00001) {
        list = id;
        socket.write(encodeFrame(id, 0, CONN));
        return;
      }
      // The interface's answer overtakes the rest of the list.
      const iface = encodeFrame(id, 0, Buffer.alloc(292, 'n'));
      const rest = [encodeFrame(list, 0, CONN), encodeFrame(list, 0, NOTHING)];
      socket.write(Buffer.concat([iface, ...rest]));
    },
    async (path) => {
      const client = await ApiClient.connect(path);
      const seen: string[] = [];
      for await (const { ifaceId } of client.stream(CONNTRACK_LIST, {})) {
        if (seen.length === 0)
          seen.push((await client.call(IFACE_GET, { id: ifaceId, name: '' })).name);
        seen.push('conn');
      }
      assert.equal(seen, ['n'.repeat(16), 'conn', 'conn']);
      client.close();
    },
  );
});

test('calls made together are sent one after the other', async () => {
  let open = 0;
  await withFakeDaemon(
    (socket, { id }) => {
      assert.is(++open, 1);
      setTimeout(() => {
        open--;
        socket.write(encodeFrame(id, 0, CONFIG));
      }, 5);
    },
    async (path) => {
      const client = await ApiClient.connect(path);
      const calls = Array.from({ length: 5 }, () => client.call(CONNTRACK_CONF_GET, {}));
      assert.is((await Promise.all(calls)).length, 5);
      client.close();
    },
  );
});

test('a failed call does not hold up the next one', async () => {
  await withFakeDaemon(
    (socket, { id }) => socket.write(encodeFrame(id, id === 2 ? 22 : 0, CONFIG)),
    async (path) => {
      const client = await ApiClient.connect(path);
      const [first, second] = await Promise.allSettled([
        client.call(CONNTRACK_CONF_GET, {}),
        client.call(CONNTRACK_CONF_GET, {}),
      ]);
      assert.equal([first.status, second.status], ['rejected', 'fulfilled']);
      client.close();
    },
  );
});

/** Answers a list with more than a client holds, and anything else with a config. */
function answerMuch(socket: Socket, { id, kind }: Frame): void {
  if (kind !== 0xc0c00001) socket.write(encodeFrame(id, 0, CONFIG));
  else
    for (let i = 1; i <= 20_000; i++) socket.write(encodeFrame(id, 0, i < 20_000 ? CONN : NOTHING));
}

test('streams that are given up leave the connection usable', async () => {
  await withFakeDaemon(answerMuch, async (path) => {
    const client = await ApiClient.connect(path);
    const guard = setTimeout(() => client.close(), 2000);
    for (let i = 0; i < 3; i++) {
      for await (const _ of client.stream(CONNTRACK_LIST, {})) break;
      assert.is((await client.call(CONNTRACK_CONF_GET, {})).max, 32);
    }
    assert.is((await collect(client.stream(CONNTRACK_LIST, {}))).length, 19_999);
    clearTimeout(guard);
    client.close();
  });
});

test('a call from within a stream is answered, however much comes before', async () => {
  await withFakeDaemon(answerMuch, async (path) => {
    const client = await ApiClient.connect(path);
    const guard = setTimeout(() => client.close(), 2000);
    let count = 0;
    for await (const _ of client.stream(CONNTRACK_LIST, {}))
      if (count++ === 0) assert.is((await client.call(CONNTRACK_CONF_GET, {})).max, 32);
    assert.is(count, 19_999);
    clearTimeout(guard);
    client.close();
  });
});

test('a client that takes items slowly holds the daemon back', async () => {
  const total = 200_000;
  let written = 0;
  await withFakeDaemon(
    (socket, { id }) => {
      const many = Buffer.concat(Array.from({ length: 1000 }, () => encodeFrame(id, 0, CONN)));
      const pump = () => {
        while (written < total) {
          written += 1000;
          if (!socket.write(many)) return void socket.once('drain', pump);
        }
        socket.write(encodeFrame(id, 0, NOTHING));
      };
      pump();
    },
    async (path) => {
      const client = await ApiClient.connect(path, { timeoutMs: 1000 });
      let count = 0;
      for await (const _ of client.stream(CONNTRACK_LIST, {})) {
        if (count++ > 0) continue;
        // Longer than the time-out, which is the daemon's and not the client's own.
        await new Promise((resolve) => setTimeout(resolve, 1500));
        assert.ok(written < total / 4, `${written} items were sent ahead`);
      }
      assert.is(count, total);
      client.close();
    },
  );
});

test('closing fails what is under way', async () => {
  await withFakeDaemon(
    () => {},
    async (path) => {
      const client = await ApiClient.connect(path);
      const call = client.call(CONNTRACK_CONF_GET, {});
      setTimeout(() => client.close(), 10);
      await losesConnection(call, /closed here/);
    },
  );
});

test.run();
