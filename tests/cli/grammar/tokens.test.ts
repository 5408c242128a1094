import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../../src/cli/failure.js';
import { splitLine } from '../../../src/cli/grammar/tokens.js';

const LINES: readonly { line: string; words: readonly string[] }[] = [
  { line: '', words: [] },
  { line: ' \t ', words: [] },
  { line: 'a b', words: ['a', 'b'] },
  { line: '  a\t\tb \r', words: ['a', 'b'] },
  { line: '# a', words: [] },
  { line: 'a #b c', words: ['a'] },
  { line: 'a#b', words: ['a#b'] },
  { line: 'a "#b"', words: ['a', '#b'] },
  { line: 'a\\ b \\#c', words: ['a b', '#c'] },
  { line: `'a b'"c d"e`, words: ['a bc de'] },
  { line: `'' ""`, words: ['', ''] },
  { line: `'a"b' "a'b"`, words: ['a"b', "a'b"] },
  { line: `'a\\b' "a\\"b"`, words: ['a\\b', 'a"b'] },
  { line: 'é 😀', words: ['é', '😀'] },
];

const test = suite('cli tokens');

for (const { line, words } of LINES) {
  test(`${JSON.stringify(line)} is ${words.length} words`, () => {
    assert.equal(splitLine(line), words);
  });
}

for (const line of ['"', "a 'b", 'a "b\\"', 'a\\']) {
  test(`${line} is refused`, () => {
    assert.throws(
      () => splitLine(line),
      (error: unknown) => error instanceof UsageError,
    );
  });
}

test.run();
