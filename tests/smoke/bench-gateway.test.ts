// That the race runs and says what it has to. How fast anybody was is no test's business.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { requireTun } from '../support/netns.js';

const MAIN = fileURLToPath(new URL('../../scripts/bench-gateway.js', import.meta.url));

const all = suite('bench gateway');
const test = (await requireTun('bench gateway')) ? all : all.skip;

function race(...words: string[]) {
  return promisify(execFile)(process.execPath, [MAIN, ...words], { timeout: 60_000 });
}

test('runs every candidate and prints figures and ratios as JSON', async () => {
  const { stdout } = await race('--json', '--quick', '--trials', 'ping');
  const rows: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(rows));
  for (const row of rows) {
    assert.equal(Object.keys(row), [
      ...['measure', 'candidate', 'value', 'unit', 'reference', 'ratio'],
    ]);
    assert.ok(row.value > 0 && row.ratio > 0, JSON.stringify(row));
    if (row.reference === row.candidate) assert.is(row.ratio, 1);
  }
  const names = (key: string) => [...new Set(rows.map((row) => row[key]))].sort();
  assert.equal(names('measure'), ['ping']);
  for (const name of ['ours-poll', 'kernel']) assert.ok(names('candidate').includes(name), name);
  assert.ok(names('reference').includes('kernel'));
});

test('prints a table that holds ours against their goals', async () => {
  const { stdout } = await race('--quick', '--only', 'ours-poll,copy', '--trials', 'ping');
  assert.match(stdout, /^round trip, ping -f +us +[\d.]+/m);
  assert.match(stdout, /commit /);
});

test('refuses words that leave nothing to do', async () => {
  for (const words of [
    ['--trials', 'tcp-1,nonsense'],
    ['--only', 'nonsense'],
    ['--rounds', '0'],
  ]) {
    const error: unknown = await race(...words).catch((cause) => cause);
    assert.ok(error instanceof Error && 'code' in error && error.code === 2, String(error));
  }
});

all.run();
