import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONN_GENERATION,
  CONN_LAST_UPDATE,
  CONN_LIFE,
  CONN_OWNER,
  CONN_SIZE,
  CONN_TRAN_POOL,
  CTL_POOL_FREE,
  CTL_POOL_MAX,
  CTL_POOL_USED,
  LIFE_FILLING,
  LIFE_FREE,
  TRAN_POOL_NONE,
} from '../../assembly/layout.js';
import { connAddr } from '../support/conns.js';
import { printedSeed, seededRandom, testDatapath } from '../support/datapath.js';
import { runWorkers } from '../support/workers.js';

const test = suite('conn-pool');

const OWNER = 3;

test('hands out max slots, each once, then none', () => {
  const { shared, wasm } = testDatapath({ ceiling: 100, max: 60 });
  const slots = new Set<number>();
  for (let n = 0; n < 60; n++) slots.add(wasm.poolAlloc(OWNER));
  assert.is(slots.size, 60);
  assert.ok([...slots].every((slot) => slot >= 1 && slot <= 100));
  assert.is(wasm.poolAlloc(OWNER), 0);
  assert.is(shared.u32[CTL_POOL_USED >>> 2], 60);
  // A higher max makes room up to the ceiling at once, and never above it.
  Atomics.store(shared.u32, CTL_POOL_MAX >>> 2, 5000);
  for (let n = 60; n < 100; n++) slots.add(wasm.poolAlloc(OWNER));
  assert.is(slots.size, 100);
  assert.is(wasm.poolAlloc(OWNER), 0);
});

test('notes the owner and leaves nothing of the former conn but its generation', () => {
  const { shared, view, wasm } = testDatapath({ ceiling: 1 });
  const conn = connAddr(1);
  shared.bytes.fill(0xa5, conn, conn + CONN_SIZE);
  assert.is(wasm.poolAlloc(OWNER), 1);
  assert.is(view.getUint8(conn + CONN_LIFE), LIFE_FILLING);
  assert.is(view.getUint8(conn + CONN_OWNER), OWNER);
  assert.is(view.getUint8(conn + CONN_GENERATION), 0xa5);
  assert.is(view.getUint16(conn + CONN_TRAN_POOL, true), TRAN_POOL_NONE);
  const told = new Set([
    CONN_LIFE,
    CONN_OWNER,
    CONN_GENERATION,
    CONN_TRAN_POOL,
    CONN_TRAN_POOL + 1,
  ]);
  for (let n = CONN_LAST_UPDATE; n < CONN_SIZE; n++)
    if (!told.has(n)) assert.is(view.getUint8(conn + n), 0, `byte ${n}`);
  wasm.poolFree(1);
  assert.is(view.getUint8(conn + CONN_LIFE), LIFE_FREE);
});

test('never hands out a slot that is in use, over many cycles', () => {
  const random = seededRandom(printedSeed('conn-pool'));
  const { shared, wasm } = testDatapath({ ceiling: 50, max: 40 });
  const used: number[] = [];
  for (let step = 0; step < 50000; step++) {
    if (random() % 2 === 0) {
      const slot = wasm.poolAlloc(OWNER);
      assert.is(slot === 0, used.length === 40, `step ${step}`);
      if (slot === 0) continue;
      assert.not.ok(used.includes(slot), `step ${step}: slot ${slot}`);
      used.push(slot);
    } else if (used.length > 0) {
      const [slot = 0] = used.splice(random() % used.length, 1);
      wasm.poolFree(slot);
    }
  }
  assert.is(shared.u32[CTL_POOL_USED >>> 2], used.length);
});

test('never shows one head of the stack twice, though a slot comes back to it', () => {
  const { shared, wasm } = testDatapath({ ceiling: 1 });
  const heads = new Set<bigint>();
  for (let n = 0; n < 100; n++) {
    wasm.poolFree(wasm.poolAlloc(OWNER));
    heads.add(shared.u64[CTL_POOL_FREE >>> 3] ?? 0n);
  }
  assert.is(heads.size, 100);
});

test('never gives one slot to two threads', async () => {
  const path = testDatapath({ ceiling: 64 });
  // Each worker marks its slots while it holds them and counts the marks of others that it finds.
  const results = await runWorkers(path, [
    { task: 'churn-pool', owner: 1, ms: 400 },
    { task: 'churn-pool', owner: 2, ms: 400 },
  ]);
  for (const { errors, operations } of results) {
    assert.is(errors, 0);
    assert.ok(operations > 1000, `${operations} operations`);
  }
  assert.is(path.shared.u32[CTL_POOL_USED >>> 2], 0);
});

test.run();
