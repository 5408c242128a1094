import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  TRAN_BITMAP_SIZE,
  TRAN_BITMAPS_BASE,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST,
  TRAN_LOWEST_ICMP_ID,
  TRAN_LOWEST_PORT,
  TRAN_USED,
} from '../../assembly/layout.js';
import { printedSeed, seededRandom, type TestDatapath, testDatapath } from '../support/datapath.js';
import { runWorkers } from '../support/workers.js';

const test = suite('tran-pool');

const POOL = 7;

function withPool(lowest: number, random?: () => number): TestDatapath {
  const path = testDatapath(random ? { random } : {});
  path.shared.u32[(TRAN_HEADERS_BASE + POOL * TRAN_HEADER_SIZE + TRAN_LOWEST) >>> 2] = lowest;
  return path;
}

function usedIds({ shared }: TestDatapath): number {
  return shared.u32[(TRAN_HEADERS_BASE + POOL * TRAN_HEADER_SIZE + TRAN_USED) >>> 2] ?? 0;
}

test('keeps the preferred id when it is free and high enough', () => {
  const { wasm } = withPool(TRAN_LOWEST_PORT);
  assert.is(wasm.tranTake(POOL, 40000), 40000);
  assert.is(wasm.tranTake(POOL, 65535), 65535);
  assert.is(wasm.tranTake(POOL, 1024), 1024);
  assert.is.not(wasm.tranTake(POOL, 40000), 40000);
  assert.is.not(wasm.tranTake(POOL, 1023), 1023);
  assert.is.not(wasm.tranTake(POOL, 0), 0);
  wasm.tranRelease(POOL, 40000);
  assert.is(wasm.tranTake(POOL, 40000), 40000);
});

test('hands out every id of the range once, to the last one, then none', () => {
  const random = seededRandom(printedSeed('tran-pool'));
  for (const lowest of [TRAN_LOWEST_PORT, TRAN_LOWEST_ICMP_ID, 65000]) {
    const path = withPool(lowest, random);
    const total = 65536 - lowest;
    const seen = new Uint8Array(65536);
    for (let n = 0; n < total; n++) {
      const id = path.wasm.tranTake(POOL, 0);
      if (id < lowest || id > 65535 || seen[id] === 1) assert.unreachable(`id ${id} at ${n}`);
      seen[id] = 1;
    }
    assert.is(path.wasm.tranTake(POOL, 0), 0);
    assert.is(path.wasm.tranTake(POOL, 40000), 0);
    assert.is(usedIds(path), total);
    path.wasm.tranRelease(POOL, 65432);
    assert.is(path.wasm.tranTake(POOL, 0), 65432);
  }
});

/** Chi-square of uniform counts, in standard deviations from its mean (normal approximation). */
function deviations(counts: readonly number[]): number {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const chi2 = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
  const freedom = counts.length - 1;
  return Math.abs(chi2 - freedom) / Math.sqrt(2 * freedom);
}

test('draws uniformly from the whole range', () => {
  const { wasm } = withPool(TRAN_LOWEST_PORT, seededRandom(1));
  const counts = new Array<number>(65536 - 1024).fill(0);
  for (let n = 0; n < counts.length * 10; n++) {
    const id = wasm.tranTake(POOL, 0);
    counts[id - 1024] = (counts[id - 1024] ?? 0) + 1;
    wasm.tranRelease(POOL, id);
  }
  assert.ok(deviations(counts) < 5, `${deviations(counts)}`);
});

test('draws uniformly from the last free ids of a full pool', () => {
  const path = withPool(TRAN_LOWEST_ICMP_ID, seededRandom(2));
  const free = [1, 31, 32, 1023, 1024, 40000, 65504, 65535];
  const bitmap = TRAN_BITMAPS_BASE + POOL * TRAN_BITMAP_SIZE;
  path.shared.bytes.fill(0xff, bitmap, bitmap + TRAN_BITMAP_SIZE);
  const header = TRAN_HEADERS_BASE + POOL * TRAN_HEADER_SIZE;
  path.shared.u32[(header + TRAN_USED) >>> 2] = 65535;
  for (const id of free) path.wasm.tranRelease(POOL, id);
  const counts = new Map(free.map((id) => [id, 0]));
  for (let n = 0; n < 4000; n++) {
    const id = path.wasm.tranTake(POOL, 2);
    counts.set(id, (counts.get(id) ?? 0) + 1);
    path.wasm.tranRelease(POOL, id);
  }
  assert.equal([...counts.keys()], free);
  assert.ok(deviations([...counts.values()]) < 5, JSON.stringify([...counts]));
});

test('never gives one id to two threads', async () => {
  // 36 ids for two workers that want 32 each: they collide all the time.
  const path = withPool(65500);
  const results = await runWorkers(path, [
    { task: 'churn-tran', owner: 1, ms: 400, pool: POOL },
    { task: 'churn-tran', owner: 2, ms: 400, pool: POOL },
  ]);
  for (const { errors, operations } of results) {
    assert.is(errors, 0);
    assert.ok(operations > 1000, `${operations} operations`);
  }
  assert.is(usedIds(path), 0);
  const bitmap = TRAN_BITMAPS_BASE + POOL * TRAN_BITMAP_SIZE;
  const bits = path.shared.bytes.subarray(bitmap, bitmap + TRAN_BITMAP_SIZE);
  assert.ok(
    bits.every((byte) => byte === 0),
    'an id was given back and is still taken',
  );
});

test.run();
