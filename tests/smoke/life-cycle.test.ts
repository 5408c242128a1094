import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Conn } from '../support/gateway.js';
import { eventually, Lab, WAN_HOST } from '../support/lab.js';
import type { TcpInfo } from '../support/peer-operations.js';

/** An address of the outside network that nobody has: what is sent there is never answered. */
const NOBODY = '172.16.0.77';
/** Each time-out differs by more than a tick of ageing, so that none is taken for another. */
const TIMEOUTS = {
  'closed-timeout': 2,
  'new-timeout': 4,
  'established-udp-timeout': 6,
  'half-close-timeout': 8,
  'time-wait-timeout': 10,
  'established-tcp-timeout': 12,
} as const;
/** Ageing ticks once a second; what is seen goes through grcli, on a machine that is not idle. */
const LATE_SEC = 2;

const lab = await Lab.open();
const test = suite('life-cycle');

test.after(async () => {
  await lab.close();
});

interface Pair {
  readonly client: TcpInfo;
  readonly server: TcpInfo;
}

async function open(port: number): Promise<Pair> {
  const listener = await lab.wanHost.call('tcpListen', port);
  const client = await lab.lanHost.call('tcpConnect', WAN_HOST, port);
  const server = await lab.wanHost.call('tcpAccept', listener);
  return { client, server };
}

const isTo =
  (port: number) =>
  ({ fwd }: Conn) =>
    fwd.dport === port;

function reaches(port: number, state: string): Promise<Conn> {
  return eventually(`conn to port ${port} in ${state}`, async () =>
    (await lab.gateway.conns(isTo(port))).find((conn) => conn.state === state),
  );
}

test('the client closes first: fin_wait, then time_wait', async () => {
  const { client, server } = await open(3001);
  await reaches(3001, 'established');
  await lab.lanHost.call('tcpFinish', client.id);
  await reaches(3001, 'fin_wait');
  await lab.wanHost.call('tcpSend', server.id, 'still open this way');
  assert.is(await lab.lanHost.call('tcpReceive', client.id, 19), 'still open this way');
  await lab.wanHost.call('tcpFinish', server.id);
  assert.is(await lab.lanHost.call('tcpEnding', client.id), 'end');
  await reaches(3001, 'time_wait');
});

test('the server closes first: close_wait, then time_wait', async () => {
  const { client, server } = await open(3002);
  await lab.wanHost.call('tcpFinish', server.id);
  await reaches(3002, 'close_wait');
  await lab.lanHost.call('tcpSend', client.id, 'still open this way');
  assert.is(await lab.wanHost.call('tcpReceive', server.id, 19), 'still open this way');
  await lab.lanHost.call('tcpFinish', client.id);
  await reaches(3002, 'time_wait');
});

for (const [number, end] of ['client', 'server'].entries()) {
  const port = 3003 + number;
  test(`a RST of the ${end} closes`, async () => {
    const { client, server } = await open(port);
    if (end === 'client') await lab.lanHost.call('tcpReset', client.id);
    else await lab.wanHost.call('tcpReset', server.id);
    const ending =
      end === 'client'
        ? lab.wanHost.call('tcpEnding', server.id)
        : lab.lanHost.call('tcpEnding', client.id);
    assert.is(await ending, 'error ECONNRESET');
    await reaches(port, 'closed');
  });
}

test('a refused connection is closed by the RST', async () => {
  let message = '';
  await lab.lanHost.call('tcpConnect', WAN_HOST, 3005).catch((error: Error) => {
    message = error.message;
  });
  assert.is(message, 'ECONNREFUSED');
  await reaches(3005, 'closed');
});

test('a conn expires in the time of its own state', async () => {
  await lab.gateway.do('conntrack flush');
  const words = Object.entries(TIMEOUTS).map(([name, sec]) => `${name} ${sec}`);
  await lab.gateway.do(`conntrack config set ${words.join(' ')}`);

  const closed = await open(3010);
  const finWait = await open(3012);
  const closeWait = await open(3013);
  const timeWait = await open(3014);
  await open(3015);
  const udp = await lab.lanHost.call('udpBind', 0);
  await lab.wanHost.call('udpBind', 3016, true);

  // From here on nothing is sent but this.
  await lab.lanHost.call('tcpReset', closed.client.id);
  await lab.lanHost.call('tcpFinish', finWait.client.id);
  await lab.wanHost.call('tcpFinish', closeWait.server.id);
  await lab.lanHost.call('tcpFinish', timeWait.client.id);
  await lab.wanHost.call('tcpFinish', timeWait.server.id);
  await lab.lanHost.call('udpSend', udp.id, WAN_HOST, 3016, 'replied');
  await lab.lanHost.call('udpReceive', udp.id);
  await lab.lanHost.call('udpSend', udp.id, NOBODY, 3017, 'unreplied');
  // The client gives up before its SYN is sent again.
  await lab.lanHost.call('tcpConnect', NOBODY, 3018, 300).catch(() => undefined);

  const expected = new Map<number, { state: string; sec: number }>([
    [3010, { state: 'closed', sec: TIMEOUTS['closed-timeout'] }],
    [3012, { state: 'fin_wait', sec: TIMEOUTS['half-close-timeout'] }],
    [3013, { state: 'close_wait', sec: TIMEOUTS['half-close-timeout'] }],
    [3014, { state: 'time_wait', sec: TIMEOUTS['time-wait-timeout'] }],
    [3015, { state: 'established', sec: TIMEOUTS['established-tcp-timeout'] }],
    [3016, { state: 'established', sec: TIMEOUTS['established-udp-timeout'] }],
    [3017, { state: 'new', sec: TIMEOUTS['new-timeout'] }],
    [3018, { state: 'new', sec: TIMEOUTS['new-timeout'] }],
  ]);
  const startedMs = performance.now();
  const states = new Map((await lab.gateway.conns()).map((conn) => [conn.fwd.dport, conn.state]));
  assert.equal(
    [...expected.keys()].map((port) => `${port} ${states.get(port)}`),
    [...expected].map(([port, { state }]) => `${port} ${state}`),
  );

  const goneSec = new Map<number, number>();
  await eventually(
    'end of all conns',
    async () => {
      const conns = await lab.gateway.conns();
      const nowSec = (performance.now() - startedMs) / 1000;
      for (const port of expected.keys())
        if (!goneSec.has(port) && !conns.some(isTo(port))) goneSec.set(port, nowSec);
      return goneSec.size === expected.size;
    },
    20_000,
  );
  for (const [port, { state, sec }] of expected) {
    const took = goneSec.get(port) ?? Number.POSITIVE_INFINITY;
    // The last packet went up to a second before the clock here was started.
    assert.ok(took >= sec - 1.5 && took <= sec + LATE_SEC, `${state} (${port}) took ${took} s`);
  }
});

test.run();
