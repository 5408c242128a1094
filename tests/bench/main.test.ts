import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const MAIN = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

/** Runs the benchmark, without a look at how fast anything was. */
function bench(...words: string[]) {
  return promisify(execFile)(process.execPath, [MAIN, ...words], { timeout: 60_000 });
}

/** Without options each of these is measured at two sizes. */
const ROWS = [
  'lookup-hit',
  'lookup-zipf',
  'lookup-miss',
  'insert',
  'delete',
  'hash',
  'parse',
  'checksum',
  'tcp-track',
  'packet',
  'migration',
  'ageing',
  'listing',
  'flush',
];

test('prints results of all rows as JSON and nothing else', async () => {
  const { stdout } = await bench('--json', '--conns', '16384', '--time', '1');
  const results: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(results));
  assert.equal([...new Set(results.map(({ name }) => name))], ROWS);
  for (const { name, conns, batch, nsPerOp, opsPerSec, peer, ratio } of results) {
    const what = `${name} beside ${peer}`;
    assert.is(conns, 16384, what);
    assert.ok([1, 32, 64].includes(batch), `${what}: batch ${batch}`);
    assert.ok(nsPerOp > 0 && opsPerSec > 0, `${what}: ${nsPerOp} ns, ${opsPerSec} a second`);
    assert.ok(
      Math.abs((nsPerOp * opsPerSec) / 1e9 - 1) < 0.01,
      `${what}: not each other's inverse`,
    );
    assert.ok(peer === null ? ratio === null : ratio > 0, `${what}: ratio ${ratio}`);
  }
  const peersOf = (row: string) =>
    results.filter(({ name }) => name === row).map((each) => each.peer);
  // A machine without a compiler, or DPDK, has no peer for it.
  for (const row of ['lookup-hit', 'lookup-miss', 'insert', 'delete'])
    assert.ok(peersOf(row).includes('js-map'), row);
});

for (const [name, ...words] of [
  ['a filter that leaves no row', '--filter', 'nonsense'],
  ['a number of conns that is no power of two', '--conns', '20000'],
  ['a build that is not there', '--against', 'no-such.wasm'],
  ['an option that there is not', '--nonsense'],
] as const)
  test(`refuses ${name}`, async () => {
    const error: unknown = await bench(...words).catch((cause) => cause);
    assert.ok(error instanceof Error && 'code' in error && error.code === 2, String(error));
    assert.match(String('stderr' in error && error.stderr), /^bench: .*\n$/);
  });

test.run();
