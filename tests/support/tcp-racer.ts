// The body of one of the two threads of a race: see tcp-race.ts.
import { workerData } from 'node:worker_threads';
import { CONN_SIZE, FLOW_FWD, FLOW_REV, RING_SIZE, RINGS_BASE } from '../../assembly/layout.js';
import { viewMemory } from '../../src/host/memory.js';
import { connAddr } from './conns.js';
import { instantiateSteps, ManualClock } from './datapath.js';
import {
  ARRIVALS_WORD,
  CLOCK_WORD,
  type RaceMemory,
  RESULT_WORDS,
  SEGMENT_BYTES,
  SEGMENTS,
} from './tcp-race.js';
import type { Flow } from './tcp-segment.js';

/** What startRacer() of the test hands over. */
export interface RacerData {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly race: RaceMemory;
  readonly flow: Flow;
}

const THREADS = 2;
const IP_HEADER = 20;
const CONN = connAddr(1);

// Posted by the test, which typed it.
const { memory, module, race, flow } = workerData as RacerData;
const shared = viewMemory(memory);
const wasm = instantiateSteps(module, shared, new ManualClock());
const isFirst = flow === 'fwd';
const flowNumber = isFirst ? FLOW_FWD : FLOW_REV;
const owner = isFirst ? 1 : 2;
/** A ring of its own: where its packet lies. */
const ip = RINGS_BASE + (owner - 1) * RING_SIZE;
const words = new Int32Array(race.words);
const packets = new Uint8Array(race.packets[flow]);
const results = new Uint32Array(race.results[flow]);
const start = new Uint8Array(race.start);
const slots = new Uint8Array(race.slots);
let meetings = 0;

for (let round = 0; round < race.rounds; round++) {
  if (isFirst) shared.bytes.set(start, CONN);
  meet();
  for (let number = round * SEGMENTS; number < (round + 1) * SEGMENTS; number++) track(number);
  meet();
  if (isFirst) slots.set(shared.bytes.subarray(CONN, CONN + CONN_SIZE), round * CONN_SIZE);
}

/** A segment's own time is its thread's number and its place: what a conn keeps tells who was last. */
function track(number: number): void {
  const at = number * SEGMENT_BYTES;
  shared.bytes.set(packets.subarray(at, at + SEGMENT_BYTES), ip);
  const now = BigInt(number * THREADS + owner);
  const began = Atomics.add(words, CLOCK_WORD, 1);
  const reason = wasm.tcpTrack(CONN, flowNumber, ip, ip + IP_HEADER, owner, now);
  const ended = Atomics.add(words, CLOCK_WORD, 1);
  results.set([reason, began, ended], number * RESULT_WORDS);
}

/** Waits for the other thread. It spins, so that both go on at the same moment. */
function meet(): void {
  meetings++;
  Atomics.add(words, ARRIVALS_WORD, 1);
  for (let spins = 1; Atomics.load(words, ARRIVALS_WORD) < THREADS * meetings; spins++)
    if (spins % 20_000 === 0) Atomics.wait(words, ARRIVALS_WORD, -1, 0.1);
}
