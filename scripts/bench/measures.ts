import { setTimeout as delay } from 'node:timers/promises';
import { WAN_HOST } from '../../tests/support/lab.js';
import type { Router } from './routers.js';

/** One figure of a router. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  /** Decimals worth printing. */
  readonly digits: number;
  take(router: Router, isQuick: boolean): Promise<number>;
}

/** What iperf3 -J tells that is used here; the client's view. */
interface Report {
  readonly end: {
    readonly sum_received?: { readonly bits_per_second: number; readonly bytes: number };
    readonly sum?: {
      readonly packets: number;
      readonly lost_packets: number;
      readonly seconds: number;
    };
  };
  readonly error?: string;
}

const SECONDS = 4;
const SECONDS_QUICK = 1;
const PINGS = 2000;
const PINGS_QUICK = 200;
/** CPU seconds per GB of the latest one-stream run of ours, taken along with it. */
const cpuPerGb = new WeakMap<Router, number>();

export const MEASURES: readonly Measure[] = [
  {
    name: 'TCP, 1 stream',
    unit: 'Gbit/s',
    digits: 2,
    take: async (router, isQuick) => {
      const before = router.cpuSec();
      const { end } = await iperf(router, isQuick, ['-P', '1']);
      const gigabytes = (end.sum_received?.bytes ?? Number.NaN) / 1e9;
      cpuPerGb.set(router, (router.cpuSec() - before) / gigabytes);
      return gbits(end);
    },
  },
  {
    name: 'gateway CPU, 1 stream',
    unit: 's/GB',
    digits: 2,
    take: async (router) => cpuPerGb.get(router) ?? Number.NaN,
  },
  {
    name: 'TCP, 4 streams',
    unit: 'Gbit/s',
    digits: 2,
    take: async (router, isQuick) => gbits((await iperf(router, isQuick, ['-P', '4'])).end),
  },
  {
    name: 'UDP, 64-byte packets received',
    unit: 'kpps',
    digits: 0,
    // 36 bytes behind 28 of headers, as fast as the sender can.
    take: async (router, isQuick) => {
      const { end } = await iperf(router, isQuick, ['-u', '-b', '0', '-l', '36']);
      if (end.sum === undefined) return Number.NaN;
      return (end.sum.packets - end.sum.lost_packets) / end.sum.seconds / 1000;
    },
  },
  {
    name: 'round trip, ping -f',
    unit: 'us',
    digits: 0,
    take: async ({ lan }, isQuick) => {
      const count = String(isQuick ? PINGS_QUICK : PINGS);
      const args = ['-f', '-q', '-c', count, '-W', '2', WAN_HOST];
      const { stdout } = await lan.exec('ping', args, { timeout: 60_000 });
      // rtt min/avg/max/mdev = 0.020/0.031/0.350/0.010 ms
      return Number(/= [\d.]+\/([\d.]+)\//.exec(stdout)?.[1]) * 1000;
    },
  },
];

function gbits(end: Report['end']): number {
  return (end.sum_received?.bits_per_second ?? Number.NaN) / 1e9;
}

/** Runs iperf3 from the LAN to the outside host and returns its report. */
async function iperf(
  { lan, wan }: Router,
  isQuick: boolean,
  words: readonly string[],
): Promise<Report> {
  const seconds = isQuick ? SECONDS_QUICK : SECONDS;
  const timeout = (seconds + 20) * 1000;
  const server = wan.exec('iperf3', ['-s', '-1'], { timeout });
  server.catch(() => undefined); // awaited below
  while ((await wan.exec('ss', ['-Hltn', 'sport', '=', ':5201'])).stdout === '') await delay(20);
  const args = ['-c', WAN_HOST, '-t', String(seconds), '-J', ...words];
  const { stdout, stderr } = await lan.run('iperf3', args, { timeout });
  await server;
  // iperf3's own report; what is missing of it becomes NaN in the figures.
  const report = JSON.parse(stdout) as Report;
  if (report.error !== undefined) throw new Error(`iperf3: ${report.error} ${stderr}`);
  return report;
}
