import { Command } from 'commander';
import {
  type CommandGroup,
  type CommandLeaf,
  type CommandNode,
  DEFAULT_MEMBER,
  isGroup,
} from './command.js';

/** A word or two of a command, as its help and its manual page tell of them. */
export interface Argument {
  readonly term: string;
  /** No full stop. */
  readonly help: string;
  readonly isRequired: boolean;
}

/** Returns the words of a command in the order in which help tells of them. */
export function argumentsOf({ subject, keywords }: CommandLeaf): Argument[] {
  const words = Object.entries(keywords).map(([name, { value, help, isRequired }]) => ({
    term: `${name} ${value.placeholder}`.trim(),
    help,
    isRequired,
  }));
  if (subject === undefined) return words;
  const { value, isRequired, help = value.expected } = subject;
  return [{ term: value.placeholder, help, isRequired }, ...words];
}

/** Returns how a command or a group is used, without the words that lead to it. */
export function usageOf(node: CommandNode): string {
  if (!isGroup(node))
    return argumentsOf(node)
      .map(({ term, isRequired }) => (isRequired ? term : `[${term}]`))
      .join(' ');
  return node.members.some(({ name }) => name === DEFAULT_MEMBER) ? '[COMMAND]' : 'COMMAND';
}

/** Returns the help of the place of the table that the words of `path` lead to. */
export function helpOf(path: readonly string[], node: CommandNode): string {
  const command = new Command(path.join(' '))
    .description(node.summary)
    .usage(usageOf(node))
    .helpOption(false);
  if (isGroup(node)) addMembers(command, node);
  // All are optional to commander, which would put < > around them otherwise.
  else for (const { term, help } of argumentsOf(node)) command.argument(`[${term}]`, help);
  return command.helpInformation();
}

/** Lists the members of a group in the help of a command. */
export function addMembers(command: Command, { members }: CommandGroup): void {
  command.helpCommand(false).configureHelp({ subcommandTerm: (member) => member.name() });
  for (const { name, summary } of members)
    command.addCommand(new Command(name).description(summary));
}
