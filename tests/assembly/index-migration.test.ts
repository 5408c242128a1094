import { setImmediate } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BUCKET_ENTRIES,
  BUCKET_SIZE,
  BUCKET_WAYS,
  CTL_DESCRIPTOR,
  INDEX_BASE,
  INDEX_BUCKET_COUNT,
  INDEX_HALF,
  MODE_DELETE_BOTH,
  MODE_INSERT_BOTH,
  MODE_NORMAL,
  MODE_READ_NEXT,
  SCRATCH_LIST,
} from '../../assembly/layout.js';
import {
  buildIndexHeader,
  type IndexHalf,
  indexHeader,
  publishDescriptor,
} from '../../src/host/index-region.js';
import { Qsbr } from '../../src/host/qsbr.js';
import { type TestKey, writeKey, writeKeys } from '../support/conns.js';
import { printedSeed, seededRandom, type TestDatapath, testDatapath } from '../support/datapath.js';
import { stressConn } from '../support/stress-conns.js';
import { runWorkers } from '../support/workers.js';

const test = suite('index-migration');

const OWNER = 1;

function insert({ view, wasm }: TestDatapath, set: number, n: number): number {
  const slot = wasm.poolAlloc(OWNER);
  const { fwd, rev } = stressConn(set, n);
  writeKeys(view, slot, fwd, rev);
  const found = wasm.indexInsert(slot, OWNER) >>> 0;
  if (found === 0) return slot << 1;
  wasm.poolFree(slot);
  return found;
}

function lookUp({ view, wasm }: TestDatapath, key: TestKey): number {
  writeKey(view, SCRATCH_LIST, key);
  const header = wasm.readIndex();
  return wasm.indexLookup(header, SCRATCH_LIST, wasm.hashKey(header, SCRATCH_LIST)) >>> 0;
}

function bucketCount({ shared }: TestDatapath, half: IndexHalf): number {
  return shared.u32[(indexHeader(half) + INDEX_BUCKET_COUNT) >>> 2] ?? 0;
}

function countEntries(path: TestDatapath, half: IndexHalf): number {
  let count = 0;
  for (let number = 0; number < bucketCount(path, half); number++) {
    const entries = INDEX_BASE + half * INDEX_HALF + number * BUCKET_SIZE + BUCKET_ENTRIES;
    for (let way = 0; way < BUCKET_WAYS; way++)
      if (path.shared.u32[(entries >>> 2) + way] !== 0) count++;
  }
  return count;
}

/** Random changes and lookups by workers that act on one of two descriptors, against a Map. */
class NeighbourModel {
  readonly #path: TestDatapath;
  readonly #random: () => number;
  readonly #conns: number;
  readonly #entries = new Map<number, number>();

  constructor(path: TestDatapath, random: () => number, conns: number) {
    this.#path = path;
    this.#random = random;
    this.#conns = conns;
  }

