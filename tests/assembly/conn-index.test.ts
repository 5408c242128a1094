import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BUCKET_ENTRIES,
  BUCKET_OVERFLOW,
  BUCKET_SIZE,
  BUCKET_WAYS,
  CONN_LIFE,
  CONN_OWNER,
  INDEX_BASE,
  INDEX_MAX_PROBE,
  LIFE_FILLING,
  LIFE_LIVE,
  SCRATCH_LIST,
} from '../../assembly/layout.js';
import {
  buildIndexHeader,
  type IndexSecret,
  indexBucketCount,
} from '../../src/host/index-region.js';
import { connAddr, revKey, type TestKey, writeKey, writeKeys } from '../support/conns.js';
import { printedSeed, seededRandom, type TestDatapath, testDatapath } from '../support/datapath.js';
import { stressConn } from '../support/stress-conns.js';
import { runWorkers } from '../support/workers.js';

const test = suite('conn-index');

const OWNER = 1;
const NO_ROOM = 0xffffffff;
const OUTSIDE = 0xac100001;
/** Under this secret the hash of a key without addresses is 0: all share one home bucket. */
const ZERO_SECRET: IndexSecret = [0n, 0n, 0n, 0n, 0n];

function lookUp({ view, wasm }: TestDatapath, key: TestKey): number {
  writeKey(view, SCRATCH_LIST, key);
  const header = wasm.readIndex();
  return wasm.indexLookup(header, SCRATCH_LIST, wasm.hashKey(header, SCRATCH_LIST)) >>> 0;
}

function insert(path: TestDatapath, fwd: TestKey, rev: TestKey): { slot: number; result: number } {
  const slot = path.wasm.poolAlloc(OWNER);
  writeKeys(path.view, slot, fwd, rev);
  const result = path.wasm.indexInsert(slot, OWNER) >>> 0;
  return { slot, result };
}

/** Returns the fwd key, without addresses, of conn `n`. */
function zeroHashed(n: number): TestKey {
  return { src: 0, dst: 0, srcId: n, dstId: 60000 };
}

function life({ view }: TestDatapath, slot: number): number {
  return view.getUint8(connAddr(slot) + CONN_LIFE);
}

test('publishes both keys of a conn and unlinks both', () => {
  const path = testDatapath();
  const fwd = { src: 0x0a630001, dst: 0xac100002, srcId: 4000, dstId: 53 };
  const rev = revKey(fwd, OUTSIDE, 4001);
  const { slot, result } = insert(path, fwd, rev);
  assert.is(result, 0);
  assert.is(life(path, slot), LIFE_LIVE);
  assert.is(path.view.getUint8(connAddr(slot) + CONN_OWNER), 0);
  assert.is(lookUp(path, fwd), slot << 1);
  assert.is(lookUp(path, rev), (slot << 1) | 1);
  assert.is(lookUp(path, { ...fwd, srcId: 4002 }), 0);
  assert.is(path.wasm.indexRemove(slot, OWNER), 1);
  assert.is(lookUp(path, fwd), 0);
  assert.is(lookUp(path, rev), 0);
});

test('returns the entry that holds the fwd key already, and publishes nothing', () => {
  const path = testDatapath();
  const fwd = { src: 0x0a630001, dst: 0xac100002, srcId: 4000, dstId: 53 };
  const first = insert(path, fwd, revKey(fwd, OUTSIDE, 4000));
  const second = insert(path, fwd, revKey(fwd, OUTSIDE, 5000));
  assert.is(second.result, first.slot << 1);
  assert.is(life(path, second.slot), LIFE_FILLING);
  assert.is(lookUp(path, revKey(fwd, OUTSIDE, 5000)), 0);
});

