import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CTL_TIMEOUTS, EXPORT_SIZE, TIMEOUTS_ROW } from '../../assembly/layout.js';
import { ConnTable } from '../../src/host/conn-table.js';
import { ConnIndex } from '../../src/host/migration.js';
import { Qsbr } from '../../src/host/qsbr.js';
import { printedSeed, seededRandom, type TestDatapath, testDatapath } from '../support/datapath.js';
import { fillTable, isConnFound } from '../support/fill-table.js';
import { runWorkers } from '../support/workers.js';

/** A million conns, or four of them. */
const CONNS = process.env['GROUT_LONG'] === undefined ? 1 << 20 : 1 << 22;
const MEBI = 1 << 20;
const MIGRATIONS = 1000;
const SAMPLES = 20_000;
/** Room for what a worker makes of its own. */
const SPARE = 16;
/** What only a real defect exceeds, on a machine that does other things at the same time. */
const LOOSE_GAP_MS = 250;
const LOOSE_MS_PER_MEBI = 20_000;

/** The parts of a control plane over a table for `max` conns. */
interface Plane {
  readonly datapath: TestDatapath;
  readonly table: ConnTable;
  readonly index: ConnIndex;
}

function openPlane(max: number): Plane {
  const datapath = testDatapath({ ceiling: max, max });
  const { shared, wasm } = datapath;
  const qsbr = new Qsbr(shared);
  const index = new ConnIndex(shared, wasm, qsbr, max);
  shared.i64.fill(300n, CTL_TIMEOUTS >>> 3, (CTL_TIMEOUTS + 2 * TIMEOUTS_ROW) >>> 3);
  return { datapath, table: new ConnTable(shared, wasm, qsbr), index };
}

function rssMebibytes(): number {
  return process.memoryUsage.rss() / MEBI;
}

