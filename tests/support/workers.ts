import { Worker } from 'node:worker_threads';
import type { TestDatapath } from './datapath.js';

/** What a worker of a stress test does; tests/support/worker-tasks.ts has the tasks. */
export interface WorkerJob {
  readonly task:
    | 'churn-pool'
    | 'churn-tran'
    | 'churn-index'
    | 'drop-early'
    | 'measure-stalls'
    | 'race-burst'
    | 'race-index'
    | 'read-index'
    | 'refuse-packets';
  /** Its number in locks and slots, from 1; its reader line is one less. */
  readonly owner: number;
  /** How long it runs; every task ends by itself. Task race-burst runs for its rounds. */
  readonly ms: number;
  /** Task churn-tran: the pool to take from. */
  readonly pool?: number;
  /** How many conns churn-index has of its own, all race for, or read-index finds stable. */
  readonly conns?: number;
  /** Task refuse-packets: how many lie in its ring. */
  readonly packets?: number;
  readonly seed?: number;
}

/** What a worker found out. */
export interface WorkerResult {
  readonly operations: number;
  readonly errors: number;
  /** The first error in words, empty without any. */
  readonly first: string;
  /** Task measure-stalls: the longest time of a burst. */
  readonly longestMs: number;
}

const MARGIN_MS = 20_000;

/** Runs the jobs in one thread each, over the memory of `path`; rejects when one crashes or hangs. */
export function runWorkers(
  path: TestDatapath,
  jobs: readonly WorkerJob[],
): Promise<WorkerResult[]> {
  return Promise.all(jobs.map((job) => runWorker(path, job)));
}

async function runWorker(path: TestDatapath, job: WorkerJob): Promise<WorkerResult> {
  const workerData = { memory: path.shared.memory, module: path.module, job };
  const worker = new Worker(new URL('./worker-tasks.js', import.meta.url), { workerData });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<WorkerResult>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`${job.task} exited with ${code}`)));
      timer = setTimeout(() => reject(new Error(`${job.task} hangs`)), job.ms + MARGIN_MS);
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
