/**
 * Runs test files, each in a process of its own, and sums up.
 *
 * uvu has no time-outs, is content with zero tests, and a leaked handle of one file hangs all; a
 * process per file bounds each, names the culprit and keeps files independent. Unit tests run on
 * both WebAssembly builds, as many at once as there are cores; smoke tests use real devices and
 * clocks, so one at a time; models are checked once, by programs of their own. The last line is `N passed, N failed`, where a file that crashed, hung
 * or held no test counts as a failure.
 *
 *   run-tests.js [unit] [model] [smoke] [--long] [--only WORD]
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { missingCommands, smokeCommand } from './smoke-needs.js';

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

interface Job {
  readonly path: string;
  readonly title: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutSec: number;
  readonly command: readonly string[];
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TESTS = join(ROOT, 'dist/tests');
const SMOKE = join(TESTS, 'smoke');
const MODEL = join(TESTS, 'model');
const MODEL_COMMANDS = ['spin', 'cc'];
const GROUPS = ['unit', 'model', 'smoke'];
const UNIT_TIMEOUT_SEC = 120;
const SMOKE_TIMEOUT_SEC = 180;
/** How much longer `--long` may take. */
const LONG_FACTOR = 15;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { long: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
for (const word of positionals) {
  if (!GROUPS.includes(word)) fail(`${word} is not one of: ${GROUPS.join(', ')}`);
}
const wants = (group: string) => positionals.length === 0 || positionals.includes(group);

const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.js') && path.includes(values.only))
  .map((path) => join(TESTS, path))
  .sort();
const smokeFiles = files.filter((path) => path.startsWith(SMOKE));
const modelFiles = files.filter((path) => path.startsWith(MODEL));
const unitFiles = files.filter((path) => !smokeFiles.includes(path) && !modelFiles.includes(path));

const outcomes: Outcome[] = [];
if (wants('unit')) {
  for (const build of ['debug', 'release']) {
    console.log(`\n-- unit tests on the ${build} build`);
    outcomes.push(...(await runAll(unitFiles.map(unitJob(build)), availableParallelism())));
  }
}
if (wants('model') && modelFiles.length > 0) {
  console.log('\n-- models');
  const missing = missingCommands(MODEL_COMMANDS);
  if (missing === undefined)
    outcomes.push(...(await runAll(modelFiles.map(jobOf(SMOKE_TIMEOUT_SEC, [])), 1)));
  else outcomes.push(...leaveOut('model', modelFiles.length, missing));
}
if (wants('smoke') && smokeFiles.length > 0) {
  console.log('\n-- smoke tests');
  const needs = smokeCommand();
  if ('command' in needs)
    outcomes.push(...(await runAll(smokeFiles.map(jobOf(SMOKE_TIMEOUT_SEC, needs.command)), 1)));
  else outcomes.push(...leaveOut('smoke', smokeFiles.length, needs.missing));
}

const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
if (passed + failed === 0) fail('no test ran');
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function unitJob(build: string): (path: string) => Job {
  return (path) => job(path, [], UNIT_TIMEOUT_SEC, { GROUT_WASM: build });
}

function jobOf(timeoutSec: number, command: readonly string[]): (path: string) => Job {
  return (path) => job(path, command, timeoutSec, { GROUT_WASM: 'release' });
}

/** What cannot run here is a failure in CI, and elsewhere said aloud. */
function leaveOut(group: string, fileCount: number, missing: string): Outcome[] {
  if (process.env['CI']) {
    console.error(`${group} tests cannot run here: ${missing}`);
    return [{ passed: 0, failed: fileCount }];
  }
  console.log(`${fileCount} ${group} test files were left out: ${missing}`);
  return [];
}

function job(path: string, prefix: readonly string[], sec: number, env: NodeJS.ProcessEnv): Job {
  return {
    path,
    title: relative(TESTS, path).replace(/\.test\.js$/, ''),
    env: { ...process.env, NO_COLOR: '1', ...env, ...(values.long ? { GROUT_LONG: '1' } : {}) },
    timeoutSec: values.long ? sec * LONG_FACTOR : sec,
    command: [...prefix, process.execPath, '--enable-source-maps', path],
  };
}

/** Runs jobs, at most `width` at once; prints the output of those that failed. */
async function runAll(jobs: readonly Job[], width: number): Promise<Outcome[]> {
  const waiting = [...jobs];
  const done: Outcome[] = [];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      done.push(await runOne(next));
  };
  await Promise.all(Array.from({ length: width }, lane));
  return done;
}

async function runOne({ title, command, env, timeoutSec }: Job): Promise<Outcome> {
  const [file = '', ...args] = command;
  const startedMs = performance.now();
  // A process group of its own: a time-out ends whatever the test has started, too.
  const child = spawn(file, args, { env, cwd: ROOT, detached: true });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    killGroup(child.pid);
  }, timeoutSec * 1000);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  killGroup(child.pid);

  const text = Buffer.concat(output).toString();
  const total = count(text, 'Total');
  const passed = count(text, 'Passed');
  const problem = isTimedOut
    ? `still running after ${timeoutSec} s`
    : total === 0
      ? `no test ran (exit code ${code})`
      : code !== 0
        ? `exit code ${code}`
        : undefined;
  const failed = problem === undefined ? 0 : Math.max(1, total - passed);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${failed === 0 ? 'ok  ' : 'FAIL'} ${title} (${passed} passed, ${seconds} s)`);
  if (problem !== undefined) console.log(`${indent(text)}\n     ${title}: ${problem}`);
  return { passed, failed };
}

/** Returns the number behind uvu's `Passed:    3`, summed over the suites of a file. */
function count(text: string, label: string): number {
  const found = text.matchAll(new RegExp(`^ +${label}: +(\\d+)$`, 'gm'));
  return [...found].reduce((sum, match) => sum + Number(match[1]), 0);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: the whole group has ended by itself, as it should.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function indent(text: string): string {
  return text.replace(/^/gm, '     ');
}

function fail(message: string): never {
  console.error(`run-tests: ${message}`);
  process.exit(1);
}
