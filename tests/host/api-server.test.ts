import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../src/api/client.js';
import { CONNTRACK_CONF_GET, CONNTRACK_LIST, type Conn } from '../../src/api/conntrack.js';
import { ApiError, ControlError } from '../../src/api/errors.js';
import { IFACE_DEL } from '../../src/api/iface.js';
import { IP4_ROUTE_LIST } from '../../src/api/route.js';
import { STATS_RESET } from '../../src/api/stats.js';
import { plainHandler, streamHandler } from '../../src/host/api-handler.js';
import { type ApiFixture, RECORDED_CONNS, startFixture } from '../support/api-fixture.js';
import { connectRaw, hex } from '../support/raw-client.js';

interface Context {
  fixture: ApiFixture;
}

const HELLO_9 = `8119feca 84000000 09000000 ${'00'.repeat(128)}`;
const HELLO_10 = `8119feca 84000000 0a000000 ${'00'.repeat(128)}`;
const CONF_GET = '0300c0c0 00000000';

/** Requests without their id, and the status and payload length of their answer. */
const PROBES: readonly (readonly [string, string, number, number])[] = [
  ['CONF_GET without HELLO', CONF_GET, 0, 32],
  ['HELLO of version 9', HELLO_9, 74, 0],
  ['HELLO of version 0', `8119feca 84000000 ${'00'.repeat(132)}`, 74, 0],
  ['HELLO of 0 bytes', '8119feca 00000000', 90, 0],
  ['HELLO of 4 bytes', '8119feca 04000000 0a000000', 90, 0],
  ['HELLO of 131 bytes', `8119feca 83000000 0a000000 ${'00'.repeat(127)}`, 90, 0],
  ['HELLO of 200 bytes', `8119feca c8000000 0a000000 ${'00'.repeat(196)}`, 0, 2],
  ['type 0xdeadbeef', 'efbeadde 00000000', 95, 0],
  ['type 0', '00000000 00000000', 95, 0],
  ['type 0xc0c00005', '0500c0c0 00000000', 95, 0],
  ['CONF_SET of 0 bytes', '0400c0c0 00000000', 90, 0],
  ['CONF_SET of 27 bytes', `0400c0c0 1b000000 ${'00'.repeat(27)}`, 90, 0],
  ['CONF_SET of 28 zeros', `0400c0c0 1c000000 ${'00'.repeat(28)}`, 0, 0],
  // The four bytes behind upstream's 28 are the modes; what follows them is nobody's yet.
  ['CONF_SET of 40 bytes', `0400c0c0 28000000 ${'00'.repeat(32)}${'ff'.repeat(8)}`, 0, 0],
  ['CONF_SET of a mode unknown', `0400c0c0 20000000 ${'00'.repeat(28)}04000000`, 22, 0],
  ['CONF_GET with stray payload', '0300c0c0 03000000 abcdef', 0, 32],
  ['FLUSH with stray payload', '0200c0c0 03000000 abcdef', 0, 0],
  ['IFACE_GET of id 999', `0300dcac 12000000 e703 ${'00'.repeat(16)}`, 19, 0],
  ['IFACE_GET of 2 bytes', '0300dcac 02000000 0200', 90, 0],
  [
    'SNAT44_ADD with a prefix of 33',
    `0400ad0b 14000000 ${'00'.repeat(8)}21${'00'.repeat(11)}`,
    22,
    0,
  ],
  ['an unknown type of 131072 bytes', `efbeadde 00000200 ${'00'.repeat(131072)}`, 95, 0],
];

const test = suite<Partial<Context>>('api server');

test.before.each(async (context) => {
  context.fixture = await startFixture(
    plainHandler(STATS_RESET, () => {
      throw new TypeError('undefined is not a counter');
    }),
    streamHandler(IP4_ROUTE_LIST, () => {
      throw new ControlError('ENODEV', 'no vrf 7');
    }),
  );
});

test.after.each(async ({ fixture }) => fixture?.close());

for (const [name, request, status, length] of PROBES) {
  test(`${name} has status ${status}, and the connection lives on`, async ({ fixture }) => {
    const client = await connectRaw(fixture?.path ?? '');
    for (const id of ['00000000', 'ffffffff']) {
      client.send(hex(id + request));
      const answer = await client.readMessage();
      assert.is(answer.id, hex(id).readUInt32LE(0));
      assert.equal([answer.status, answer.payload.length], [status, length]);
    }
    client.send(hex(`07000000 ${CONF_GET}`));
    assert.is((await client.readMessage()).id, 7);
    client.close();
  });
}

for (const length of ['01000200', 'ffffffff']) {
  test(`a payload length of 0x${length} closes the connection silently`, async ({ fixture }) => {
    const client = await connectRaw(fixture?.path ?? '');
    client.send(hex(`07000000 ${CONF_GET} 08000000 0300c0c0 ${length}`));
    const bytes = await client.readToEnd();
    assert.is(bytes.length, 44, 'what came before was answered');
    assert.match(fixture?.logged.join() ?? '', /warn client 1: payload of \d+ bytes exceeds/);
    client.close();
  });
}

test('what follows garbage is not looked at', async ({ fixture }) => {
  const client = await connectRaw(fixture?.path ?? '');
  client.send(hex('08000000 0300c0c0 ffffffff'));
  for (let i = 0; i < 1000; i++) client.send(hex(`09000000 ${CONF_GET}`));
  assert.is((await client.readToEnd()).length, 0);
  assert.is(fixture?.logged.filter((line) => line.startsWith('warn')).length, 1);
  client.close();
});

