// Network namespaces for tests, without `ip netns`: that one needs a writable /run and /sys, which an
// ordinary user has not even inside `unshare -Urnm`. A namespace here is held open by a `cat` on a pipe
// from the test process; when that process ends, however it ends, `cat` reads the end of the pipe, and
// the kernel removes the namespace with everything in it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { probeTun } from '../../src/tun/linux.js';

/** What became of a command: its output, and its exit status. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  /** Milliseconds until the command is killed. Its status is then -1. */
  readonly timeout?: number;
  /** Written to the command's standard input. */
  readonly input?: string;
}

const EXEC_TIMEOUT_MS = 10_000;
const START_TIMEOUT_MS = 5000;
const OUTPUT_BYTES_MAX = 64 << 20;
/** Runs the rest of a command line; it dies with the thread that started it. */
const DIE_WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL'] as const;

/** A network namespace with its loopback up. */
export class Netns {
  readonly #holder: ChildProcess;
  readonly pid: number;

  private constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder;
    this.pid = pid;
  }

  /** Makes a namespace; needs CAP_SYS_ADMIN, which `unshare -Urnm` gives to anyone. */
  static async create(): Promise<Netns> {
    const script = 'ip link set lo up && echo ready && exec cat';
    const holder = spawn('unshare', ['--net', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { pid, stdout, stderr } = holder;
    if (pid === undefined) throw new Error('cannot start unshare');
    let complaint = '';
    stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    const signal = AbortSignal.timeout(START_TIMEOUT_MS);
    const started = await Promise.race([
      once(stdout, 'data', { signal }).then(() => true),
      once(holder, 'exit', { signal }).then(() => false),
    ]);
    if (!started) throw new Error(`cannot make a network namespace: ${complaint.trim()}`);
    return new Netns(holder, pid);
  }

  /** Runs a command inside and resolves with what became of it, be it good or bad. */
  run(command: string, args: readonly string[], options: ExecOptions = {}): Promise<Outcome> {
    const [file, ...words] = this.#commandLine(command, args);
    return runCommand(file, words, options);
  }

  /** Runs a command inside; rejects with its output unless it exits with 0. */
  async exec(
    command: string,
    args: readonly string[],
    options: ExecOptions = {},
  ): Promise<Outcome> {
    const outcome = await this.run(command, args, options);
    if (outcome.status !== 0)
      throw new Error(
        `${command} ${args.join(' ')} exited with ${outcome.status}: ${outcome.stderr.trim()}` +
          ` ${outcome.stdout.trim()}`,
      );
    return outcome;
  }

  /** Starts a command inside that goes on until it is killed, or this process ends. */
  spawn(command: string, args: readonly string[]): ChildProcess {
    const [file, ...words] = this.#commandLine(command, args);
    return spawn(file, words, { stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** Moves a device of the calling process's namespace into this one. It loses its addresses. */
  async moveDevice(device: string): Promise<void> {
    const words = ['link', 'set', 'dev', device, 'netns', String(this.pid)];
    const { status, stderr } = await runCommand('ip', words, {});
    if (status !== 0) throw new Error(`cannot move ${device}: ${stderr.trim()}`);
  }

  /** Gives a device inside an address, as `10.0.0.1/24`, and brings it up. */
  async setAddress(device: string, address: string): Promise<void> {
    await this.exec('ip', ['address', 'add', address, 'dev', device]);
    await this.setUp(device);
  }

  async setUp(device: string): Promise<void> {
    await this.exec('ip', ['link', 'set', 'dev', device, 'up']);
  }

  async setDown(device: string): Promise<void> {
    await this.exec('ip', ['link', 'set', 'dev', device, 'down']);
  }

  /** Adds a route: `to` is a prefix or `default`. */
  async addRoute(to: string, via: string): Promise<void> {
    await this.exec('ip', ['route', 'add', to, 'via', via]);
  }

  /** Ends the namespace; what still runs inside keeps it alive until it ends too. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const exited = once(this.#holder, 'exit');
    this.#holder.kill('SIGKILL');
    await exited;
  }

  #commandLine(command: string, args: readonly string[]): [string, ...string[]] {
    return [...DIE_WITH_PARENT, 'nsenter', `--net=/proc/${this.pid}/ns/net`, command, ...args];
  }
}

/**
 * Returns whether tests with real TUN devices can run, and says why on the console when they cannot.
 *
 * @throws {Error} when they cannot although CI is set: there, nothing may be left out.
 */
export async function requireTun(suite: string): Promise<boolean> {
  try {
    probeTun();
    const netns = await Netns.create();
    await netns.dispose();
    return true;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `${suite}: tests with TUN devices cannot run: ${reason}`;
    if (process.env['CI'] === 'true') throw new Error(message, { cause });
    process.stderr.write(`SKIPPED ${message}\n`);
    return false;
  }
}

/** Returns whether all users exist here, as they do outside of user namespaces. */
export function isInitialUserNamespace(): boolean {
  return /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'latin1'));
}

/** Runs a command in this process's own namespaces and resolves with what became of it. */
export function runCommand(
  command: string,
  args: readonly string[],
  { timeout = EXEC_TIMEOUT_MS, input = '' }: ExecOptions = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      args,
      { timeout, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES_MAX },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        const lost = error !== null && status === -1 ? error.message : '';
        resolve({ status, stdout, stderr: `${stderr}${lost}` });
      },
    );
    // A command that exits before it has read its input is no error of ours.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