test('refuses a conn when no place is within reach, and takes it when one is free', () => {
  const path = testDatapath({ ceiling: 1024, secret: ZERO_SECRET });
  const room = ((INDEX_MAX_PROBE + 1) * BUCKET_WAYS) / 2;
  const slots: number[] = [];
  for (let n = 0; n <= room; n++) {
    const { slot, result } = insert(path, zeroHashed(n), revKey(zeroHashed(n), 0, n));
    assert.is(result, n < room ? 0 : NO_ROOM, `conn ${n}`);
    slots.push(slot);
  }
  const last = slots[room] ?? 0;
  assert.is(life(path, last), LIFE_FILLING);
  assert.is(lookUp(path, zeroHashed(room)), 0);
  path.wasm.indexRemove(slots[5] ?? 0, OWNER);
  assert.is(path.wasm.indexInsert(last, OWNER), 0);
  assert.is(lookUp(path, zeroHashed(room)), last << 1);
});

test('leaves no trace of a conn for which only one place was left', () => {
  const path = testDatapath({ ceiling: 64, max: 14, secret: ZERO_SECRET });
  const { view } = path;
  const buckets = indexBucketCount(14);
  const places = Array.from({ length: buckets * BUCKET_WAYS }, (_, n) => {
    const bucket = INDEX_BASE + Math.floor(n / BUCKET_WAYS) * BUCKET_SIZE;
    return bucket + BUCKET_ENTRIES + (n % BUCKET_WAYS) * 4;
  });
  for (const place of places.slice(0, -1)) view.setUint32(place, 128, true);
  const fwd = { src: 1, dst: 2, srcId: 3, dstId: 4 };
  const { slot, result } = insert(path, fwd, revKey(fwd, OUTSIDE, 3));
  assert.is(result, NO_ROOM);
  assert.is(life(path, slot), LIFE_FILLING);
  assert.is(view.getUint32(places.at(-1) ?? 0, true), 0);
  for (let bucket = 0; bucket < buckets; bucket++)
    assert.is(view.getUint8(INDEX_BASE + bucket * BUCKET_SIZE + BUCKET_OVERFLOW), 0);
});

test('keeps looking further once 255 entries have passed a bucket', () => {
  const path = testDatapath({ ceiling: 1024, secret: ZERO_SECRET });
  const slots: number[] = [];
  for (let n = 0; n < 180; n++) {
    slots.push(insert(path, zeroHashed(n), revKey(zeroHashed(n), 0, n)).slot);
  }
  const passed = (): number => path.view.getUint8(INDEX_BASE + BUCKET_OVERFLOW);
  assert.is(passed(), 255);
  for (const slot of slots.slice(0, 179)) path.wasm.indexRemove(slot, OWNER);
  assert.is(passed(), 255);
  assert.is(lookUp(path, zeroHashed(179)), (slots[179] ?? 0) << 1);
});

function modelRun(path: TestDatapath, random: () => number, steps: number, conns: number): void {
  const model = new Map<number, number>();
  const fwdOf = (n: number): TestKey => ({
    src: 0x0a000000 + (n >>> 4),
    dst: 0x08080808,
    srcId: n & 15,
    dstId: 443,
  });
  for (let step = 0; step < steps; step++) {
    const n = random() % conns;
    const fwd = fwdOf(n);
    const rev = revKey(fwd, OUTSIDE, n + 1024);
    const entry = model.get(n) ?? 0;
    assert.is(lookUp(path, fwd), entry, `step ${step}, fwd`);
    assert.is(lookUp(path, rev), entry === 0 ? 0 : entry | 1, `step ${step}, rev`);
    if (entry !== 0 && random() % 3 === 0) {
      assert.is(path.wasm.indexRemove(entry >>> 1, OWNER), 1);
      path.wasm.poolFree(entry >>> 1);
      model.delete(n);
      continue;
    }
    const { slot, result } = insert(path, fwd, rev);
    if (result === 0) {
      assert.is(entry, 0, `step ${step}, published twice`);
      model.set(n, slot << 1);
      continue;
    }
    if (result !== NO_ROOM) assert.is(result, entry, `step ${step}, duplicate`);
    path.wasm.poolFree(slot);
  }
  for (const [n, entry] of model) assert.is(lookUp(path, fwdOf(n)), entry, `conn ${n} at the end`);
}