test('requests are answered however they are split', async ({ fixture }) => {
  const bytes = hex(`01000000 ${HELLO_10} 02000000 ${CONF_GET}`);
  const client = await connectRaw(fixture?.path ?? '');
  client.socket.setNoDelay();
  for (let at = 0; at <= bytes.length; at++) {
    client.send(bytes.subarray(0, at));
    await new Promise((resolve) => setImmediate(resolve));
    client.send(bytes.subarray(at));
    assert.equal([(await client.readMessage()).id, (await client.readMessage()).id], [1, 2]);
  }
  for (const byte of bytes) client.send(Buffer.of(byte));
  assert.equal([(await client.readMessage()).id, (await client.readMessage()).id], [1, 2]);
  client.close();
});

test('pipelined requests are answered in their order', async ({ fixture }) => {
  const client = await connectRaw(fixture?.path ?? '');
  const requests = [];
  for (let id = 0; id < 3000; id++) {
    const request = hex(`00000000 ${id % 3 === 0 ? '0100c0c0' : '0300c0c0'} 00000000`);
    request.writeUInt32LE(id, 0);
    requests.push(request);
  }
  client.send(Buffer.concat(requests));
  for (let id = 0; id < 3000; id++)
    for (let part = 0; part < (id % 3 === 0 ? 3 : 1); part++)
      assert.is((await client.readMessage()).id, id);
  client.close();
});

test('a client that has closed its writing side gets its answers, then the end', async ({
  fixture,
}) => {
  const client = await connectRaw(fixture?.path ?? '');
  client.socket.end(hex(`01000000 ${CONF_GET} 02000000 0100c0c0 00000000`));
  assert.is((await client.readToEnd()).length, 44 + 60 + 60 + 12);
  client.close();
});

test('half a header and the end of writing closes the connection', async ({ fixture }) => {
  const client = await connectRaw(fixture?.path ?? '');
  client.socket.end(hex('01000000 0300'));
  assert.is((await client.readToEnd()).length, 0);
  client.close();
});

test('a refusal leaves its reason for the client that was refused', async ({ fixture }) => {
  const path = fixture?.path ?? '';
  const [client, other] = [await connectRaw(path), await connectRaw(path)];
  const reason = async (of: typeof client) => {
    of.send(hex('05000000 01005c6a 00000000'));
    const { status, payload } = await of.readMessage();
    assert.is(status, 0);
    return payload.toString();
  };
  assert.is(await reason(client), '');
  client.send(hex(`06000000 0300dcac 12000000 0000 6e6f7065 ${'00'.repeat(12)}`));
  assert.is((await client.readMessage()).status, 19);
  assert.is(await reason(client), 'no interface nope');
  client.send(hex('06000000 0300dcac 02000000 0000'));
  assert.is((await client.readMessage()).status, 90);
  assert.is(await reason(client), 'IFACE_GET has 2 bytes, at least 18 are needed');
  client.send(hex('06000000 efbeadde 00000000'));
  assert.is((await client.readMessage()).status, 95);
  assert.is(await reason(client), 'there is no message 0xdeadbeef');
  client.send(hex(`06000000 ${CONF_GET}`));
  await client.readMessage();
  assert.is(await reason(client), 'there is no message 0xdeadbeef', 'the latest refused one');
  assert.is(await reason(other), '');
  client.close();
  other.close();
});

test('our own client is told why', async ({ fixture }) => {
  const client = await ApiClient.connect(fixture?.path ?? '');
  try {
    await client.call(IFACE_DEL, 2);
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof ApiError);
    assert.equal([error.code, error.text], ['ENOTSUP', 'there is no message 0xacdc0002']);
  }
  client.close();
});

test('a bug in a handler is EIO to the client and one line in the log', async ({ fixture }) => {
  const client = await connectRaw(fixture?.path ?? '');
  client.send(hex('01000000 0c00dcac 00000000'));
  assert.is((await client.readMessage()).status, 5);
  const errors = fixture?.logged.filter((line) => line.startsWith('error')) ?? [];
  assert.is(errors.length, 1);
  assert.match(errors[0] ?? '', /STATS_RESET.*undefined is not a counter/);
  assert.not.match(errors[0] ?? '', '\n');
  client.close();
});

test('a stream that is refused at once is only a terminator', async ({ fixture }) => {
  const client = await connectRaw(fixture?.path ?? '');
  client.send(hex('01000000 04000df0 04000000 07000000'));
  const { status, payload } = await client.readMessage();
  assert.equal([status, payload.length], [19, 0]);
  client.close();
});

test('100 clients at once are all answered', async ({ fixture }) => {
  const path = fixture?.path ?? '';
  const clients = await Promise.all(Array.from({ length: 100 }, () => ApiClient.connect(path)));
  const work = async (client: ApiClient) => {
    const conns: Conn[] = [];
    for (let i = 0; i < 5; i++) {
      for await (const conn of client.stream(CONNTRACK_LIST, {})) conns.push(conn);
      assert.is((await client.call(CONNTRACK_CONF_GET, {})).max, 32);
    }
    return conns;
  };
  for (const conns of await Promise.all(clients.map(work))) {
    assert.is(conns.length, 10);
    assert.equal(conns.slice(8), RECORDED_CONNS);
  }
  for (const client of clients) client.close();
});

test('clients beyond 1024 are turned away, and the others stay', async ({ fixture }) => {
  const path = fixture?.path ?? '';
  const clients = await Promise.all(Array.from({ length: 1024 }, () => connectRaw(path)));
  const late = await connectRaw(path);
  assert.is((await late.readToEnd()).length, 0);
  assert.match(fixture?.logged.join() ?? '', 'warn a client was turned away: 1024 are connected');
  for (const client of clients) client.send(hex(`01000000 ${CONF_GET}`));
  for (const client of clients) assert.is((await client.readMessage()).status, 0);
  for (const client of clients) client.close();
  late.close();
});

test.run();
