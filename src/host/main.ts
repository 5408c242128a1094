#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { MAX_CONNTRACKS, MAX_WORKERS } from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';
import { defaultSocketPath } from '../api/socket-path.js';
import { openLinuxTun, probeTun } from '../tun/linux.js';
import { type Daemon, startDaemon } from './daemon.js';
import { createLog, type Log } from './log.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const DEFAULT_CEILING = 1 << 20;

interface Options {
  readonly socket: string;
  readonly verbose: boolean;
  readonly workers: number;
  readonly maxConntracks: number;
  readonly file?: string;
}

/** Returns a parser of decimal whole numbers in min..max. */
function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It is not a whole number in ${min}..${max}.`);
  };
}

function parseOptions(argv: readonly string[]): Options {
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  );
  const program = new Command('grout')
    .description('A connection-tracking NAT gateway over TUN devices, driven by grcli.')
    .option(
      '-s, --socket <path>',
      'UNIX socket of the API (env GROUT_SOCK_PATH)',
      defaultSocketPath(),
    )
    .option('-v, --verbose', 'log more than what changes', false)
    .option(
      '--workers <n>',
      `datapath threads, 1..${MAX_WORKERS}`,
      wholeNumber(1, MAX_WORKERS),
      Math.min(MAX_WORKERS, Math.max(1, availableParallelism() - 1)),
    )
    .option(
      '--max-conntracks <n>',
      `highest value that conntrack's max may be set to, 1..${MAX_CONNTRACKS}`,
      wholeNumber(1, MAX_CONNTRACKS),
      DEFAULT_CEILING,
    )
    .option('-f, --file <path>', 'grcli commands to run once the daemon is up')
    .version(version, '-V, --version')
    .helpOption('-h, --help')
    .allowExcessArguments(false)
    .exitOverride();
  return program.parse(argv).opts<Options>();
}

/** Runs the start-up file through grcli, which stops at its first failure. */
async function runStartUpFile(options: Options, file: string): Promise<void> {
  const grcli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
  const args = [grcli, '-s', options.socket, '-e', '-x', '-f', file];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new ControlError('EINVAL', `start-up file ${file} failed`);
}

async function run(options: Options, log: Log): Promise<void> {
  probeTun();
  const daemon: Daemon = await startDaemon({
    socketPath: options.socket,
    workers: options.workers,
    maxConntracks: options.maxConntracks,
    openTun: openLinuxTun,
    log,
    onBug: (cause) => {
      throw cause;
    },
  });
  const stop = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
  });
  try {
    if (options.file !== undefined) await runStartUpFile(options, options.file);
    log.info(`${await stop}: stopping`);
  } finally {
    await daemon.close();
  }
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(process.argv);
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    return cause.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  const log = createLog((line) => process.stderr.write(line), options.verbose);
  try {
    await run(options, log);
    return 0;
  } catch (cause) {
    if (!(cause instanceof ControlError)) throw cause;
    log.error(`${cause.message} (${cause.code})`);
    return EXIT_FAILED;
  }
}

process.exitCode = await main();
