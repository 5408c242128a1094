#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { ControlError } from '../api/errors.js';
import { openLinuxTun, probeTun } from '../tun/linux.js';
import { type Daemon, startDaemon } from './daemon.js';
import { createLog, type Log } from './log.js';
import { type GatewayOptions, parseWish, type Wish } from './options.js';
import { replay } from './replay.js';
import type { Write } from './replay-report.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** What a shell sees of a program that SIGPIPE ended, as others are when their reader leaves. */
const EXIT_BROKEN_PIPE = 141;

/** Runs the start-up file through grcli, which stops at its first failure. */
async function runStartUpFile(options: GatewayOptions, file: string): Promise<void> {
  const grcli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
  const args = [grcli, '-s', options.socket, '-e', '-x', '-f', file];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new ControlError('EINVAL', `start-up file ${file} failed`);
}

async function runGateway(options: GatewayOptions, log: Log): Promise<void> {
  // From the beginning: whoever reads that it listens may end it at once.
  const stop = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
  });
  probeTun();
  const daemon: Daemon = await startDaemon({
    socketPath: options.socket,
    workers: options.workers,
    maxConntracks: options.maxConntracks,
    io: options.io,
    spinUs: options.spinUs,
    openTun: openLinuxTun,
    log,
    onBug: (cause) => {
      throw cause;
    },
  });
  try {
    if (options.file !== undefined) await runStartUpFile(options, options.file);
    log.info(`${await stop}: stopping`);
  } finally {
    await daemon.close();
  }
}

/** Returns a writer to the standard output that waits until the text is taken. */
function stdoutWriter(): Write {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_BROKEN_PIPE);
    process.stderr.write(`error cannot write the output: ${error.message}\n`);
    process.exit(EXIT_FAILED);
  });
  return (text) => new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

async function run(wish: Wish, log: Log): Promise<void> {
  if (wish.command === 'gateway') await runGateway(wish.options, log);
  else await replay(wish.options, stdoutWriter());
}

async function main(): Promise<number> {
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  );
  let wish: Wish;
  try {
    wish = parseWish(process.argv, version);
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    return cause.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  const isVerbose = wish.command === 'gateway' && wish.options.verbose;
  const log = createLog((line) => process.stderr.write(line), isVerbose);
  try {
    await run(wish, log);
    return 0;
  } catch (cause) {
    if (!(cause instanceof ControlError)) throw cause;
    log.error(`${cause.message} (${cause.code})`);
    return EXIT_FAILED;
  }
}

process.exitCode = await main();
