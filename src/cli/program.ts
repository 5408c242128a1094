import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { COMMANDS } from './commands.js';
import { EXIT_OK, EXIT_USAGE, type Failure, failureOf, UsageError } from './failure.js';
import { addMembers } from './grammar/help.js';
import { splitLine } from './grammar/tokens.js';
import { isJsonWanted, type Options, parseOptions, rootCommand } from './options.js';
import { Output, type Write } from './output.js';
import { linesOf, openScript, type Script } from './script.js';
import { type Connect, Session } from './session.js';

/** The world around the program. */
export interface World {
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Write;
  readonly stderr: Write;
  /** The terminal behind the standard error; undefined when that is none. */
  readonly terminal: Write | undefined;
  readonly connect: Connect;
  readonly monotonicNs: () => bigint;
}

/** Runs the program; returns its exit code. */
export async function runGrcli(args: readonly string[], world: World): Promise<number> {
  const root = rootCommand(world.env);
  return attempt(root, world, '', async () => {
    const { options, words } = parseOptions(root, args, world.env);
    const session = new Session({
      socketPath: options.socketPath,
      output: new Output(world.stdout, options.isJson),
      terminal: world.terminal,
      connect: world.connect,
      monotonicNs: world.monotonicNs,
    });
    try {
      return await new Program(root, options, session, world).run(words);
    } finally {
      session.close();
    }
  });
}

class Program {
  readonly #root: Command;
  readonly #options: Options;
  readonly #session: Session;
  readonly #world: World;

  constructor(root: Command, options: Options, session: Session, world: World) {
    this.#root = root;
    this.#options = options;
    this.#session = session;
    this.#world = world;
  }

  /** Does what the options and the words behind them say; returns the exit code. */
  async run(words: readonly string[]): Promise<number> {
    const { wantsHelp, wantsVersion, file } = this.#options;
    const { stdin, stdout, stderr, version } = this.#world;
    if (wantsHelp) await stdout(this.#help());
    else if (wantsVersion) await stdout(`grcli ${version}\n`);
    else if (words.length > 0 && file !== undefined)
      throw new UsageError(`${words.join(' ')} is not expected behind -f ${file}`);
    else if (words.length > 0) await this.#command(words);
    else if (file !== undefined || stdin.isTTY !== true)
      return this.#script(openScript(file, stdin));
    else {
      await stderr(this.#help());
      return EXIT_USAGE;
    }
    return EXIT_OK;
  }

  #help(): string {
    addMembers(this.#root, COMMANDS);
    return this.#root.helpInformation();
  }

  async #command(words: readonly string[]): Promise<void> {
    if (this.#options.isTracing) await this.#world.stderr(`+ ${words.join(' ')}\n`);
    await this.#session.run(COMMANDS, words);
  }

  /** Runs the commands of a script; returns the exit code of the last one that failed. */
  async #script(script: Script): Promise<number> {
    let exitCode = EXIT_OK;
    for await (const { text, number } of linesOf(script)) {
      const place = `${script.name}:${number}`;
      const code = await attempt(this.#root, this.#world, place, async () => {
        const words = splitLine(text);
        if (words.length > 0) await this.#command(words);
        return EXIT_OK;
      });
      if (code !== EXIT_OK) exitCode = code;
      if (this.#session.hasQuit || (code !== EXIT_OK && this.#options.isErrExit)) break;
    }
    return exitCode;
  }
}

/** Returns the exit code of `action`; tells of its failure, with the place in a script if there is one. */
async function attempt(
  root: Command,
  { stderr }: World,
  place: string,
  action: () => Promise<number>,
): Promise<number> {
  try {
    return await action();
  } catch (error) {
    const failure = failureOf(error);
    await stderr(isJsonWanted(root) ? failureJson(failure, place) : failureText(failure, place));
    return failure.exitCode;
  }
}

function failureText({ message, errno }: Failure, place: string): string {
  const start = place === '' ? 'error' : `${place}: error`;
  return errno === undefined
    ? `${start}: ${message}\n`
    : `${start}: command failed: ${message} (${errno})\n`;
}

function failureJson({ message, errno, exitCode }: Failure, place: string): string {
  const object = {
    error: message,
    ...(errno !== undefined && { errno }),
    exit_code: exitCode,
    ...(place !== '' && { place }),
  };
  return `${JSON.stringify(object)}\n`;
}
