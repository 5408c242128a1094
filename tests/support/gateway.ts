import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Netns, type Outcome, runCommand } from './netns.js';

/** A conn as `grcli -j conntrack show` prints it. */
export interface Conn {
  readonly iface: string;
  readonly id: string;
  readonly state: string;
  readonly proto: string;
  readonly last_update: number;
  readonly fwd: Flow;
  readonly rev: Flow;
}

export interface Flow {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}

export const GROUT = fileURLToPath(new URL('../../src/host/main.js', import.meta.url));
export const GRCLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_TIMEOUT_MS = 15_000;

/** The daemon as a user starts it, in a namespace of its own, driven by the real grcli. */
export class Gateway {
  readonly process: ChildProcess;
  readonly socketPath: string;
  readonly #netns: Netns;
  readonly #folder: string;
  #log = '';

  private constructor(netns: Netns, folder: string, socketPath: string, args: readonly string[]) {
    this.#netns = netns;
    this.#folder = folder;
    this.socketPath = socketPath;
    const command = ['--enable-source-maps', GROUT, '-s', socketPath, ...args];
    this.process = netns.spawn(process.execPath, command);
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
  }

  /**
   * Starts a daemon and waits until it serves its API.
   *
   * @throws {Error} with what it said, when it ends instead.
   */
  static async start(
    netns: Netns,
    args: readonly string[] = [],
    socketPath?: string,
  ): Promise<Gateway> {
    const folder = await mkdtemp(join(tmpdir(), 'grout-'));
    const gateway = new Gateway(netns, folder, socketPath ?? join(folder, 'grout.sock'), args);
    const endMs = performance.now() + START_TIMEOUT_MS;
    while ((await gateway.cli('conntrack config show')).status !== 0) {
      if (gateway.hasEnded || performance.now() > endMs) {
        await gateway.close();
        throw new Error(`the gateway did not start: ${gateway.log}`);
      }
      await delay(20);
    }
    return gateway;
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error('the gateway was not started');
    return pid;
  }

  /** What the daemon wrote to its standard error so far. */
  get log(): string {
    return this.#log;
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Runs one command through grcli, whatever becomes of it. */
  cli(words: string, options: readonly string[] = []): Promise<Outcome> {
    const args = [GRCLI, '-s', this.socketPath, ...options, ...words.split(' ')];
    return runCommand(process.execPath, args, { timeout: 30_000 });
  }

  /**
   * Runs commands through grcli, each of which must succeed; returns what they print.
   *
   * @throws {Error} with the command and what grcli said.
   */
  async do(...commands: readonly string[]): Promise<string> {
    let output = '';
    for (const words of commands) {
      const { status, stdout, stderr } = await this.cli(words);
      if (status !== 0) throw new Error(`grcli ${words}: exit ${status}: ${stderr.trim()}`);
      output += stdout;
    }
    return output;
  }

  /** Returns the conns, all or those that `isWanted`. */
  async conns(isWanted: (conn: Conn) => boolean = () => true): Promise<Conn[]> {
    const { status, stdout, stderr } = await this.cli('conntrack show', ['-j']);
    if (status !== 0) throw new Error(`grcli conntrack show: exit ${status}: ${stderr.trim()}`);
    // The layout is the man page's; tests compare its fields.
    const conns = JSON.parse(stdout) as Conn[];
    return conns.filter(isWanted);
  }

  /**
   * Adds an interface with a TUN device of the same name, hands the device to `host` and gives both
   * ends their addresses: prefixes such as `10.0.0.1/24`.
   */
  async connect(device: string, host: Netns, hostAddress: string, address: string): Promise<void> {
    await this.do(`interface add tun ${device} dev ${device}`);
    const move = ['link', 'set', 'dev', device, 'netns', String(host.pid)];
    await this.#netns.exec('ip', move);
    await host.setAddress(device, hostAddress);
    await this.do(`address add ${address} iface ${device}`);
  }

  /** Resolves with the exit code once the daemon ends by itself. */
  async waitForEnd(timeoutMs = START_TIMEOUT_MS): Promise<number | null> {
    if (!this.hasEnded)
      await once(this.process, 'close', { signal: AbortSignal.timeout(timeoutMs) });
    return this.process.exitCode;
  }

  /** Stops the daemon with a signal; returns its exit code and how long that took. */
  async stop(
    signal: NodeJS.Signals = 'SIGTERM',
  ): Promise<{ readonly code: number | null; readonly ms: number }> {
    const startedMs = performance.now();
    const end = this.waitForEnd();
    this.process.kill(signal);
    const code = await end;
    return { code, ms: performance.now() - startedMs };
  }

  /** Ends the daemon if it still runs, and removes its folder. Idempotent. */
  async close(): Promise<void> {
    if (!this.hasEnded) await this.stop('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Whether something is there. */
export function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
