import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

/** The package's root is where the tests are started from. */
const MODEL = resolve('tests/model/migration.pml');
const IS_LONG = process.env['GROUT_LONG'] === '1';
const TIMEOUT_MS = IS_LONG ? 1_200_000 : 90_000;

/** What is taken out of the protocol, and must be noticed. */
const MUTANTS = [
  { name: 'NO_RECLAIM_GRACE', what: 'a slot is reused without a grace period' },
  { name: 'NO_DELETE_BOTH', what: 'removals leave the next index alone' },
  { name: 'NO_INSERT_GRACE', what: 'the copy starts before all inserts go to both' },
  { name: 'NO_SWITCH_GRACE', what: 'writers drop the old index before all readers left it' },
  { name: 'EARLY_SWITCH', what: 'readers switch before the copy' },
  { name: 'NO_DUAL_WRITE', what: 'inserts never go to both' },
];

/** Explores every state of the model, or of a mutant; returns the verifier's report. */
function verify(define?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'grout-model-'));
  const run = (file: string, ...args: readonly string[]) =>
    execFileSync(file, args, { cwd: folder, encoding: 'utf8', timeout: TIMEOUT_MS });
  try {
    const defines = [...(define ? [`-D${define}`] : []), ...(IS_LONG ? ['-DREMOVALS=2'] : [])];
    run('spin', ...defines, '-a', MODEL);
    run('cc', '-O2', '-w', '-DSAFETY', '-DCOLLAPSE', '-DMEMLIM=4096', '-o', 'pan', 'pan.c');
    return run('./pan', '-m100000', '-w24');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const test = suite('model of migration and reclaim');

test('every reachable state keeps every property', () => {
  const report = verify();
  assert.match(report, /errors: 0$/m);
  // A search that was cut short has proved nothing.
  assert.not.match(report, /Search not completed|max search depth too small|out of memory/);
});

for (const { name, what } of MUTANTS) {
  test(`it is noticed when ${what} (${name})`, () => {
    assert.match(verify(name), /assertion violated|invalid end state/);
  });
}

test.run();
