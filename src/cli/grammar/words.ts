import { UsageError } from '../failure.js';
import { type Given, isFlag, type Keyword, type Keywords, type Subject } from './keywords.js';
import { alternatives, expand } from './prefix.js';
import { quote } from './values.js';

/** The words of a command, understood. */
interface Understood<S, R extends boolean, K extends Keywords> {
  readonly subject: S | (R extends true ? never : undefined);
  readonly given: Given<K>;
}

/**
 * Returns the values of `words`: a subject, if the command has one, and keywords with their values,
 * in any order. A keyword may be abbreviated to a unique prefix.
 *
 * @throws {UsageError} at the first word that does not fit.
 */
export function parseWords<S, R extends boolean, K extends Keywords>(
  words: readonly string[],
  subject: (Subject<S> & { readonly isRequired: R }) | undefined,
  keywords: K,
): Understood<S, R, K> {
  const isLeading = subject?.isRequired === true;
  if (isLeading && words.length === 0)
    throw new UsageError(`${subject.name}: a value is missing, expected ${subject.value.expected}`);
  const given = new Map<string, unknown>();
  let found: { value: S } | undefined;
  for (let at = 0; at < words.length; ) {
    const word = words[at] ?? '';
    if (subject !== undefined && (isLeading ? at === 0 : !isKeyword(word, keywords))) {
      if (found !== undefined) throw new UsageError(`${subject.name} is given twice`);
      found = { value: subject.value.parse(subject.name, word) };
      at += 1;
      continue;
    }
    at = parseKeyword(words, at, keywords, given);
  }
  for (const [name, { isRequired, value }] of Object.entries(keywords)) {
    if (isRequired && !given.has(name))
      throw new UsageError(`${name} is missing, expected ${name} ${value.placeholder}`);
  }
  // A subject that is required was found; each value came from the keyword of its own name, and
  // none that is required is missing.
  return {
    subject: found?.value as Understood<S, R, K>['subject'],
    given: Object.fromEntries(given) as Given<K>,
  };
}

/** Returns those names of `keywords` that `word` may stand for; a flag may have dashes in front. */
export function expandKeyword(word: string, keywords: Keywords): readonly string[] {
  if (!word.startsWith('--')) return expand(word, Object.keys(keywords));
  const flags = Object.entries(keywords).filter(([, keyword]) => isFlag(keyword));
  return expand(
    word.slice(2),
    flags.map(([name]) => name),
  );
}

/** Reads the keyword at `at` and its value into `given`; returns where the next one is. */
function parseKeyword(
  words: readonly string[],
  at: number,
  keywords: Keywords,
  given: Map<string, unknown>,
): number {
  const [name, { value }] = keywordAt(words[at] ?? '', keywords);
  if (given.has(name)) throw new UsageError(`${name} is given twice`);
  const end = at + 1 + (value.wordCount ?? 1);
  if (end > words.length)
    throw new UsageError(`${name}: a value is missing, expected ${value.expected}`);
  given.set(name, value.parse(name, words.slice(at + 1, end).join(' ')));
  return end;
}

function isKeyword(word: string, keywords: Keywords): boolean {
  return expandKeyword(word, keywords).length > 0;
}

/** Returns the keyword that `word` names or abbreviates, with its name. */
function keywordAt(word: string, keywords: Keywords): readonly [string, Keyword<unknown>] {
  const matches = expandKeyword(word, keywords);
  if (matches.length > 1)
    throw new UsageError(`${quote(word)} is ambiguous: ${alternatives(matches)}`);
  const [name] = matches;
  const keyword = name === undefined ? undefined : keywords[name];
  if (name !== undefined && keyword !== undefined) return [name, keyword];
  const names = Object.keys(keywords);
  throw new UsageError(
    names.length === 0
      ? `${quote(word)} is one word too many`
      : `unknown word ${quote(word)}: expected ${alternatives(names)}`,
  );
}
