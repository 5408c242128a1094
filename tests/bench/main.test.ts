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

test('prints results as JSON and nothing else', async () => {
  const { stdout } = await bench('--json', '--filter', 'hash');
  const results: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(results) && results.length >= 2, 'one for each size');
  for (const { name, conns, batch, nsPerOp, opsPerSec, peer, ratio } of results) {
    assert.is(name, 'hash');
    assert.ok(Number.isInteger(conns) && conns > 0, `conns ${conns}`);
    assert.is(batch, 1);
    assert.ok(nsPerOp > 0 && opsPerSec > 0, `${nsPerOp} ns, ${opsPerSec} a second`);
    // A machine without a compiler has no peer for it.
    assert.ok((peer === null && ratio === null) || (peer === 'c' && ratio > 0), `${peer} ${ratio}`);
  }
});

test('refuses a filter that leaves no row', async () => {
  const error: unknown = await bench('--filter', 'nonsense').catch((cause) => cause);
  assert.ok(error instanceof Error && 'code' in error && error.code === 2, String(error));
});

test.run();
