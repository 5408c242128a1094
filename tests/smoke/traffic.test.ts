import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, LAN_GATEWAY, LAN_HOST, Lab, WAN_GATEWAY, WAN_HOST } from '../support/lab.js';

const PARALLEL = 100;
/** A packet that p1 (MTU raised) takes and p0 (MTU 1500) does not. */
const BIG_PAYLOAD = 2000;

const lab = await Lab.open();
const test = suite('traffic');

test.after(async () => {
  await lab.close();
});

test('ping goes through, and its conn is shown by its identifier', async () => {
  const { stdout } = await lab.lan.exec('ping', ['-c', '3', '-i', '0.05', '-W', '2', WAN_HOST]);
  assert.match(stdout, /3 packets transmitted, 3 received, 0% packet loss/);
  const [conn] = await lab.gateway.conns(({ proto }) => proto === 'ICMP');
  if (conn === undefined) throw new Error('there is no conn');
  const { state, fwd, rev } = conn;
  assert.equal([state, fwd.src, fwd.dst], ['established', LAN_HOST, WAN_HOST]);
  assert.equal([rev.src, rev.dst], [WAN_HOST, WAN_GATEWAY]);
  assert.is(fwd.sport, fwd.dport);
  assert.is(rev.sport, rev.dport);
});

test('TCP goes both ways, and the server sees the outside address', async () => {
  const server = await lab.wanHost.call('tcpListen', 2001);
  const client = await lab.lanHost.call('tcpConnect', WAN_HOST, 2001);
  const accepted = await lab.wanHost.call('tcpAccept', server);
  assert.is(accepted.remoteAddress, WAN_GATEWAY);
  assert.is(accepted.remotePort, client.localPort, 'a free port is kept');

  await lab.lanHost.call('tcpSend', client.id, 'from inside');
  assert.is(await lab.wanHost.call('tcpReceive', accepted.id, 11), 'from inside');
  await lab.wanHost.call('tcpSend', accepted.id, 'from outside');
  assert.is(await lab.lanHost.call('tcpReceive', client.id, 12), 'from outside');
});

test('UDP goes both ways, and the server sees the outside address', async () => {
  const server = await lab.wanHost.call('udpBind', 2002);
  const client = await lab.lanHost.call('udpBind', 0);
  await lab.lanHost.call('udpSend', client.id, WAN_HOST, 2002, 'question');
  const arrival = await lab.wanHost.call('udpReceive', server.id);
  assert.equal(arrival, { address: WAN_GATEWAY, port: client.port, text: 'question' });
  await lab.wanHost.call('udpSend', server.id, WAN_GATEWAY, client.port, 'answer');
  const answer = await lab.lanHost.call('udpReceive', client.id);
  assert.equal(answer, { address: WAN_HOST, port: 2002, text: 'answer' });
});

test('a stranger outside reaches nothing inside', async () => {
  const inside = await lab.lanHost.call('udpBind', 2003);
  const stranger = await lab.wanHost.call('udpBind', 0);
  await lab.wanHost.call('udpSend', stranger.id, WAN_GATEWAY, 2003, 'hello');
  assert.is(await lab.lanHost.call('udpReceive', inside.id, 300), null);
});

test('100 connections at once each get their own answers', async () => {
  await lab.wanHost.call('tcpListen', 2004, true);
  const clients = await Promise.all(
    Array.from({ length: PARALLEL }, () => lab.lanHost.call('tcpConnect', WAN_HOST, 2004)),
  );
  const answers = await Promise.all(
    clients.map(async ({ id }, number) => {
      const text = `connection ${number}.`;
      await lab.lanHost.call('tcpSend', id, text);
      return (await lab.lanHost.call('tcpReceive', id, text.length)) === text;
    }),
  );
  assert.is(answers.filter((isRight) => isRight).length, PARALLEL);
  const conns = await lab.gateway.conns(({ fwd }) => fwd.dport === 2004);
  assert.is(conns.filter(({ state }) => state === 'established').length, PARALLEL);
  assert.is(new Set(conns.map(({ rev }) => rev.dport)).size, PARALLEL);
});

test('the gateway answers ping on both of its addresses, from both sides', async () => {
  for (const [netns, address] of [
    [lab.lan, LAN_GATEWAY],
    [lab.lan, WAN_GATEWAY],
    [lab.wan, WAN_GATEWAY],
  ] as const)
    await netns.exec('ping', ['-c', '1', '-W', '2', address]);
});

test('a packet whose TTL ends here is answered by the gateway', async () => {
  const { status, stdout } = await lab.lan.run('ping', ['-c', '1', '-t', '1', '-W', '2', WAN_HOST]);
  assert.is(status, 1);
  assert.match(stdout, new RegExp(`From ${LAN_GATEWAY}.*Time to live exceeded`));
});

test('a packet without a route is answered as unreachable', async () => {
  const { status, stdout } = await lab.lan.run('ping', ['-c', '1', '-W', '2', '192.0.2.1']);
  assert.is(status, 1);
  assert.match(stdout, new RegExp(`From ${LAN_GATEWAY}.*Destination Net Unreachable`));
});

test('a packet too big for its way that may not be fragmented says so', async () => {
  await lab.lan.exec('ip', ['link', 'set', 'dev', 'p1', 'mtu', '4000']);
  const words = ['-c', '1', '-W', '2', '-M', 'do', '-s', String(BIG_PAYLOAD), WAN_HOST];
  const { status, stdout } = await lab.lan.run('ping', words);
  await lab.lan.exec('ip', ['link', 'set', 'dev', 'p1', 'mtu', '1500']);
  assert.is(status, 1);
  assert.match(stdout, new RegExp(`From ${LAN_GATEWAY}.*Frag needed and DF set \\(mtu = 1500\\)`));
});

test('deleting an interface removes its conns and its device', async () => {
  await lab.gateway.do('interface del p0');
  assert.equal(await lab.gateway.conns(), []);
  assert.is(await lab.gateway.do('snat44 show'), '');
  await eventually('end of the device', async () => {
    const { status } = await lab.wan.run('ip', ['link', 'show', 'p0']);
    return status !== 0;
  });
});

test.run();
