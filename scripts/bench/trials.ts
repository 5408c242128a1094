// What a router is put through. Each trial starts its programs anew and leaves nothing behind.
//
// Datagrams and pings are pinned, the router's process to one core and what makes the traffic to the
// other, as the scheduler's choice alone moves their figures threefold. Streams are not: with sender,
// router and receiver on two cores, every pinning favours somebody.
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { WAN_HOST } from '../../tests/support/lab.js';
import type { FigureName, Found } from './figures.js';
import { cpuSec, pin, ROUTER_CORE, type Router, TRAFFIC_CORE } from './router.js';

/** How long trials are, and what they use. */
export interface TrialOptions {
  readonly seconds: number;
  readonly pings: number;
  /** Programs of scripts/bench/native; undefined where there is no compiler. */
  readonly flood: string | undefined;
  readonly connections: string | undefined;
}

/** Puts a router through something and returns what was found. */
export type Trial = (router: Router, options: TrialOptions) => Promise<Found>;

/** Bytes of IPv4 and UDP header. */
const UDP_HEADERS = 28;
const FLOOD_PORT = 5001;
const IPERF_PORT = 5201;
const CONNECTIONS_PORT = 5003;
/** The sink believes that all is over after this long without a datagram. */
const SILENCE_MS = 300;
/** Share of the peak at which nothing may be lost. */
const PACED = 0.8;
const PING_INTERVAL_SEC = 0.005;
const SLACK_MS = 20_000;

/** All trials by name, in the order of a round. */
export const TRIALS: ReadonlyMap<string, Trial> = new Map<string, Trial>([
  ['tcp-1', tcpOneStream],
  ['tcp-4', tcpTrial('tcp-4', ['-P', '4'])],
  ['tcp-4-reverse', tcpTrial('tcp-4-reverse', ['-P', '4', '-R'])],
  ['udp-64', smallDatagrams],
  ['udp-1400', largeDatagrams],
  ['ping', roundTrip],
  ['connections', newConnections],
  ['loaded-rtt', loadedRoundTrip],
]);

async function tcpOneStream(router: Router, options: TrialOptions): Promise<Found> {
  const { pid } = router;
  const before = pid === undefined ? 0 : cpuSec(pid);
  const { bits_per_second, bytes } = await iperf(router, options, ['-P', '1']);
  const found: Found = { 'tcp-1': bits_per_second / 1e9 };
  if (pid !== undefined) found['cpu-per-gb'] = (cpuSec(pid) - before) / (bytes / 1e9);
  return found;
}

function tcpTrial(name: FigureName, words: readonly string[]): Trial {
  return async (router, options) => {
    const { bits_per_second } = await iperf(router, options, words);
    return { [name]: bits_per_second / 1e9 };
  };
}

async function smallDatagrams(router: Router, options: TrialOptions): Promise<Found> {
  if (options.flood === undefined) return {};
  return pinned(router, async () => {
    const { pid } = router;
    const before = pid === undefined ? 0 : cpuSec(pid);
    const { received, ms } = await flood(router, options, 64, 0);
    const found: Found = { 'udp-64': received / ms };
    if (pid !== undefined) found['cpu-per-packet'] = ((cpuSec(pid) - before) * 1e6) / received;
    const paced = await flood(router, options, 64, PACED * (received / ms) * 1000);
    found['loss-at-0.8'] = (100 * (paced.sent - paced.received)) / paced.sent;
    return found;
  });
}

async function largeDatagrams(router: Router, options: TrialOptions): Promise<Found> {
  if (options.flood === undefined) return {};
  return pinned(router, async () => {
    const { received, ms } = await flood(router, options, 1400, 0);
    return { 'udp-1400': received / ms };
  });
}

