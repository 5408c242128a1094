import { UsageError } from '../failure.js';
import { alternatives, expand } from './prefix.js';
import { quote, type Value } from './values.js';

/** A word that is followed by a value: `max 1024`. */
export interface Keyword<T> {
  readonly value: Value<T>;
  /** What the keyword does, for help: no full stop. */
  readonly help: string;
  /** Whether the command makes no sense without it. */
  readonly isRequired: boolean;
}

/** The keywords of a command by name, in the order in which help tells of them. */
export type Keywords = Readonly<Record<string, Keyword<unknown>>>;

/** What was given: keywords that are not required may be missing. */
export type Given<K extends Keywords> = {
  readonly [N in keyof K]: ValueOf<K[N]> | (K[N]['isRequired'] extends true ? never : undefined);
};

type ValueOf<W> = W extends Keyword<infer T> ? T : never;

/** Returns a keyword that must be given. */
export function required<T>(value: Value<T>, help: string): Keyword<T> & { isRequired: true } {
  return { value, help, isRequired: true };
}

/** Returns a keyword that may be left out. */
export function optional<T>(value: Value<T>, help: string): Keyword<T> & { isRequired: false } {
  return { value, help, isRequired: false };
}

/**
 * Returns the values of `words`, which are keywords and their values by turns, in any order. A
 * keyword may be abbreviated to a unique prefix.
 *
 * @throws {UsageError} at the first word that does not fit.
 */
export function parseKeywords<K extends Keywords>(words: readonly string[], keywords: K): Given<K> {
  const names = Object.keys(keywords);
  const given = new Map<string, unknown>();
  for (let at = 0; at < words.length; ) {
    const name = keywordName(words[at] ?? '', names);
    if (given.has(name)) throw new UsageError(`${name} is given twice`);
    const { value } = keywordOf(keywords, name);
    const end = at + 1 + (value.wordCount ?? 1);
    if (end > words.length)
      throw new UsageError(`${name}: a value is missing, expected ${value.expected}`);
    given.set(name, value.parse(name, words.slice(at + 1, end).join(' ')));
    at = end;
  }
  for (const name of names) {
    const { isRequired, value } = keywordOf(keywords, name);
    if (isRequired && !given.has(name))
      throw new UsageError(`${name} is missing, expected ${name} ${value.placeholder}`);
  }
  // Each value came from the keyword of its own name, and none that is required is missing.
  return Object.fromEntries(given) as Given<K>;
}

/** Returns the keyword that `word` names or abbreviates. */
function keywordName(word: string, names: readonly string[]): string {
  const matches = expand(word, names);
  const [name] = matches;
  if (matches.length > 1)
    throw new UsageError(`${quote(word)} is ambiguous: ${alternatives(matches)}`);
  if (name === undefined)
    throw new UsageError(
      names.length === 0
        ? `${quote(word)} is one word too many`
        : `unknown word ${quote(word)}: expected ${alternatives(names)}`,
    );
  return name;
}

function keywordOf(keywords: Keywords, name: string): Keyword<unknown> {
  const keyword = keywords[name];
  if (keyword === undefined) throw new Error(`no keyword is named ${name}`);
  return keyword;
}
