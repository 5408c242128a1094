import type { Value } from './values.js';

/** A word that is followed by a value: `max 1024`. One whose value takes no word is a flag. */
export interface Keyword<T> {
  readonly value: Value<T>;
  /** What the keyword does, for help: no full stop. */
  readonly help: string;
  /** Whether the command makes no sense without it. */
  readonly isRequired: boolean;
}

/** The keywords of a command by name, in the order in which help tells of them. */
export type Keywords = Readonly<Record<string, Keyword<unknown>>>;

/** A word without a keyword in front of it: `route del DEST`. */
export interface Subject<T> {
  /** How messages call it: address, destination, name. */
  readonly name: string;
  readonly value: Value<T>;
  /** One that is required comes first; another stands anywhere. */
  readonly isRequired: boolean;
  /** What it is, for help, unless what is expected says it. */
  readonly help?: string;
}

/** What was given: keywords that are not required may be missing. */
export type Given<K extends Keywords> = {
  readonly [N in keyof K]: ValueOf<K[N]> | (K[N]['isRequired'] extends true ? never : undefined);
};

type ValueOf<W> = W extends Keyword<infer T> ? T : never;

/** A value that says nothing but that its keyword was given. */
const GIVEN: Value<true> = { placeholder: '', wordCount: 0, expected: '', parse: () => true };

/** Returns a keyword that must be given. */
export function required<T>(value: Value<T>, help: string): Keyword<T> & { isRequired: true } {
  return { value, help, isRequired: true };
}

/** Returns a keyword that may be left out. */
export function optional<T>(value: Value<T>, help: string): Keyword<T> & { isRequired: false } {
  return { value, help, isRequired: false };
}

/** Returns a keyword without a value, which may also be written as an option: `--dry-run`. */
export function flag(help: string): Keyword<true> & { isRequired: false } {
  return optional(GIVEN, help);
}

/** Returns whether a keyword stands alone, without a value. */
export function isFlag({ value }: Keyword<unknown>): boolean {
  return value.wordCount === 0;
}
