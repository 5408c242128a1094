import { UsageError } from '../failure.js';
import {
  type CommandGroup,
  type CommandLeaf,
  type CommandNode,
  DEFAULT_MEMBER,
  isGroup,
} from './command.js';
import { alternatives, expand } from './prefix.js';

/** A command as the words of a line name it, and the words that are left for it. */
export type Resolved =
  | { readonly command: CommandLeaf; readonly words: readonly string[] }
  /** Help is asked for: of a place of the table, and how one gets there. */
  | { readonly helpOf: CommandNode; readonly path: readonly string[] };

/**
 * Returns the command of `root` that `words` lead to; each may be abbreviated to a unique prefix.
 *
 * @throws {UsageError} when a word leads nowhere or to several commands.
 */
export function resolveCommand(root: CommandGroup, words: readonly string[]): Resolved {
  let node: CommandNode = root;
  const path: string[] = [];
  let at = 0;
  for (; isGroup(node); at++) {
    const word = words[at];
    if (word === undefined || isHelp(word)) break;
    node = memberOf(node, path, word);
    path.push(node.name);
  }
  const rest = words.slice(at);
  if (rest.some(isHelp)) return { helpOf: node, path };
  return { command: isGroup(node) ? defaultOf(node, path) : node, words: rest };
}

/** Returns those members of a group that `word` names or abbreviates. */
export function expandMember(group: CommandGroup, word: string): readonly CommandNode[] {
  const within = group.members.filter(
    ({ name, leastLetters = 1 }) => name === word || word.length >= leastLetters,
  );
  const names = expand(
    word,
    within.map(({ name }) => name),
  );
  return within.filter(({ name }) => names.includes(name));
}

function isHelp(word: string): boolean {
  return word === '-h' || word === '--help';
}

function memberOf(group: CommandGroup, path: readonly string[], word: string): CommandNode {
  const matches = expandMember(group, word);
  const spelled = JSON.stringify([...path, word].join(' '));
  if (matches.length > 1)
    throw new UsageError(`ambiguous command ${spelled}: ${alternatives(matches.map(nameOf))}`);
  const [member] = matches;
  if (member !== undefined) return member;
  const expected = alternatives(group.members.map(nameOf));
  throw new UsageError(`unknown command ${spelled}: expected ${expected}`);
}

/** Returns the command that a group stands for. */
function defaultOf(group: CommandGroup, path: readonly string[]): CommandLeaf {
  const member = group.members.find(({ name }) => name === DEFAULT_MEMBER);
  if (member !== undefined && !isGroup(member)) return member;
  const expected = alternatives(group.members.map(nameOf));
  throw new UsageError(`${path.join(' ')}: a word is missing, expected ${expected}`);
}

function nameOf({ name }: CommandNode): string {
  return name;
}
