import { Bench, type BenchOptions } from 'tinybench';

/** One implementation of what a row measures. */
export interface Candidate {
  /** `wasm` is ours; the others are its peers. */
  readonly name: string;
  /** Runs the row's `ops` operations; throws when the result is not what it must be. */
  run(): void | Promise<void>;
  /** Puts things back in place before each run; not measured. */
  before?(): void | Promise<void>;
}

/** A row: the same operations by ours and by its peers. */
export interface Row {
  readonly name: string;
  readonly conns: number;
  readonly batch: number;
  /** Operations in a run. */
  readonly ops: number;
  readonly candidates: readonly Candidate[];
  /** A run goes over all conns and gives way to the event loop meanwhile: a few are enough. */
  readonly isSweep?: boolean;
}

/** Nanoseconds per operation of one candidate over all its runs. */
export interface Spread {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
  /** The median of each round. */
  readonly rounds: readonly number[];
}

const NS_PER_MS = 1e6;
const ROUNDS = 3;

/**
 * Measures a row: rounds of all candidates in turn, because the machine's speed drifts. `roundMs` is
 * the time for one candidate in one round.
 */
export async function measure(
  row: Row,
  roundMs: number,
  warn: (text: string) => void,
): Promise<readonly Spread[]> {
  const samples = row.candidates.map((): number[][] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [n, candidate] of row.candidates.entries()) {
      const budget = budgetOf(row, roundMs, round === 0);
      samples[n]?.push(await runRound(row, candidate, budget, warn));
    }
  }
  return row.candidates.map(({ name }, n) => {
    const rounds = samples[n] ?? [];
    const all = rounds.flat();
    return {
      name,
      p50: quantile(all, 0.5),
      p99: quantile(all, 0.99),
      rounds: rounds.map((each) => quantile(each, 0.5)),
    };
  });
}

/** What compilers do to the code they have done after the first round. */
function budgetOf({ isSweep = false }: Row, time: number, isFirst: boolean): BenchOptions {
  if (isSweep) return { time: 0, iterations: 2, warmup: false };
  const warmup = { warmup: true, warmupIterations: 3, warmupTime: isFirst ? time / 2 : time / 10 };
  return { time, iterations: 8, ...warmup };
}

/** Returns nanoseconds per operation of each run. */
async function runRound(
  { name, ops, isSweep = false }: Row,
  candidate: Candidate,
  budget: BenchOptions,
  warn: (text: string) => void,
): Promise<number[]> {
  const bench = new Bench({
    ...budget,
    retainSamples: true,
    subtractTimerOverhead: true,
    throws: true,
  });
  bench.addEventListener('warning', () => {
    warn(`${name}, ${candidate.name}: the clock is too coarse for a run of ${ops} operations`);
  });
  const { before } = candidate;
  bench.add(candidate.name, () => candidate.run(), {
    async: isSweep,
    ...(before && { beforeEach: () => before.call(candidate) }),
  });
  const [task] = await bench.run();
  const result = task?.result;
  if (result?.state !== 'completed') throw new Error(`${name}, ${candidate.name}: not completed`);
  return (result.latency.samples ?? []).map((latencyMs) => (latencyMs * NS_PER_MS) / ops);
}

/** Returns the value below which a share of the samples lies. */
function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
