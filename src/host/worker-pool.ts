// The threads of the datapath.
//
// Life of a worker: its page gets the eventfd and a cleared stop flag, its thread starts and runs the
// loop, offline until it has work. It ends for one of two reasons. Asked to stop, it returns by itself:
// the stop flag is set first, then the eventfd is signalled, because terminating a thread does not
// interrupt a poll that blocks. Otherwise it crashed. Then nothing of it runs any more, so its reader
// line is set offline - it holds nothing up -, the control plane releases its locks and what it had
// half made, and a replacement starts. The conns are in shared memory and know nothing of it.
//
// The first replacement starts at once. One that crashes again and again waits ever longer, so that a
// packet which crashes every worker costs little; one that has run for a while starts afresh.
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import {
  CTX_BASE,
  CTX_BURST,
  CTX_EVENT_FD,
  CTX_SIZE,
  CTX_STOP,
  CTX_WOKEN,
  MAX_PACKET,
  MAX_WORKERS,
  PKT_LEN,
  PKT_SIZE,
  PKTS_OFFSET,
  READER_EPOCH,
  READER_OFFLINE,
  READER_SIZE,
  READERS_BASE,
  RING_SIZE,
  RINGS_BASE,
  SLOT_COUNT,
  SLOT_PACKET,
  SLOT_SIZE,
  SLOT_VNET,
} from '../../assembly/layout.js';
import { closeFd, createEventFd, rawClockNs, signalEventFd } from '../tun/sys.js';
import { closeUring } from '../tun/uring.js';
import type { Io } from './io.js';
import type { Log } from './log.js';
import type { SharedMemory } from './memory.js';
import type { WorkerSeed } from './worker.js';

/** What a pool of workers is started with. */
export interface WorkerPoolOptions {
  readonly shared: SharedMemory;
  readonly module: WebAssembly.Module;
  /** Number of workers, 1..MAX_WORKERS. Each serves one queue of every device. */
  readonly count: number;
  /** How they move packets. One that can have no io_uring polls all the same, and says so. */
  readonly io: Io;
  readonly log: Log;
  /**
   * Releases what a dead worker held. Called once per crash, with its reader line offline; the
   * replacement starts when the result is settled.
   */
  readonly onCrash: (worker: number) => void | Promise<void>;
}

/** The running threads of the datapath. */
export interface WorkerPool {
  /** Makes all workers take up what was published last, be they asleep or not. */
  wake(): void;
  /** Stops all workers and resolves when their threads are gone: within a second. Idempotent. */
  close(): Promise<void>;
}

const NS_PER_MS = 1_000_000n;
/** How long a worker has from the stop flag to its own end, until it is put to one. */
const STOP_GRACE_MS = 700;
/** Delay before a replacement that is not the first, doubled with each further one. */
const RESTART_DELAY_MS = 100;
const RESTART_DELAY_MAX_MS = 10_000;
/** A worker that ran this long owes nothing to the crashes before. */
const STEADY_MS = 60_000n;
/** Bytes of the first packet that a crash report shows: the longest IPv4 header, and then ports. */
const REPORT_BYTES = 64;

/** Starts `count` workers. Their threads take some 50 ms to come up. */
export function startWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { count } = options;
  if (!Number.isInteger(count) || count < 1 || count > MAX_WORKERS)
    throw new Error(`worker count ${count} is not in 1..${MAX_WORKERS}`);
  const slots = Array.from({ length: count }, (_, worker) => new WorkerSlot(worker, options));
  return {
    wake: () => {
      for (const slot of slots) slot.wake();
    },
    close: async () => {
      await Promise.all(slots.map((slot) => slot.close()));
    },
  };
}

/** A worker's number, for which one thread after the other may work. */
class WorkerSlot {
  readonly #worker: number;
  readonly #options: WorkerPoolOptions;
  readonly #context: number;
  readonly #eventFd = createEventFd();
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  #thread: Worker | undefined;
  #closed: Promise<void> | undefined;