  /** Makes `steps` changes; each worker that acts or looks has loaded one of `descriptors`. */
  run(steps: number, descriptors: readonly number[], what: string): void {
    const { wasm } = this.#path;
    for (let step = 0; step < steps; step++) {
      const n = this.#random() % this.#conns;
      const entry = this.#entries.get(n) ?? 0;
      this.#act(descriptors);
      if (entry !== 0 && this.#random() % 2 === 0) {
        assert.is(wasm.indexRemove(entry >>> 1, OWNER), 1);
        wasm.poolFree(entry >>> 1);
        this.#entries.delete(n);
      } else {
        const found = insert(this.#path, 0, n);
        if (entry !== 0) assert.is(found, entry, `${what}, step ${step}: conn ${n} twice`);
        this.#entries.set(n, found);
      }
      this.#act(descriptors);
      this.#look(this.#random() % this.#conns, `${what}, step ${step}`);
      this.#look(n, `${what}, step ${step}, changed`);
    }
    for (const descriptor of descriptors) {
      this.#act([descriptor]);
      for (let n = 0; n < this.#conns; n++) this.#look(n, `${what}, end`);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  #look(n: number, what: string): void {
    const entry = this.#entries.get(n) ?? 0;
    const { fwd, rev } = stressConn(0, n);
    assert.is(lookUp(this.#path, fwd), entry, `${what}: fwd of conn ${n}`);
    assert.is(lookUp(this.#path, rev), entry === 0 ? 0 : entry | 1, `${what}: rev of conn ${n}`);
  }

  #act(descriptors: readonly number[]): void {
    const descriptor = descriptors[this.#random() % descriptors.length] ?? 0;
    Atomics.store(this.#path.shared.u32, CTL_DESCRIPTOR >>> 2, descriptor);
  }
}

test('loses nothing while workers act on neighbouring modes', () => {
  const seed = printedSeed('index-migration neighbours');
  const random = seededRandom(seed);
  const path = testDatapath({ ceiling: 400 });
  const model = new NeighbourModel(path, random, 300);
  const { shared, wasm } = path;
  const publish = (mode: number, current: IndexHalf, next?: IndexHalf): number => {
    publishDescriptor(shared, mode, current, next);
    return Atomics.load(shared.u32, CTL_DESCRIPTOR >>> 2);
  };
  let current: IndexHalf = 0;
  let normal = Atomics.load(shared.u32, CTL_DESCRIPTOR >>> 2);
  for (const max of [800, 300, 330, 400, 1600, 300]) {
    const next: IndexHalf = current === 0 ? 1 : 0;
    const what = `seed ${seed}, max ${max}`;
    buildIndexHeader(shared, next, max);
    Atomics.store(shared.u32, CTL_DESCRIPTOR >>> 2, normal);
    const deleteBoth = publish(MODE_DELETE_BOTH, current, next);
    model.run(600, [normal, deleteBoth], `${what}, delete both`);
    Atomics.store(shared.u32, CTL_DESCRIPTOR >>> 2, deleteBoth);
    const insertBoth = publish(MODE_INSERT_BOTH, current, next);
    model.run(600, [deleteBoth, insertBoth], `${what}, insert both`);
    for (let from = 0; from < bucketCount(path, current); from += 16) {
      Atomics.store(shared.u32, CTL_DESCRIPTOR >>> 2, insertBoth);
      assert.is(wasm.copyIndex(from, from + 16), 0);
      model.run(20, [insertBoth], `${what}, copy`);
    }
    Atomics.store(shared.u32, CTL_DESCRIPTOR >>> 2, insertBoth);
    const readNext = publish(MODE_READ_NEXT, current, next);
    model.run(600, [insertBoth, readNext], `${what}, read next`);
    Atomics.store(shared.u32, CTL_DESCRIPTOR >>> 2, readNext);
    normal = publish(MODE_NORMAL, next);
    model.run(600, [readNext, normal], `${what}, normal`);
    assert.is(countEntries(path, next), model.size * 2);
    current = next;
  }
});

test('tells how many entries found no room in the next index', () => {
  const path = testDatapath({ ceiling: 200 });
  for (let n = 0; n < 100; n++) insert(path, 0, n);
  buildIndexHeader(path.shared, 1, 1);
  publishDescriptor(path.shared, MODE_DELETE_BOTH, 0, 1);
  publishDescriptor(path.shared, MODE_INSERT_BOTH, 0, 1);
  const places = bucketCount(path, 1) * BUCKET_WAYS;
  assert.is(path.wasm.copyIndex(0, 0xffffffff), 200 - places);
  assert.is(countEntries(path, 1), places);
});

test('an insert that finds room in one index only is in neither', () => {
  for (const full of [0, 1] as const) {
    const path = testDatapath({ ceiling: 200 });
    buildIndexHeader(path.shared, 0, full === 0 ? 1 : 200);
    buildIndexHeader(path.shared, 1, full === 1 ? 1 : 200);
    publishDescriptor(path.shared, MODE_INSERT_BOTH, 0, 1);
    const places = bucketCount(path, full) * BUCKET_WAYS;
    for (let n = 0; n < places / 2; n++) assert.is.not(insert(path, 0, n), 0xffffffff);
    assert.is(insert(path, 0, 150), 0xffffffff);
    assert.is(countEntries(path, 0), places);
    assert.is(countEntries(path, 1), places);
  }
});

/** Moves to an index for `max` conns as the control plane does. */
async function migrate(
  path: TestDatapath,
  qsbr: Qsbr,
  from: IndexHalf,
  max: number,
): Promise<void> {
  const to: IndexHalf = from === 0 ? 1 : 0;
  buildIndexHeader(path.shared, to, max);
  publishDescriptor(path.shared, MODE_DELETE_BOTH, from, to);
  await qsbr.waitForGrace();
  publishDescriptor(path.shared, MODE_INSERT_BOTH, from, to);
  await qsbr.waitForGrace();
  assert.is(path.wasm.copyIndex(0, bucketCount(path, from)), 0);
  publishDescriptor(path.shared, MODE_READ_NEXT, from, to);
  await qsbr.waitForGrace();
  publishDescriptor(path.shared, MODE_NORMAL, to);
  await qsbr.waitForGrace();
}

test('loses nothing under a writer and a reader while the index grows and shrinks', async () => {
  const ms = process.env['GROUT_LONG'] === undefined ? 1500 : 30000;
  const seed = printedSeed('index-migration threads');
  const stable = 3000;
  const path = testDatapath({ ceiling: 8000 });
  for (let n = 0; n < stable; n++) assert.is(insert(path, 0, n), (n + 1) << 1);
  const running = runWorkers(path, [
    { task: 'churn-index', owner: 1, ms, conns: 2000, seed },
    { task: 'read-index', owner: 2, ms, conns: stable, seed },
  ]);
  let isOver = false;
  const results = running.finally(() => {
    isOver = true;
  });
  const qsbr = new Qsbr(path.shared);
  let migrations = 0;
  let half: IndexHalf = 0;
  while (!isOver) {
    await migrate(path, qsbr, half, [16000, 5000, 8000][migrations % 3] ?? 0);
    half = half === 0 ? 1 : 0;
    migrations++;
    // A grace period may pass at once; the workers' messages need a turn of the event loop.
    await setImmediate();
  }
  for (const { operations, errors, first } of await results) {
    assert.is(errors, 0, first);
    assert.ok(operations > 1000);
  }
  assert.ok(migrations >= 3, `${migrations} migrations`);
  assert.is(countEntries(path, half), stable * 2);
  const counts = (await results).map(({ operations }) => operations).join(' and ');
  console.log(`${migrations} migrations, ${counts} checks`);
});

test.run();
