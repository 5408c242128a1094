import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alternatives, expand } from '../../../src/cli/grammar/prefix.js';

const CANDIDATES = ['show', 'show-all', 'set'];

const EXPANSIONS: readonly { word: string; to: readonly string[] }[] = [
  { word: 'set', to: ['set'] },
  { word: 'se', to: ['set'] },
  { word: 's', to: ['show', 'show-all', 'set'] },
  { word: 'sho', to: ['show', 'show-all'] },
  { word: 'show', to: ['show'] },
  { word: 'show-', to: ['show-all'] },
  { word: 'sets', to: [] },
  { word: 'SET', to: [] },
  { word: '', to: [] },
];

const test = suite('cli prefix');

for (const { word, to } of EXPANSIONS) {
  test(`${JSON.stringify(word)} stands for ${JSON.stringify(to)}`, () => {
    assert.equal(expand(word, CANDIDATES), to);
  });
}

test('alternatives are listed as in a sentence', () => {
  assert.is(alternatives([]), '');
  assert.is(alternatives(['a']), 'a');
  assert.is(alternatives(['a', 'b']), 'a or b');
  assert.is(alternatives(['a', 'b', 'c']), 'a, b or c');
});

test.run();