  constructor(worker: number, options: WorkerPoolOptions) {
    this.#worker = worker;
    this.#options = options;
    this.#context = CTX_BASE + worker * CTX_SIZE;
    const { i32 } = options.shared;
    Atomics.store(i32, (this.#context + CTX_EVENT_FD) >>> 2, this.#eventFd);
    Atomics.store(i32, (this.#context + CTX_STOP) >>> 2, 0);
    this.#ended = this.#keepRunning();
  }

  wake(): void {
    if (this.#closed !== undefined) return;
    Atomics.store(this.#options.shared.i32, (this.#context + CTX_WOKEN) >>> 2, 1);
    signalEventFd(this.#eventFd);
  }

  close(): Promise<void> {
    this.#closed ??= this.#stop();
    return this.#closed;
  }

  async #stop(): Promise<void> {
    Atomics.store(this.#options.shared.i32, (this.#context + CTX_STOP) >>> 2, 1);
    signalEventFd(this.#eventFd);
    this.#stopping.abort();
    const grace = setTimeout(STOP_GRACE_MS, false, { ref: false });
    const isEnded = await Promise.race([this.#ended.then(() => true), grace]);
    if (!isEnded) {
      // It is stuck, or a loaded machine has not even let it come up.
      this.#options.log.warn(
        `worker ${this.#worker} did not stop within ${STOP_GRACE_MS} ms: its thread is terminated`,
      );
      await this.#thread?.terminate();
    }
    await this.#ended;
    closeFd(this.#eventFd);
  }

  /** Runs threads, one after the other, until the pool is closed. */
  async #keepRunning(): Promise<void> {
    let delayMs = 0;
    while (!this.#stopping.signal.aborted) {
      const startNs = rawClockNs();
      const failure = await this.#runThread();
      closeUring(this.#options.shared.memory, this.#worker);
      this.#setOffline();
      if (failure === undefined) return;
      this.#options.log.error(this.#report(failure));
      this.#forgetBurst();
      await this.#options.onCrash(this.#worker);
      if (rawClockNs() - startNs > STEADY_MS * NS_PER_MS) delayMs = 0;
      await this.#pause(delayMs);
      delayMs = Math.min(Math.max(delayMs * 2, RESTART_DELAY_MS), RESTART_DELAY_MAX_MS);
    }
  }

  /** Resolves when a thread has ended: with the reason, or with undefined if it was asked to. */
  #runThread(): Promise<Error | undefined> {
    const { shared, module, io, log } = this.#options;
    const seed: WorkerSeed = { worker: this.#worker, memory: shared.memory, module, io };
    return new Promise((resolve) => {
      let failure: Error | undefined;
      const thread = new Worker(new URL('./worker.js', import.meta.url), {
        name: `worker ${this.#worker}`,
        workerData: seed,
      });
      this.#thread = thread;
      thread.on('message', (why: string) => {
        log.warn(`worker ${this.#worker} polls, as it can have no io_uring: ${why}`);
      });
      thread.on('error', (error: unknown) => {
        failure = error instanceof Error ? error : new Error(String(error));
      });
      thread.on('exit', (code) => {
        const isAsked = this.#stopping.signal.aborted;
        resolve(failure ?? (isAsked ? undefined : new Error(`thread ended with ${code}`)));
      });
    });
  }

  async #pause(delayMs: number): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await setTimeout(delayMs, undefined, { signal });
    } catch (error) {
      // Closing the pool cuts the pause short; the loop looks at the signal next.
      if (!signal.aborted) throw error;
    }
  }

  #setOffline(): void {
    const line = READERS_BASE + this.#worker * READER_SIZE + READER_EPOCH;
    Atomics.store(this.#options.shared.u64, line >>> 3, BigInt(READER_OFFLINE));
  }

  #report(failure: Error): string {
    const why = (failure.stack ?? failure.message).replace(/\s*\n\s*/g, ' ');
    const { shared } = this.#options;
    const burstWord = shared.u32[(this.#context + CTX_BURST) >>> 2] ?? 0;
    const [first, count] = [burstWord >>> 16, burstWord & 0xffff];
    const ring = RINGS_BASE + this.#worker * RING_SIZE;
    const slot = ring + first * SLOT_SIZE;
    const length = shared.u32[(ring + PKTS_OFFSET + first * PKT_SIZE + PKT_LEN) >>> 2] ?? 0;
    // A worker that crashed may have left anything in shared memory.
    const isBurst = count > 0 && first + count <= SLOT_COUNT && length <= MAX_PACKET;
    const burst = isBurst
      ? `in a burst of ${count} packets, the first of ${length} bytes: ` +
        `${this.#hex(slot + SLOT_VNET, SLOT_PACKET - SLOT_VNET)} ` +
        this.#hex(slot + SLOT_PACKET, Math.min(length, REPORT_BYTES))
      : 'between bursts';
    return `worker ${this.#worker} crashed ${burst}: ${why}`;
  }

  #forgetBurst(): void {
    Atomics.store(this.#options.shared.i32, (this.#context + CTX_BURST) >>> 2, 0);
  }

  #hex(offset: number, length: number): string {
    return Buffer.from(this.#options.shared.bytes.subarray(offset, offset + length)).toString(
      'hex',
    );
  }
}
