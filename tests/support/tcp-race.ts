// Two threads that hold the segments of one connection, one of each flow: what they are given, where
// they leave what came of it. A round is a fresh connection and SEGMENTS segments for each thread. Both
// begin each round together, and the first one then keeps the conn's slot as the round left it.
import { CONN_SIZE } from '../../assembly/layout.js';
import type { Flow } from './tcp-segment.js';

/** Segments of one thread in one round. */
export const SEGMENTS = 32;
/** Bytes that each takes: an IPv4 and a TCP header with its options. */
export const SEGMENT_BYTES = 80;
/** Words that each leaves: its reason, and the shared clock before and after. */
export const RESULT_WORDS = 3;

/** Memory of a race, apart from the datapath's. */
export interface RaceMemory {
  readonly rounds: number;
  /** The conn's slot at the start of each round. */
  readonly start: SharedArrayBuffer;
  readonly packets: Readonly<Record<Flow, SharedArrayBuffer>>;
  readonly results: Readonly<Record<Flow, SharedArrayBuffer>>;
  /** The slot after each round. */
  readonly slots: SharedArrayBuffer;
  /** i32: the clock, then a count of arrivals. */
  readonly words: SharedArrayBuffer;
}

export const CLOCK_WORD = 0;
export const ARRIVALS_WORD = 1;

/** Returns memory for a race of `rounds`, all zero. */
export function raceMemory(rounds: number): RaceMemory {
  const perFlow = (bytes: number) => new SharedArrayBuffer(rounds * SEGMENTS * bytes);
  return {
    rounds,
    start: new SharedArrayBuffer(CONN_SIZE),
    packets: { fwd: perFlow(SEGMENT_BYTES), rev: perFlow(SEGMENT_BYTES) },
    results: { fwd: perFlow(4 * RESULT_WORDS), rev: perFlow(4 * RESULT_WORDS) },
    slots: new SharedArrayBuffer(rounds * CONN_SIZE),
    words: new SharedArrayBuffer(8),
  };
}
