// A thread that gives the tracker one segment over and over: see tcp-concurrent.test.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { viewMemory } from '../../src/host/memory.js';
import { instantiateSteps, ManualClock } from './datapath.js';

/** What the thread is told. Addresses are offsets into the memory. */
export interface TcpWorkerJob {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  /** u32: how many threads are ready; all begin when it reaches `threads`. */
  readonly gate: number;
  readonly threads: number;
  readonly conn: number;
  readonly flow: number;
  readonly ip: number;
  readonly times: number;
}

/** Two threads start within moments of each other; who waits longer than this never will. */
const GATE_MS = 10_000;

const job: TcpWorkerJob = workerData;
const shared = viewMemory(job.memory);
const steps = instantiateSteps(job.module, shared, new ManualClock());
const gate = job.gate >>> 2;

Atomics.add(shared.i32, gate, 1);
Atomics.notify(shared.i32, gate);
const deadline = Date.now() + GATE_MS;
for (let ready = 0; ready < job.threads; ready = Atomics.load(shared.i32, gate)) {
  if (Date.now() > deadline) throw new Error(`only ${ready} of ${job.threads} threads came`);
  Atomics.wait(shared.i32, gate, ready, 100);
}

let refused = 0;
for (let count = 0; count < job.times; count++)
  if (steps.tcpTrack(job.conn, job.flow, job.ip, job.ip + 20, job.flow + 1, 0n) !== 0) refused++;
parentPort?.postMessage(refused);
