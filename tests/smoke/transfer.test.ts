import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, WAN_HOST } from '../support/lab.js';

const FILE_BYTES = 200 * 1024 * 1024;
const IPERF_SEC = 6;
const STREAMS = 4;
const IDLE_CONNS = 50;
/** Each is reached under traffic; the first grows the conn index, the second shrinks it. */
const MAXIMA = [65536, 4096];

const lab = await Lab.open();
const test = suite('transfer');

test.after(async () => {
  await lab.close();
});

test('a download of 200 MB arrives byte for byte', async () => {
  const expected = await lab.wanHost.call('httpServe', 8080, FILE_BYTES);
  const script = `curl -sS --fail --max-time 60 http://${WAN_HOST}:8080/ | sha256sum`;
  const { stdout } = await lab.lan.exec('sh', ['-c', script], { timeout: 70_000 });
  assert.is(stdout.split(' ')[0], expected);
});

test('changing max under traffic loses no connection', async () => {
  await lab.wanHost.call('tcpListen', 2010, true);
  const idle = await Promise.all(
    Array.from({ length: IDLE_CONNS }, () => lab.lanHost.call('tcpConnect', WAN_HOST, 2010)),
  );
  const server = lab.wan.exec('iperf3', ['-s', '-1'], { timeout: 30_000 });
  // The server needs a moment to listen; iperf3 itself does not wait for it.
  const command = `until nc="$(ss -Hltn sport = :5201)" && [ -n "$nc" ]; do sleep 0.02; done`;
  await lab.wan.exec('sh', ['-c', command]);
  const words = ['-c', WAN_HOST, '-t', String(IPERF_SEC), '-P', String(STREAMS), '-J'];
  const client = lab.lan.run('iperf3', words, { timeout: 30_000 });

  const isOpen = () =>
    lab.gateway.conns(({ fwd, state }) => fwd.dport === 5201 && state === 'established');
  while ((await isOpen()).length < STREAMS + 1);
  const idsBefore = new Set((await lab.gateway.conns()).map(({ id }) => id));
  for (const max of MAXIMA) {
    await lab.gateway.do(`conntrack config set max ${max}`);
    assert.match(await lab.gateway.do('conntrack config show'), new RegExp(`^max ${max}$`, 'm'));
    const idsNow = new Set((await lab.gateway.conns()).map(({ id }) => id));
    assert.equal(
      [...idsBefore].filter((id) => !idsNow.has(id)),
      [],
      `lost at max ${max}`,
    );
    for (const [number, { id }] of idle.entries()) {
      await lab.lanHost.call('tcpSend', id, `ping ${number}`);
      const answer = await lab.lanHost.call('tcpReceive', id, `ping ${number}`.length);
      assert.is(answer, `ping ${number}`, `connection ${number} at max ${max}`);
    }
  }

  const { status, stdout } = await client;
  await server;
  const report: unknown = JSON.parse(stdout);
  assert.is(status, 0, stdout.slice(-300));
  assert.not.ok(typeof report === 'object' && report !== null && 'error' in report, stdout);
});

test('max cannot go below what is in use, and nothing is changed then', async () => {
  const used = (await lab.gateway.conns()).length;
  assert.ok(used >= IDLE_CONNS);
  const before = await lab.gateway.do('conntrack config show');
  const refused = await lab.gateway.cli('conntrack config set max 10 closed-timeout 77');
  assert.is(refused.status, 1);
  assert.match(refused.stderr, /max 10 is below the \d+ connections in use/);
  assert.not.match(await lab.gateway.do('conntrack config show'), /closed-timeout 77/);
  assert.match(before, /^closed-timeout 5$/m);
});

test('flush empties the table under traffic, and traffic goes on', async () => {
  await lab.wanHost.call('udpBind', 2011, true);
  const client = await lab.lanHost.call('udpBind', 0);
  const ask = async (text: string) => {
    await lab.lanHost.call('udpSend', client.id, WAN_HOST, 2011, text);
    return (await lab.lanHost.call('udpReceive', client.id))?.text;
  };
  assert.is(await ask('before'), 'before');
  const ids = new Set((await lab.gateway.conns()).map(({ id }) => id));
  await lab.wanHost.call('sinkOpen', 2012);
  const { id } = await lab.lanHost.call('tcpConnect', WAN_HOST, 2012);
  await lab.lanHost.call('pumpStart', id);

  await lab.gateway.do('conntrack flush');
  const left = await lab.gateway.conns((conn) => ids.has(conn.id));
  assert.equal(left, []);
  for (const text of ['one', 'two', 'three']) assert.is(await ask(text), text);
  await lab.wanHost.call('tcpListen', 2013, true);
  const fresh = await lab.lanHost.call('tcpConnect', WAN_HOST, 2013);
  await lab.lanHost.call('tcpSend', fresh.id, 'after');
  assert.is(await lab.lanHost.call('tcpReceive', fresh.id, 5), 'after');
});

test.run();