/** Runs `action` and returns how long it took, and the longest time without a turn of the event loop. */
async function timed(what: string, action: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  let gapMs = 0;
  let lastMs = performance.now();
  const watch = () => {
    const nowMs = performance.now();
    gapMs = Math.max(gapMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(watch);
  };
  setImmediate(watch);
  const startMs = performance.now();
  await action();
  const ms = performance.now() - startMs;
  isOver = true;
  watch();
  console.log(`measured: ${what}: ${ms.toFixed(1)} ms, longest gap ${gapMs.toFixed(2)} ms`);
  assert.ok(gapMs < LOOSE_GAP_MS, `${what} held the event loop for ${gapMs} ms`);
  assert.ok(ms < (LOOSE_MS_PER_MEBI * CONNS) / MEBI, `${what} took ${ms} ms`);
  return ms;
}

const test = suite('scale');

const rssBefore = rssMebibytes();
const plane = openPlane(CONNS + SPARE);

test('a million conns live in 300 MiB, a migration of theirs included', async () => {
  const { datapath, index, table } = plane;
  fillTable(datapath, CONNS);
  assert.is(table.used, CONNS);
  await timed(`migration of ${CONNS} conns`, () => index.migrate(CONNS));
  const grownMebibytes = rssMebibytes() - rssBefore;
  console.log(`measured: ${CONNS} conns take ${grownMebibytes.toFixed(0)} MiB`);
  assert.ok(grownMebibytes < (300 * CONNS) / MEBI, `${grownMebibytes} MiB`);
  const random = seededRandom(printedSeed('scale'));
  for (let n = 0; n < SAMPLES; n++) {
    const slot = 1 + (random() % CONNS);
    if (!isConnFound(datapath, slot)) assert.unreachable(`conn ${slot} is not found`);
  }
});

test('an ageing scan of them all finds nothing to do, in slices', async () => {
  await timed('ageing scan', async () => {
    assert.is(await plane.table.age(299n), 0);
  });
});

test('all are listed, and memory stays flat', async () => {
  let listed = 0;
  let highest = 0;
  const before = rssMebibytes();
  await timed('listing', async () => {
    for await (const entries of plane.table.list()) {
      listed += entries.length / EXPORT_SIZE;
      highest = Math.max(highest, rssMebibytes() - before);
    }
  });
  assert.is(listed, CONNS);
  assert.ok(highest < 64, `listing took ${highest} MiB`);
});

test('a migration under traffic stops no worker', async () => {
  const { datapath, table, index } = plane;
  const jobs = [{ task: 'measure-stalls' as const, owner: 1, ms: 1000, conns: CONNS }];
  const undisturbed = await runWorkers(datapath, jobs);
  const working = runWorkers(datapath, jobs);
  let isOver = false;
  const over = working.finally(() => {
    isOver = true;
  });
  let migrations = 0;
  while (!isOver) {
    await index.migrate(CONNS);
    migrations++;
  }
  assert.ok(migrations > 0);
  for (const { errors, first, operations, longestMs } of await over) {
    assert.is(first, '');
    assert.is(errors, 0);
    const bursts = `${operations} lookups during ${migrations} migrations`;
    const [alone] = undisturbed;
    console.log(
      `measured: ${bursts}: longest burst of 32 took ${longestMs.toFixed(3)} ms, ` +
        `${alone?.longestMs.toFixed(3)} ms without any`,
    );
    assert.is(table.used, CONNS, 'the worker took nothing with it');
    assert.ok(longestMs < LOOSE_GAP_MS, `a burst took ${longestMs} ms`);
  }
});

test('a flush removes all of them while the event loop goes on', async () => {
  const { datapath, table } = plane;
  await timed(`flush of ${CONNS} conns`, async () => {
    assert.is(await table.remove({}), CONNS);
  });
  assert.is(table.used, 0);
  assert.not.ok(isConnFound(datapath, CONNS));
});

test('a thousand migrations in a row leak nothing', async () => {
  const { datapath, table, index } = openPlane(1024);
  fillTable(datapath, 500);
  for (let n = 0; n < 50; n++) await index.migrate(n % 2 === 0 ? 1024 : 512);
  const before = rssMebibytes();
  for (let n = 0; n < MIGRATIONS; n++) await index.migrate(n % 2 === 0 ? 1024 : 512);
  const grownMebibytes = rssMebibytes() - before;
  assert.ok(grownMebibytes < 16, `${grownMebibytes} MiB`);
  assert.is(table.used, 500);
  for (let slot = 1; slot <= 500; slot++) assert.ok(isConnFound(datapath, slot), `conn ${slot}`);
  assert.is(await table.remove({}), 500);
  assert.is(table.used, 0);
});

test('no call of the datapath does more than a slice of the work', async () => {
  const { datapath } = openPlane(20_000);
  const { shared, wasm } = datapath;
  const slices: Record<string, number[]> = {};
  const noted = (name: 'ageConns' | 'removeConns' | 'copyIndex') => (from: number, to: number) => {
    const sizes = slices[name] ?? [];
    sizes.push(to - from);
    slices[name] = sizes;
    return wasm[name](from, to);
  };
  const [ageConns, removeConns, copyIndex] = [
    noted('ageConns'),
    noted('removeConns'),
    noted('copyIndex'),
  ];
  const reclaimConns = (count: number) => {
    slices['reclaimConns'] = [...(slices['reclaimConns'] ?? []), count];
    wasm.reclaimConns(count);
  };
  const sliced = { ...wasm, ageConns, removeConns, copyIndex, reclaimConns };
  const qsbr = new Qsbr(shared);
  const table = new ConnTable(shared, sliced, qsbr);
  const index = new ConnIndex(shared, sliced, qsbr, 20_000);
  fillTable(datapath, 20_000);
  await table.age(1n);
  await index.migrate(20_000);
  assert.is(await table.remove({}), 20_000);
  const expected = { ageConns: 4096, removeConns: 4096, copyIndex: 1024, reclaimConns: 4096 };
  for (const [name, most] of Object.entries(expected)) {
    const sizes = slices[name] ?? [];
    assert.ok(sizes.length > 1, name);
    assert.ok(Math.max(...sizes) <= most, `${name}: ${Math.max(...sizes)} at once`);
  }
});

test.run();
