import type { ApiClient } from '../api/client.js';
import { ApiError, ConnectionError } from '../api/errors.js';
import type { CliContext } from './context.js';
import { UnreachableError } from './failure.js';
import type { CommandGroup } from './grammar/command.js';
import { helpOf } from './grammar/help.js';
import { resolveCommand } from './grammar/tree.js';
import type { Output, Write } from './output.js';

/** Opens a conversation. @throws {ConnectionError} when nobody answers at that path. */
export type Connect = (socketPath: string) => Promise<ApiClient>;

/** What a session is made with. */
interface SessionOptions {
  readonly socketPath: string;
  readonly output: Output;
  /** The terminal behind the standard error; undefined when that is none. */
  readonly terminal: Write | undefined;
  readonly connect: Connect;
  readonly monotonicNs: () => bigint;
}

/**
 * Commands one after the other, over one conversation with the daemon: opened by the first command that
 * needs it, and again by the next one after it was lost.
 */
export class Session implements CliContext {
  readonly output: Output;
  readonly terminal: Write | undefined;
  readonly monotonicNs: () => bigint;
  readonly #socketPath: string;
  readonly #open: Connect;
  #api: ApiClient | undefined;
  #hasQuit = false;

  constructor({ socketPath, output, terminal, connect, monotonicNs }: SessionOptions) {
    this.output = output;
    this.terminal = terminal;
    this.monotonicNs = monotonicNs;
    this.#socketPath = socketPath;
    this.#open = connect;
  }

  /** Whether the command `quit` was run. */
  get hasQuit(): boolean {
    return this.#hasQuit;
  }

  readonly connect = async (): Promise<ApiClient> => {
    this.#api ??= await openOrTell(this.#open, this.#socketPath);
    return this.#api;
  };

  connectAgain(): Promise<ApiClient> {
    return openOrTell(this.#open, this.#socketPath);
  }

  quit(): void {
    this.#hasQuit = true;
  }

  /**
   * Runs the command of `root` that `words` name, or prints its help.
   *
   * @throws {UsageError} before anything is sent.
   * @throws {UnreachableError} when there is no daemon.
   * @throws {ApiError} when the daemon refuses.
   */
  async run(root: CommandGroup, words: readonly string[]): Promise<void> {
    const resolved = resolveCommand(root, words);
    if ('helpOf' in resolved)
      return this.output.text(helpOf([root.name, ...resolved.path], resolved.helpOf));
    try {
      await resolved.command.run(this, resolved.words);
    } catch (error) {
      if (error instanceof ConnectionError) this.close();
      throw error;
    }
  }

  /** Ends the conversation. Idempotent; the next command opens another one. */
  close(): void {
    this.#api?.close();
    this.#api = undefined;
  }
}

async function openOrTell(open: Connect, path: string): Promise<ApiClient> {
  try {
    return await open(path);
  } catch (error) {
    if (error instanceof ConnectionError)
      throw new UnreachableError(`${error.message}; ${adviceOn(error, path)}`, { cause: error });
    if (error instanceof ApiError)
      throw new UnreachableError(`the daemon at ${path} speaks another version: ${error.message}`, {
        cause: error,
      });
    throw error;
  }
}

function adviceOn({ cause }: ConnectionError, path: string): string {
  const isForbidden = cause instanceof Error && 'code' in cause && cause.code === 'EACCES';
  return isForbidden
    ? "only the socket's owner and group may connect"
    : `start the daemon with: grout -s ${path}`;
}
