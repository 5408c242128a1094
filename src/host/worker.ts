// Entry of a datapath worker's thread (node:worker_threads). It has nothing to do but to run the
// loop of assembly/io/poll.ts, which returns when the stop flag is set. It takes no messages: the
// control plane speaks to it through shared memory and wakes it through an eventfd. What it throws
// ends the thread, and worker-pool.ts hears of it.
import { isMainThread, workerData } from 'node:worker_threads';
import { createSystem } from '../tun/sys.js';
import { instantiateDatapath } from './datapath.js';
import { viewMemory } from './memory.js';

/** What a worker's thread is started with. */
export interface WorkerSeed {
  readonly worker: number;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
}

if (!isMainThread) {
  // worker-pool.ts is the only one to start this file, and passes a WorkerSeed.
  const { worker, memory, module } = workerData as WorkerSeed;
  instantiateDatapath(module, viewMemory(memory), createSystem(memory)).run(worker);
}
