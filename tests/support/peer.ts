import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Netns } from './netns.js';
import type { Operations } from './peer-operations.js';

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** No operation waits longer than this; one that does has lost its host. */
const CALL_TIMEOUT_MS = 60_000;

/** A host of a test: drives real sockets inside a network namespace. */
export class Peer {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(netns: Netns) {
    const agent = fileURLToPath(new URL('./peer-agent.js', import.meta.url));
    this.#process = netns.spawn(process.execPath, ['--enable-source-maps', agent]);
    this.#process.stderr?.pipe(process.stderr, { end: false });
    this.#process.stdin?.on('error', (error) => this.#abandon(error));
    this.#process.once('exit', () => this.#abandon(new Error('the host is gone')));
    if (this.#process.stdout !== null)
      createInterface({ input: this.#process.stdout }).on('line', (line) => this.#settle(line));
  }

  /** Has the host do something; rejects when it fails there. */
  async call<Name extends keyof Operations>(
    name: Name,
    ...args: Parameters<Operations[Name]>
  ): Promise<Awaited<ReturnType<Operations[Name]>>> {
    const id = ++this.#lastId;
    const result = await new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${name} takes more than ${CALL_TIMEOUT_MS} ms`)),
        CALL_TIMEOUT_MS,
      );
      const settled = () => {
        clearTimeout(timer);
        this.#waiting.delete(id);
      };
      this.#waiting.set(id, {
        resolve: (value) => {
          settled();
          resolve(value);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.#process.stdin?.write(`${JSON.stringify({ id, name, args })}\n`);
    });
    // The other end answers with this very operation's result.
    return result as Awaited<ReturnType<Operations[Name]>>;
  }

  /** Ends the host's process and with it all its sockets. Idempotent. */
  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  #settle(line: string): void {
    // Only the agent writes there.
    const { id, result, error } = JSON.parse(line) as Answer;
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  #abandon(error: Error): void {
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error);
  }
}
