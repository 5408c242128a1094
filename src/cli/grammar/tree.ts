import type { Command } from 'commander';
import { UsageError } from '../failure.js';
import { DEFAULT_MEMBER } from './command.js';
import { alternatives, expand } from './prefix.js';

/** A command as the words of a line name it, and the words that are left for it. */
interface Resolved {
  readonly command: Command;
  readonly words: readonly string[];
  /** Whether help is asked for instead of the command. */
  readonly wantsHelp: boolean;
}

/**
 * Returns the command that `words` lead to from `root`; each may be abbreviated to a unique prefix.
 *
 * @throws {UsageError} when a word leads nowhere or to several commands.
 */
export function resolveCommand(root: Command, words: readonly string[]): Resolved {
  let command = root;
  const path: string[] = [];
  let at = 0;
  for (; command.commands.length > 0; at++) {
    const word = words[at];
    if (word === undefined || isHelp(word)) break;
    command = memberOf(command, path, word);
    path.push(command.name());
  }
  const rest = words.slice(at);
  if (rest.some(isHelp)) return { command, words: [], wantsHelp: true };
  return { command: defaultOf(command, path), words: rest, wantsHelp: false };
}

function isHelp(word: string): boolean {
  return word === '-h' || word === '--help';
}

function memberOf(group: Command, path: readonly string[], word: string): Command {
  const names = namesOf(group);
  const matches = expand(word, names);
  const spelled = JSON.stringify([...path, word].join(' '));
  if (matches.length > 1)
    throw new UsageError(`ambiguous command ${spelled}: ${alternatives(matches)}`);
  const member = group.commands.find((candidate) => candidate.name() === matches[0]);
  if (member === undefined)
    throw new UsageError(`unknown command ${spelled}: expected ${alternatives(names)}`);
  return member;
}

/** Returns `command`, or the member that it stands for where it is a group. */
function defaultOf(command: Command, path: readonly string[]): Command {
  if (command.commands.length === 0) return command;
  const member = command.commands.find((candidate) => candidate.name() === DEFAULT_MEMBER);
  if (member !== undefined) return member;
  const expected = alternatives(namesOf(command));
  throw new UsageError(`${path.join(' ')}: a word is missing, expected ${expected}`);
}

function namesOf(group: Command): string[] {
  return group.commands.map((member) => member.name());
}
