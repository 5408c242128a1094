import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as layout from '../../assembly/layout.js';
import { createMemory } from '../../src/host/memory.js';
import { REASON_NAMES } from '../../src/host/reasons.js';
import { Stats } from '../../src/host/stats.js';

const test = suite('reasons');

/** Constants of layout.ts that begin like a reason and are none. */
const OTHERS = /^TCP_(F_|WINDOW_|SIDE_|SCALE_|END|MAX|ISN|FLAGS|REASON_|INVALID_|TOLERATED)/;
const BOUNDS = new Set(['TCP_IGNORED_FIRST', 'TCP_IGNORED_END']);

const REASONS = Object.entries(layout).filter(
  ([name]) => /^(DROP|TCP)_/.test(name) && !OTHERS.test(name) && !BOUNDS.has(name),
);

test('every reason has a name of its own', () => {
  const names = new Set<string>();
  for (const [constant, reason] of REASONS) {
    const name = REASON_NAMES[reason] ?? '';
    assert.match(name, /^[a-z0-9]+(_[a-z0-9]+)*$/, constant);
    assert.not.ok(names.has(name), `${name} names two reasons`);
    names.add(name);
  }
  assert.is(Object.keys(REASON_NAMES).length, REASONS.length);
});

test('no two reasons share a number, and all have a counter', () => {
  const numbers = REASONS.map(([, reason]) => reason);
  assert.is(new Set(numbers).size, numbers.length);
  for (const reason of numbers) assert.ok(reason > 0 && reason <= layout.REASON_MASK);
});

test('the reasons of the TCP tracker are contiguous', () => {
  const { TCP_REASON_FIRST, TCP_INVALID_END, TCP_IGNORED_FIRST, TCP_IGNORED_END } = layout;
  for (const [first, end] of [
    [TCP_REASON_FIRST, TCP_INVALID_END],
    [TCP_IGNORED_FIRST, TCP_IGNORED_END],
  ] as const)
    for (let reason = first; reason < end; reason++)
      assert.match(REASON_NAMES[reason] ?? '', /^tcp_/, `reason ${reason}`);
  assert.is(REASON_NAMES[TCP_INVALID_END], undefined);
  assert.is(REASON_NAMES[TCP_IGNORED_END], undefined);
});

test('every reason has a counter whose name is fit for metrics', () => {
  const names = new Stats(createMemory(1)).counters().map(({ name }) => name);
  assert.is(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z][a-z0-9_]{0,62}$/);
  for (const reason of REASONS.map(([, number]) => number)) {
    const isIgnored = reason >= layout.TCP_IGNORED_FIRST;
    const name = `${isIgnored ? '' : 'drop_'}${REASON_NAMES[reason]}`;
    assert.is(names.filter((each) => each === name).length, 1, name);
  }
});

test.run();
