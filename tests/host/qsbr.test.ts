import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CTL_EPOCH, READER_SIZE, READERS_BASE } from '../../assembly/layout.js';
import { createMemory, type SharedMemory } from '../../src/host/memory.js';
import { Qsbr } from '../../src/host/qsbr.js';

const test = suite('qsbr');

function setReader(shared: SharedMemory, reader: number, epoch: bigint): void {
  Atomics.store(shared.u64, (READERS_BASE + reader * READER_SIZE) >>> 3, epoch);
}

function currentEpoch(shared: SharedMemory): bigint {
  return Atomics.load(shared.u64, CTL_EPOCH >>> 3);
}

test('a ticket passes at once when every reader is offline', () => {
  const qsbr = new Qsbr(createMemory(1));
  assert.ok(qsbr.isPassed(qsbr.openEpoch()));
});

test('a reader that saw an older epoch holds a ticket back until it saw the new one', () => {
  const shared = createMemory(1);
  const qsbr = new Qsbr(shared);
  setReader(shared, 3, currentEpoch(shared));
  const ticket = qsbr.openEpoch();
  assert.not(qsbr.isPassed(ticket));
  setReader(shared, 3, currentEpoch(shared));
  assert.ok(qsbr.isPassed(ticket));
});

test('one reader of several is enough to hold a ticket back', () => {
  const shared = createMemory(1);
  const qsbr = new Qsbr(shared);
  setReader(shared, 0, currentEpoch(shared));
  setReader(shared, 31, currentEpoch(shared));
  const ticket = qsbr.openEpoch();
  setReader(shared, 0, ticket);
  assert.not(qsbr.isPassed(ticket));
  setReader(shared, 31, 0n);
  assert.ok(qsbr.isPassed(ticket));
});

test('waitForGrace resolves only after the last reader was quiescent', async () => {
  const shared = createMemory(1);
  const qsbr = new Qsbr(shared);
  setReader(shared, 5, currentEpoch(shared));
  let isPast = false;
  const wait = qsbr.waitForGrace().then(() => {
    isPast = true;
  });
  await setTimeout(20);
  assert.not(isPast);
  setReader(shared, 5, currentEpoch(shared));
  await wait;
  assert.ok(isPast);
});

test.run();
