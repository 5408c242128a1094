import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LAN_HOST, LAN_NET, Lab, WAN_GATEWAY, WAN_HOST } from '../support/lab.js';

/** Replacement of the policy that covers one host only; the longest prefix decides. */
const OTHER_ADDRESS = '172.16.0.3';
const SECOND_HOST = '10.99.0.50';
const ONE_HOST = `snat44 add interface p0 subnet ${LAN_HOST}/32 replace ${OTHER_ADDRESS}`;

const lab = await Lab.open();
await lab.lan.exec('ip', ['address', 'add', `${SECOND_HOST}/24`, 'dev', 'p1']);
await lab.gateway.do(ONE_HOST);
const test = suite('policy');

test.after(async () => {
  await lab.close();
});

test('each host is translated by the most specific policy', async () => {
  const { stdout } = await lab.lan.exec('ping', ['-c', '1', '-W', '2', '-I', LAN_HOST, WAN_HOST]);
  assert.match(stdout, /1 received/);
  await lab.lan.exec('ping', ['-c', '1', '-W', '2', '-I', SECOND_HOST, WAN_HOST]);
  const conns = await lab.gateway.conns();
  const outside = (src: string) => conns.find(({ fwd }) => fwd.src === src)?.rev.dst;
  assert.is(outside(LAN_HOST), OTHER_ADDRESS);
  assert.is(outside(SECOND_HOST), WAN_GATEWAY);
});

test('deleting a policy removes its conns alone, and no private source leaks', async () => {
  const server = await lab.wanHost.call('udpBind', 2020);
  const client = await lab.lanHost.call('udpBind', 0);
  const send = (text: string) => lab.lanHost.call('udpSend', client.id, WAN_HOST, 2020, text);
  const seen: string[] = [];
  const drain = async (timeoutMs: number) => {
    for (;;) {
      const arrival = await lab.wanHost.call('udpReceive', server.id, timeoutMs);
      if (arrival === null) return;
      seen.push(arrival.address);
    }
  };
  await send('before');
  await drain(300);
  assert.equal(seen, [OTHER_ADDRESS]);

  const before = await lab.gateway.conns();
  const words = ONE_HOST.replace(' add ', ' del ');
  let isDeleted = false;
  const deletion = lab.gateway.do(words).finally(() => {
    isDeleted = true;
  });
  while (!isDeleted) await send('during');
  await deletion;
  await send('after');
  await drain(300);

  // Datagrams go on leaving all the time: first as the one address, then as the other.
  assert.is(seen[seen.length - 1], WAN_GATEWAY);
  assert.equal([...new Set(seen)], [OTHER_ADDRESS, WAN_GATEWAY]);
  const after = await lab.gateway.conns();
  assert.equal(
    after.filter(({ rev }) => rev.dst === OTHER_ADDRESS),
    [],
  );
  const others = before.filter(({ rev }) => rev.dst === WAN_GATEWAY).map(({ id }) => id);
  assert.ok(others.length > 0);
  assert.equal(
    others.filter((id) => !after.some((conn) => conn.id === id)),
    [],
  );
  assert.not.match(await lab.gateway.do('snat44 show'), /172\.16\.0\.3/);
});

test('deleting the last policy leaves plain routing', async () => {
  const server = await lab.wanHost.call('udpBind', 2021);
  await lab.gateway.do(`snat44 del interface p0 subnet ${LAN_NET} replace ${WAN_GATEWAY}`);
  assert.equal(await lab.gateway.conns(), []);
  const client = await lab.lanHost.call('udpBind', 0);
  await lab.lanHost.call('udpSend', client.id, WAN_HOST, 2021, 'plain');
  const arrival = await lab.wanHost.call('udpReceive', server.id);
  assert.is.not(arrival?.address, WAN_GATEWAY);
  assert.equal(await lab.gateway.conns(), []);
});

test.run();
