import { Command, CommanderError } from 'commander';
import { defaultSocketPath } from '../api/socket-path.js';
import { UsageError } from './failure.js';
import { quote } from './grammar/values.js';

/** Bytes of sockaddr_un's path without its NUL; a longer one would be cut silently. */
const SOCKET_PATH_MAX_BYTES = 107;

/** What stands before the command. */
export interface Options {
  readonly socketPath: string;
  readonly isJson: boolean;
  /** Whether a script ends at its first failure. */
  readonly isErrExit: boolean;
  /** The script to read; `-` is the standard input. */
  readonly file: string | undefined;
  /** Whether commands are told before they run. */
  readonly isTracing: boolean;
  readonly wantsVersion: boolean;
  readonly wantsHelp: boolean;
}

/** Returns `grcli` with its options and without its commands. */
export function rootCommand(env: NodeJS.ProcessEnv): Command {
  return (
    new Command('grcli')
      .description(
        'Drives grout, a connection-tracking NAT gateway.\n' +
          'Without COMMAND, commands are read from the standard input, one per line.',
      )
      .usage('[options] [COMMAND]')
      .option('-s, --socket <PATH>', `the daemon's socket (default: ${defaultSocketPath(env)})`)
      .option('-j, --json', 'print JSON')
      .option('-e, --err-exit', 'end a script at its first failure')
      .option('-f, --file <PATH>', 'read commands from a file, - for the standard input')
      .option('-x, --trace-commands', 'print each command before it runs')
      .option('-V, --version', 'print the version')
      .helpOption('-h, --help', 'print help, also behind a command')
      .helpCommand(false)
      .configureHelp({ subcommandTerm: (command) => command.name() })
      // The command begins at the first word, and what follows is its own, be it -1.
      .passThroughOptions()
      .exitOverride()
      .configureOutput({ outputError: () => undefined })
  );
}

/**
 * Returns the options in `args`, and the words of the command behind them.
 *
 * @throws {UsageError} when an option is unknown or lacks its value.
 */
export function parseOptions(
  root: Command,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): { readonly options: Options; readonly words: readonly string[] } {
  const { operands, unknown } = parse(root, args);
  const wantsHelp = unknown[0] === '-h' || unknown[0] === '--help';
  if (unknown[0] !== undefined && !wantsHelp)
    throw new UsageError(`unknown option ${quote(unknown[0])}`);
  return { options: { ...optionsOf(root, env), wantsHelp }, words: operands };
}

/** Returns the options that `root` has found so far: those before a wrong one, too. */
export function isJsonWanted(root: Command): boolean {
  return root.getOptionValue('json') === true;
}

function optionsOf(root: Command, env: NodeJS.ProcessEnv): Omit<Options, 'wantsHelp'> {
  return {
    socketPath: checkSocketPath(textOf(root, 'socket') ?? defaultSocketPath(env)),
    isJson: isJsonWanted(root),
    isErrExit: root.getOptionValue('errExit') === true,
    file: textOf(root, 'file'),
    isTracing: root.getOptionValue('traceCommands') === true,
    wantsVersion: root.getOptionValue('version') === true,
  };
}

/** Refuses what the kernel would take for another path than was meant, or for none. */
function checkSocketPath(path: string): string {
  const length = Buffer.byteLength(path);
  if (length >= 1 && length <= SOCKET_PATH_MAX_BYTES) return path;
  throw new UsageError(
    `socket ${quote(path)} has ${length} bytes, expected a path of 1..${SOCKET_PATH_MAX_BYTES} bytes`,
  );
}

function textOf(root: Command, name: string): string | undefined {
  const value: unknown = root.getOptionValue(name);
  return typeof value === 'string' ? value : undefined;
}

function parse(root: Command, args: readonly string[]): ReturnType<Command['parseOptions']> {
  try {
    return root.parseOptions([...args]);
  } catch (error) {
    if (error instanceof CommanderError)
      throw new UsageError(error.message.replace(/^error: /, ''), { cause: error });
    throw error;
  }
}
