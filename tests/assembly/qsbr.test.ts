import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Qsbr } from '../../src/host/qsbr.js';
import { testDatapath } from '../support/datapath.js';

const test = suite('qsbr');

test('a grace period ends when every online reader has been quiescent', () => {
  const { shared, wasm } = testDatapath({ ceiling: 1 });
  const qsbr = new Qsbr(shared);
  assert.ok(qsbr.isPassed(qsbr.openEpoch()), 'nobody is online');
  wasm.qsbrOnline(0);
  wasm.qsbrOnline(31);
  const ticket = qsbr.openEpoch();
  assert.not.ok(qsbr.isPassed(ticket));
  wasm.qsbrCheckpoint(0);
  assert.not.ok(qsbr.isPassed(ticket), 'reader 31 still holds something');
  wasm.qsbrCheckpoint(31);
  assert.ok(qsbr.isPassed(ticket));
});

test('an offline reader delays nobody, and one that comes online only later epochs', () => {
  const { shared, wasm } = testDatapath({ ceiling: 1 });
  const qsbr = new Qsbr(shared);
  wasm.qsbrOnline(4);
  const first = qsbr.openEpoch();
  assert.not.ok(qsbr.isPassed(first));
  wasm.qsbrOffline(4);
  assert.ok(qsbr.isPassed(first));
  wasm.qsbrOnline(4);
  assert.ok(qsbr.isPassed(first));
  const second = qsbr.openEpoch();
  assert.not.ok(qsbr.isPassed(second));
  wasm.qsbrCheckpoint(4);
  wasm.qsbrCheckpoint(4);
  assert.ok(qsbr.isPassed(second));
});

test.run();
