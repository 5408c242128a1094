import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab, WAN_HOST } from '../support/lab.js';

const WATCH_MS = 4000;
/** Settling of what start-up and the last packets leave behind: garbage collection, compilation. */
const SETTLE_MS = 1500;
const MAX_CPU_SHARE = 0.01;
const MAX_RSS_KB = 150 * 1024;

const lab = await Lab.open();
const test = suite('idle');

test.after(async () => {
  await lab.close();
});

test('an idle gateway takes under 1 % of a CPU and 150 MB', async () => {
  await lab.lan.exec('ping', ['-c', '2', '-i', '0.1', '-W', '2', WAN_HOST]);
  const { pid } = lab.gateway;
  await delay(SETTLE_MS);
  const before = cpuNs(pid);
  const startedMs = performance.now();
  await delay(WATCH_MS);
  const share = (cpuNs(pid) - before) / ((performance.now() - startedMs) * 1e6);
  assert.ok(share < MAX_CPU_SHARE, `${(share * 100).toFixed(2)} % of a CPU`);
  const rssKb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  assert.ok(rssKb < MAX_RSS_KB, `${rssKb} KB`);
});

/** Time that all threads of a process have run, user and system: fields 14 and 15 of proc(5)'s stat. */
function cpuNs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in parentheses, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 1e7; // USER_HZ is 100
}

test.run();
