import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BUCKET_ENTRIES,
  BUCKET_LOCK,
  BUCKET_SIZE,
  BUCKET_WAYS,
  CONN_LIFE,
  CONN_LOCK,
  CONN_OWNER,
  CTL_POOL_USED,
  INDEX_BASE,
  INDEX_HALF,
  LIFE_DEAD,
  LIFE_FILLING,
  LIFE_LIVE,
  MODE_INSERT_BOTH,
  SCRATCH_LIST,
} from '../../assembly/layout.js';
import {
  buildIndexHeader,
  indexBucketCount,
  publishDescriptor,
} from '../../src/host/index-region.js';
import { connAddr, writeKeys } from '../support/conns.js';
import { type TestDatapath, testDatapath } from '../support/datapath.js';
import { stressConn } from '../support/stress-conns.js';

const test = suite('worker-recovery');

const MAX = 64;
const DEAD = 2;
const DEAD_OWNER = DEAD + 1;
const OTHER_OWNER = 1;
const RESERVED = 0x80000000;

/** A datapath in the middle of a migration. */
function migratingDatapath(): TestDatapath {
  const path = testDatapath({ ceiling: MAX });
  buildIndexHeader(path.shared, 1, MAX);
  publishDescriptor(path.shared, MODE_INSERT_BOTH, 0, 1);
  return path;
}

function addConn({ view, wasm }: TestDatapath, owner: number, n: number): number {
  const slot = wasm.poolAlloc(owner);
  const { fwd, rev } = stressConn(0, n);
  writeKeys(view, slot, fwd, rev);
  assert.is(wasm.indexInsert(slot, owner), 0);
  return slot;
}

function buckets(): number[] {
  return [0, 1].flatMap((half) =>
    Array.from(
      { length: indexBucketCount(MAX) },
      (_, n) => INDEX_BASE + half * INDEX_HALF + n * BUCKET_SIZE,
    ),
  );
}

/** Returns the addresses of the words that hold this conn's entries, reserved or not. */
function placesOf({ shared }: TestDatapath, slot: number): number[] {
  return buckets().flatMap((bucket) =>
    Array.from({ length: BUCKET_WAYS }, (_, way) => bucket + BUCKET_ENTRIES + way * 4).filter(
      (place) => ((shared.u32[place >>> 2] ?? 0) & ~RESERVED) >>> 1 === slot,
    ),
  );
}

test("releases the dead worker's locks and nobody else's", () => {
  const path = migratingDatapath();
  const { shared, view, wasm } = path;
  const all = buckets();
  for (const [n, bucket] of all.entries())
    view.setUint16(bucket + BUCKET_LOCK, n % 2 === 0 ? DEAD_OWNER : OTHER_OWNER, true);
  const slots = [wasm.poolAlloc(OTHER_OWNER), wasm.poolAlloc(OTHER_OWNER)];
  for (const [n, slot] of slots.entries())
    shared.u32[(connAddr(slot) + CONN_LOCK) >>> 2] = n === 0 ? DEAD_OWNER : OTHER_OWNER;
  assert.is(wasm.recoverWorker(DEAD), 0);
  for (const [n, bucket] of all.entries())
    assert.is(view.getUint16(bucket + BUCKET_LOCK, true), n % 2 === 0 ? 0 : OTHER_OWNER);
  const locks = slots.map((slot) => shared.u32[(connAddr(slot) + CONN_LOCK) >>> 2]);
  assert.equal(locks, [0, OTHER_OWNER]);
});

test('unlinks what the worker had half published, wherever it stopped', () => {
  // The four places are written one by one; before that they are reserved.
  for (let published = 0; published <= 4; published++) {
    const path = migratingDatapath();
    const { shared, view, wasm } = path;
    const bystander = addConn(path, OTHER_OWNER, 1);
    const slot = addConn(path, DEAD_OWNER, 2);
    const conn = connAddr(slot);
    const places = placesOf(path, slot);
    assert.is(places.length, 4);
    for (const place of places.slice(published)) {
      view.setUint32(place, view.getUint32(place, true) | RESERVED, true);
      const bucket = place & ~(BUCKET_SIZE - 1);
      view.setUint8(bucket + ((place - bucket - BUCKET_ENTRIES) >>> 2), 0);
    }
    view.setUint8(conn + CONN_OWNER, DEAD_OWNER);
    view.setUint8(conn + CONN_LIFE, published === 0 ? LIFE_FILLING : LIFE_LIVE);
    assert.is(wasm.recoverWorker(DEAD), 1);
    assert.is(shared.u32[SCRATCH_LIST >>> 2], slot);
    assert.is(placesOf(path, slot).length, 0, `${published} published`);
    assert.is(placesOf(path, bystander).length, 4);
    assert.is(view.getUint8(conn + CONN_LIFE), LIFE_DEAD);
    assert.is(view.getUint8(connAddr(bystander) + CONN_LIFE), LIFE_LIVE);
    wasm.reclaimConns(1);
    assert.is(shared.u32[CTL_POOL_USED >>> 2], 1);
    assert.is(wasm.recoverWorker(DEAD), 0);
  }
});

test('keeps the conns that the worker had finished', () => {
  const path = migratingDatapath();
  const slot = addConn(path, DEAD_OWNER, 1);
  assert.is(path.wasm.recoverWorker(DEAD), 0);
  assert.is(placesOf(path, slot).length, 4);
});

test.run();
