import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Column, tableLines } from '../../src/api/table.js';

const COLUMNS: readonly Column[] = [
  { header: 'NAME', align: 'left' },
  { header: 'N', align: 'right' },
  { header: 'NOTE', align: 'left' },
];

const test = suite('cli table');

test('a table without rows has no lines', () => {
  assert.equal([...tableLines(COLUMNS, () => [])], []);
});

test('a column is as wide as its widest cell or its header', () => {
  const rows = [
    ['a', '1', 'x'],
    ['longer', '12345', ''],
  ];
  assert.equal(
    [...tableLines(COLUMNS, () => rows)],
    ['NAME        N  NOTE', 'a           1  x', 'longer  12345'],
  );
});

test('missing cells are empty and no line ends in white space', () => {
  assert.equal([...tableLines(COLUMNS, () => [['a'], []])], ['NAME  N  NOTE', 'a', '']);
});

test('rows may come from a source that is walked anew', () => {
  let walks = 0;
  const lines = tableLines(COLUMNS, function* () {
    walks += 1;
    yield ['a', '1', 'x'];
  });
  assert.is([...lines].length, 2);
  assert.is(walks, 2);
});

test.run();
