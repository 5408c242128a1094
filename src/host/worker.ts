// Entry of a datapath worker's thread (node:worker_threads). It has nothing to do but to run a loop of
// assembly/io/, which returns when the stop flag is set. It takes no messages: the control plane
// speaks to it through shared memory and wakes it through an eventfd. What it throws ends the
// thread, and worker-pool.ts hears of it.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { createSystem, SyscallError } from '../tun/sys.js';
import { openUring, type Uring } from '../tun/uring.js';
import { instantiateDatapath } from './datapath.js';
import type { Io } from './io.js';
import { viewMemory } from './memory.js';

/** What a worker's thread is started with. */
export interface WorkerSeed {
  readonly worker: number;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly io: Io;
}

if (!isMainThread) {
  // worker-pool.ts is the only one to start this file, and passes a WorkerSeed.
  run(workerData as WorkerSeed);
}

function run({ worker, memory, module, io }: WorkerSeed): void {
  const datapath = instantiateDatapath(module, viewMemory(memory), createSystem(memory));
  const ring = io === 'uring' ? tryOpenUring(memory, worker) : undefined;
  if (ring === undefined) {
    datapath.runPoll(worker);
    return;
  }
  try {
    datapath.runUring(worker);
  } finally {
    ring.close();
  }
}

/** Opens a ring, or says in a message why there is none: what one process may lock has its limit. */
function tryOpenUring(memory: WebAssembly.Memory, worker: number): Uring | undefined {
  try {
    return openUring(memory, worker);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    parentPort?.postMessage(error.message);
    return undefined;
  }
}
