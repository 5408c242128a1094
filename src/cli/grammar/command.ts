import type { CliContext } from '../context.js';
import type { Given, Keywords, Subject } from './keywords.js';
import { parseWords } from './words.js';

/*
 * The table of commands: a tree of plain data, which every reader of it goes by alike - running
 * a command, its help, the completion of its words, and the manual pages.
 */

/** The member of a group that is meant when none is named. */
export const DEFAULT_MEMBER = 'show';

/** What every place of the table has. */
interface NodeBase {
  readonly name: string;
  /** A sentence without a full stop. */
  readonly summary: string;
  /**
   * How many letters an abbreviation has at least, 1 unless told: so that a newer command takes no
   * abbreviation away from an older one.
   */
  readonly leastLetters?: number;
}

/** A place that leads to others; `show`, if it is among them, is meant when none is named. */
export interface CommandGroup extends NodeBase {
  readonly members: readonly CommandNode[];
}

/** A command that does something. */
export interface CommandLeaf extends NodeBase {
  readonly subject: Subject<unknown> | undefined;
  readonly keywords: Keywords;
  /** Paragraphs for the manual page, in addition to the summary. */
  readonly details: readonly string[];
  /** @throws {UsageError} before anything is done, when the words make no sense. */
  run(context: CliContext, words: readonly string[]): Promise<void>;
}

export type CommandNode = CommandGroup | CommandLeaf;

/** What a command of keywords alone is made of. */
interface KeywordSpec<K extends Keywords> extends NodeBase {
  readonly keywords: K;
  readonly details?: readonly string[];
  run(context: CliContext, given: Given<K>): Promise<void>;
}

/** What a command with a subject is made of. */
interface SubjectSpec<S, R extends boolean, K extends Keywords> extends NodeBase {
  readonly subject: Subject<S> & { readonly isRequired: R };
  readonly keywords: K;
  readonly details?: readonly string[];
  run(
    context: CliContext,
    subject: S | (R extends true ? never : undefined),
    given: Given<K>,
  ): Promise<void>;
}

/** Returns a command that runs with the values of its keywords. */
export function keywordCommand<K extends Keywords>(spec: KeywordSpec<K>): CommandLeaf {
  return {
    details: [],
    ...spec,
    subject: undefined,
    run: (context, words) => spec.run(context, parseWords(words, undefined, spec.keywords).given),
  };
}

/** Returns a command that runs with its subject and the values of its keywords. */
export function subjectCommand<S, R extends boolean, K extends Keywords>(
  spec: SubjectSpec<S, R, K>,
): CommandLeaf {
  return {
    details: [],
    ...spec,
    run(context, words) {
      const { subject, given } = parseWords(words, spec.subject, spec.keywords);
      return spec.run(context, subject, given);
    },
  };
}

/** Returns whether a place of the table leads to others. */
export function isGroup(node: CommandNode): node is CommandGroup {
  return 'members' in node;
}
