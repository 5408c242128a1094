import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TablePressure } from '../../src/host/table-pressure.js';

const test = suite('table pressure');

/** Returns the levels told while the use of a table for 100 takes these values. */
function levels(...uses: readonly number[]): (string | undefined)[] {
  const pressure = new TablePressure();
  return uses.map((used) => pressure.observe(used, 100)?.match(/\d+ %/)?.[0]);
}

test('tells each level when it is reached, and only once', () => {
  const none = undefined;
  assert.equal(levels(0, 79, 80, 81, 89, 90, 99, 100, 100), [
    none,
    none,
    '80 %',
    none,
    none,
    '90 %',
    none,
    '100 %',
    none,
  ]);
});

test('tells the highest of several levels', () => {
  assert.equal(levels(100, 100), ['100 %', undefined]);
});

test('use that goes up and down around a level is told once', () => {
  assert.equal(levels(80, 78, 80, 76, 82, 75, 80), ['80 %', ...new Array(6).fill(undefined)]);
});

test('a level that was left for good is told again', () => {
  assert.equal(levels(80, 74, 80), ['80 %', undefined, '80 %']);
  assert.equal(levels(100, 94, 100, 94, 95), ['100 %', undefined, '100 %', undefined, undefined]);
  assert.equal(levels(100, 86, 91), ['100 %', undefined, undefined]);
  assert.equal(levels(100, 84, 91, 100), ['100 %', undefined, '90 %', '100 %']);
});

test('says how many conns are in use', () => {
  assert.is(new TablePressure().observe(9, 10), 'conn table: 90 % reached, 9 of 10 in use');
});

test.run();
