import { UsageError } from '../failure.js';

/**
 * Returns the words of a line of a script.
 *
 * Blanks separate words; `'...'` and `"..."` keep theirs and make empty words possible; a backslash
 * outside of `'...'` takes the next character as it is; `#` at the start of a word begins a comment.
 *
 * @throws {UsageError} when a quote is left open or a backslash ends the line.
 */
export function splitLine(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quoteMark: string | undefined;
  const chars = Array.from(line);
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === quoteMark) {
      quoteMark = undefined;
    } else if (char === '\\' && quoteMark !== "'") {
      at += 1;
      const next = chars[at];
      if (next === undefined) throw new UsageError('a backslash ends the line');
      word = (word ?? '') + next;
    } else if (quoteMark !== undefined) {
      word = (word ?? '') + char;
    } else if (char === "'" || char === '"') {
      quoteMark = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) {
      return words;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quoteMark !== undefined) throw new UsageError(`the quote ${quoteMark} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}