test('agrees with a Map under random inserts, removals and lookups', () => {
  const seed = printedSeed('conn-index');
  // From 4 buckets that overflow all the time to a roomy index.
  for (const [indexFor, conns] of [
    [1, 40],
    [30, 90],
    [1000, 1500],
  ] as const) {
    const path = testDatapath({ ceiling: 2048 });
    buildIndexHeader(path.shared, 0, indexFor);
    modelRun(path, seededRandom(seed), 20000, conns);
  }
});

test('finds every key of an index that is full to the last place', () => {
  const path = testDatapath({ ceiling: 64 });
  buildIndexHeader(path.shared, 0, 1);
  const room = (indexBucketCount(1) * BUCKET_WAYS) / 2;
  const entries: number[] = [];
  for (let n = 0; n <= room; n++) {
    const fwd = { src: n, dst: 7, srcId: n, dstId: 80 };
    const { slot, result } = insert(path, fwd, revKey(fwd, OUTSIDE, n));
    assert.is(result, n < room ? 0 : NO_ROOM);
    entries.push(n < room ? slot << 1 : 0);
  }
  for (const [n, entry] of entries.entries())
    assert.is(lookUp(path, { src: n, dst: 7, srcId: n, dstId: 80 }), entry);
});

test('passes over a place that is only reserved', () => {
  const path = testDatapath();
  const fwd = { src: 0x0a630001, dst: 0xac100002, srcId: 4000, dstId: 53 };
  const { slot } = insert(path, fwd, revKey(fwd, OUTSIDE, 4001));
  // The tag stays: a reader may have loaded it before the place became another's.
  const words = path.shared.u32.subarray(INDEX_BASE >>> 2, (INDEX_BASE >>> 2) + 16 * 1024);
  const at = words.indexOf(slot << 1);
  assert.ok(at >= 0);
  words[at] = ((slot << 1) | 0x80000000) >>> 0;
  assert.is(lookUp(path, fwd), 0);
  assert.is(lookUp(path, revKey(fwd, OUTSIDE, 4001)), (slot << 1) | 1);
});

test('never gives one place to the entries of two workers', async () => {
  const path = testDatapath({ ceiling: 2000 });
  // Nine buckets for 96 keys: most entries lie outside their homes, whose locks do not guard them.
  buildIndexHeader(path.shared, 0, 30);
  const results = await runWorkers(path, [
    { task: 'churn-index', owner: 1, ms: 1500, conns: 24 },
    { task: 'churn-index', owner: 2, ms: 1500, conns: 24 },
  ]);
  for (const { errors, operations, first } of results) {
    assert.is(errors, 0, first);
    assert.ok(operations > 1000, `${operations} operations`);
  }
});

test('gives two workers that insert the same key one conn', async () => {
  const path = testDatapath({ ceiling: 600 });
  // Few conns, so that they meet, in an index that overflows.
  buildIndexHeader(path.shared, 0, 30);
  const results = await runWorkers(path, [
    { task: 'race-index', owner: 1, ms: 1500, conns: 24 },
    { task: 'race-index', owner: 2, ms: 1500, conns: 24 },
  ]);
  for (const { errors, operations, first } of results) {
    assert.is(errors, 0, first);
    assert.ok(operations > 1000, `${operations} operations`);
  }
  const buckets = path.shared.bytes.subarray(
    INDEX_BASE,
    INDEX_BASE + indexBucketCount(30) * BUCKET_SIZE,
  );
  // Every place, tag, lock and count is back where it was.
  assert.ok(buckets.every((byte) => byte === 0));
  assert.is(lookUp(path, stressConn(0, 1).fwd), 0);
});

test.run();
