import { readdirSync, readFileSync } from 'node:fs';
import { type Netns, runCommand } from '../../tests/support/netns.js';

/** Core of a router that runs in a process, while it is pinned, and the core of its traffic. */
export const ROUTER_CORE = 0;
export const TRAFFIC_CORE = 1;

/** A candidate of the race: a router with a host on each side. */
export interface Router {
  readonly name: string;
  readonly lan: Netns;
  readonly wan: Netns;
  /**
   * The process that routes. Undefined for the kernel, which routes in the time of whoever sends, so
   * that its share cannot be told apart.
   */
  readonly pid: number | undefined;
  /** Forgets all connections, so that none of an earlier trial is in the way of the next. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

/** Returns the processor time that a process's threads have taken so far, in seconds. */
export function cpuSec(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  let sum = 0;
  for (const task of readdirSync(tasks)) {
    // Its first field is the time on a processor in nanoseconds.
    const [ns] = readFileSync(`${tasks}/${task}/schedstat`, 'latin1').split(' ');
    sum += Number(ns);
  }
  return sum / 1e9;
}

/** Keeps all threads of a process on `cores`, a list such as `0` or `0-1`. */
export async function pin(pid: number, cores: string): Promise<void> {
  const { status, stderr } = await runCommand('taskset', ['-acp', cores, String(pid)]);
  if (status !== 0) throw new Error(`cannot pin process ${pid} to ${cores}: ${stderr.trim()}`);
}

/** Opens things one after the other; when one fails, closes those that are open. */
export class Opened {
  readonly #closers: (() => Promise<void>)[] = [];

  /** Notes how what was just opened is closed. */
  add(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** Closes all in the reverse order. Idempotent. */
  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) await close();
  }
}

/** Calls `open`, which notes in its argument what it has opened; undone when it fails. */
export async function openAll<T>(open: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = new Opened();
  try {
    return await open(opened);
  } catch (cause) {
    await opened.close();
    throw cause;
  }
}
