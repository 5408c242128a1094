import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { UsageError } from './failure.js';

/** A line of a script. */
export interface ScriptLine {
  readonly text: string;
  /** Counted from 1. */
  readonly number: number;
}

/** Where commands come from. */
export interface Script {
  /** As messages call it. */
  readonly name: string;
  readonly input: Readable;
}

/** Name of a file that stands for the standard input. */
const STDIN = '-';

/** Returns the script of a path, or `stdin`. Whether it can be read is seen with its first line. */
export function openScript(path: string | undefined, stdin: Readable): Script {
  return path === undefined || path === STDIN
    ? { name: 'stdin', input: stdin }
    : { name: path, input: createReadStream(path) };
}

/**
 * Returns the lines of a script as they come in; its last one needs no end.
 *
 * @throws {UsageError} when it cannot be read.
 */
export async function* linesOf({ name, input }: Script): AsyncGenerator<ScriptLine> {
  let number = 0;
  let rest = '';
  try {
    for await (const chunk of input.setEncoding('utf8')) {
      const texts = `${rest}${chunk}`.split('\n');
      rest = texts.pop() ?? '';
      for (const text of texts) yield { text, number: ++number };
    }
  } catch (cause) {
    // Nothing but the reading itself throws here: who takes the lines fails on his own account.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`cannot read ${name}: ${reason}`, { cause });
  }
  if (rest !== '') yield { text: rest, number: ++number };
}
