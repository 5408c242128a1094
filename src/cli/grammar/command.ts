import { Command } from 'commander';
import { UsageError } from '../failure.js';
import { type Given, type Keywords, parseKeywords } from './keywords.js';
import type { Value } from './values.js';

/** The member of a group that is meant when none is named. */
export const DEFAULT_MEMBER = 'show';

/** A command of words alone: keywords and their values, or nothing. */
interface KeywordCommand<K extends Keywords> {
  readonly name: string;
  readonly summary: string;
  readonly keywords: K;
  run(given: Given<K>): Promise<void>;
}

/** A command whose first word says what it is about: `route del DEST`. */
interface SubjectCommand<S, K extends Keywords> {
  readonly name: string;
  readonly summary: string;
  /** How messages call the subject: address, destination, name. */
  readonly subjectName: string;
  readonly subject: Value<S>;
  readonly keywords: K;
  run(subject: S, given: Given<K>): Promise<void>;
}

/** An argument as help tells of it. */
interface ArgumentHelp {
  readonly term: string;
  readonly help: string;
  readonly isRequired: boolean;
}

/** Returns a command that runs with the values of its keywords. */
export function keywordCommand<K extends Keywords>(spec: KeywordCommand<K>): Command {
  const { name, summary, keywords } = spec;
  return wordsCommand(name, summary, keywordHelp(keywords), (words) =>
    spec.run(parseKeywords(words, keywords)),
  );
}

/** Returns a command that runs with its subject and the values of its keywords. */
export function subjectCommand<S, K extends Keywords>(spec: SubjectCommand<S, K>): Command {
  const { name, summary, subject, subjectName, keywords } = spec;
  const subjectHelp = { term: subject.placeholder, help: subject.expected, isRequired: true };
  const help = [subjectHelp, ...keywordHelp(keywords)];
  return wordsCommand(name, summary, help, ([text, ...words]) => {
    if (text === undefined)
      throw new UsageError(`${subjectName}: a value is missing, expected ${subject.expected}`);
    return spec.run(subject.parse(subjectName, text), parseKeywords(words, keywords));
  });
}

/** Returns a command that reads its words itself. */
export function wordsCommand(
  name: string,
  summary: string,
  args: readonly ArgumentHelp[],
  run: (words: readonly string[]) => Promise<void>,
): Command {
  const command = new Command(name).description(summary).helpOption(false).allowExcessArguments();
  // Declared for help alone: all are optional to commander, which so leaves every word to `run`.
  for (const { term, help } of args) command.argument(`[${term}]`, help);
  command.usage(args.map(({ term, isRequired }) => (isRequired ? term : `[${term}]`)).join(' '));
  return command.action(() => run(command.args));
}

/** Returns a command that only leads to others; `show`, if it is among them, is meant when none is named. */
export function groupCommand(name: string, summary: string, members: readonly Command[]): Command {
  const group = new Command(name)
    .description(summary)
    .usage(members.some((member) => member.name() === DEFAULT_MEMBER) ? '[COMMAND]' : 'COMMAND')
    .helpOption(false)
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (member) => member.name() });
  for (const member of members) group.addCommand(member);
  return group;
}

function keywordHelp(keywords: Keywords): ArgumentHelp[] {
  return Object.entries(keywords).map(([name, { value, help, isRequired }]) => ({
    term: `${name} ${value.placeholder}`,
    help,
    isRequired,
  }));
}