async function roundTrip(router: Router, { pings }: TrialOptions): Promise<Found> {
  return pinned(router, async () => {
    const args = ['-f', '-q', '-c', String(pings), '-W', '2', WAN_HOST];
    const [command, words] = onCore(TRAFFIC_CORE, 'ping', args);
    const { stdout } = await router.lan.exec(command, words, { timeout: 60_000 });
    // rtt min/avg/max/mdev = 0.020/0.031/0.350/0.010 ms
    return { ping: Number(/= [\d.]+\/([\d.]+)\//.exec(stdout)?.[1]) * 1000 };
  });
}

async function newConnections(router: Router, options: TrialOptions): Promise<Found> {
  const { connections, seconds } = options;
  if (connections === undefined) return {};
  await router.forget();
  const server = router.wan.spawn(connections, ['serve', String(CONNECTIONS_PORT)]);
  try {
    await firstOutput(server);
    const words = ['open', WAN_HOST, String(CONNECTIONS_PORT), String(seconds * 1000)];
    const { stdout } = await router.lan.exec(connections, words, { timeout: SLACK_MS });
    const { closed, failed, ms } = JSON.parse(stdout);
    if (failed > 0)
      console.error(`${router.name}: ${failed} connections failed, ${closed} did not`);
    return { connections: (closed / ms) * 1000 };
  } finally {
    server.kill('SIGKILL');
    await router.forget();
  }
}

async function loadedRoundTrip(router: Router, options: TrialOptions): Promise<Found> {
  const count = Math.floor((options.seconds * 0.8) / PING_INTERVAL_SEC);
  const streaming = iperf(router, options, ['-P', '1']);
  streaming.catch(() => undefined); // awaited below
  await delay(options.seconds * 100);
  const args = ['-i', String(PING_INTERVAL_SEC), '-c', String(count), '-W', '2', WAN_HOST];
  const { stdout } = await router.lan.exec('ping', args, { timeout: SLACK_MS });
  await streaming;
  const times = [...stdout.matchAll(/ time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000);
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { 'loaded-rtt-50': at(0.5), 'loaded-rtt-99': at(0.99) };
}

/** Runs `body` with the router's process on a core of its own, if there are cores and a process. */
async function pinned(router: Router, body: () => Promise<Found>): Promise<Found> {
  const { pid } = router;
  if (pid === undefined || availableParallelism() < 2) return body();
  await pin(pid, String(ROUTER_CORE));
  try {
    return await body();
  } finally {
    await pin(pid, `0-${availableParallelism() - 1}`);
  }
}

/** Returns a command that runs on one core. */
function onCore(core: number, command: string, args: readonly string[]): [string, string[]] {
  if (availableParallelism() < 2) return [command, [...args]];
  return ['taskset', ['-c', String(core), command, ...args]];
}

/** Floods the outside host with packets of `bytes`, at a rate per second or, with 0, at any. */
async function flood(
  { lan, wan }: Router,
  { flood: program = '', seconds }: TrialOptions,
  bytes: number,
  rate: number,
): Promise<{ sent: number; received: number; ms: number }> {
  const port = String(FLOOD_PORT);
  const sink = wan.spawn(...onCore(TRAFFIC_CORE, program, ['sink', port, String(SILENCE_MS)]));
  let output = '';
  sink.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = once(sink, 'close');
  await firstOutput(sink);
  const size = String(bytes - UDP_HEADERS);
  const words = ['send', WAN_HOST, port, size, String(rate), String(seconds * 1000)];
  const { stdout } = await lan.exec(...onCore(TRAFFIC_CORE, program, words), { timeout: SLACK_MS });
  await ended;
  const { received, ms } = JSON.parse(output.slice(output.indexOf('{')));
  return { sent: JSON.parse(stdout).sent, received, ms };
}

/** Runs iperf3 from the LAN to the outside host and returns what was received. */
async function iperf(
  { name, lan, wan }: Router,
  { seconds }: TrialOptions,
  words: readonly string[],
): Promise<{ bits_per_second: number; bytes: number }> {
  const timeout = seconds * 1000 + SLACK_MS;
  const server = wan.exec('iperf3', ['-s', '-1'], { timeout });
  server.catch(() => undefined); // awaited below
  const listening = ['-Hltn', 'sport', '=', `:${IPERF_PORT}`];
  while ((await wan.exec('ss', listening)).stdout === '') await delay(20);
  const args = ['-c', WAN_HOST, '-t', String(seconds), '-J', ...words];
  const { stdout, stderr } = await lan.run('iperf3', args, { timeout });
  await server;
  const { end, error } = JSON.parse(stdout);
  if (error !== undefined) throw new Error(`${name}: iperf3: ${error} ${stderr}`);
  return end.sum_received;
}

async function firstOutput(child: ReturnType<Router['lan']['spawn']>): Promise<void> {
  if (child.stdout === null) throw new Error('a program without an output');
  await once(child.stdout, 'data', { signal: AbortSignal.timeout(SLACK_MS) });
}
