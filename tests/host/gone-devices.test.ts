import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CTX_BASE, CTX_DEAD, CTX_SIZE } from '../../assembly/layout.js';
import { GoneDevices } from '../../src/host/gone-devices.js';
import { createMemory, type SharedMemory } from '../../src/host/memory.js';

const test = suite('gone-devices');

function setDead(shared: SharedMemory, worker: number, iface: number): void {
  Atomics.store(shared.u32, (CTX_BASE + worker * CTX_SIZE + CTX_DEAD + iface * 4) >>> 2, 1);
}

test('a device is gone once any worker found it gone, and is news once', () => {
  const shared = createMemory(1);
  const gone = new GoneDevices(shared);
  assert.equal(gone.takeNews([2, 3]), []);
  setDead(shared, 31, 3);
  assert.ok(gone.isGone(3));
  assert.not(gone.isGone(2));
  assert.equal(gone.takeNews([2, 3]), [3]);
  assert.equal(gone.takeNews([2, 3]), []);
});

test('an interface id starts afresh with its next device', () => {
  const shared = createMemory(1);
  const gone = new GoneDevices(shared);
  setDead(shared, 0, 3);
  gone.takeNews([3]);
  gone.forget(3);
  assert.not(gone.isGone(3));
  setDead(shared, 0, 3);
  assert.equal(gone.takeNews([3]), [3]);
});

test.run();
