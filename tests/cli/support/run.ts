import { PassThrough, Readable } from 'node:stream';
import { ApiClient } from '../../../src/api/client.js';
import { runGrcli } from '../../../src/cli/program.js';
import { type Answers, startFakeDaemon } from './fake-daemon.js';

/** What a run of the program left. */
export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Requests that the daemon got, in order. */
  readonly requests: readonly string[];
  /** Conversations that were opened. */
  readonly connects: number;
}

export interface RunOptions {
  readonly answers?: Answers;
  /** A script on the standard input; without one it is a terminal. */
  readonly stdin?: string;
  readonly monotonicNs?: bigint;
  /** Whether the standard error is a terminal. */
  readonly hasTerminal?: boolean;
  /** The socket of another daemon, which is asked instead. */
  readonly socketPath?: string;
}

/** Runs the program in this process against a daemon that answers from a table. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { answers = new Map(), stdin, monotonicNs = 0n, socketPath } = options;
  const daemon = await startFakeDaemon(answers);
  let out = '';
  let err = '';
  const stderr = async (text: string) => {
    err += text;
  };
  let connects = 0;
  try {
    const code = await runGrcli(['-s', socketPath ?? daemon.path, ...args], {
      env: {},
      version: '1.2.3',
      stdin: stdin === undefined ? terminal() : Readable.from([Buffer.from(stdin)]),
      stdout: async (text) => {
        out += text;
      },
      stderr,
      terminal: options.hasTerminal === true ? stderr : undefined,
      connect: (path) => {
        connects += 1;
        return ApiClient.connect(path, { timeoutMs: 2000 });
      },
      monotonicNs: () => monotonicNs,
    });
    return { code, out, err, requests: daemon.requests, connects };
  } finally {
    await daemon.close();
  }
}

/** Runs a command that is given as one line, without quotes. */
export function runLine(line: string, options: RunOptions = {}): Promise<Run> {
  return run(line.split(' '), options);
}

/** Returns an input that nobody types anything into. */
function terminal(): Readable & { readonly isTTY: boolean } {
  return Object.assign(new PassThrough(), { isTTY: true });
}
