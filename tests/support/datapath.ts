import { randomFillSync } from 'node:crypto';
import { CTL_POOL_MAX, MODE_NORMAL } from '../../assembly/layout.js';
import { compileDatapath, type Datapath, instantiateDatapath } from '../../src/host/datapath.js';
import {
  buildIndexHeader,
  type IndexSecret,
  publishDescriptor,
} from '../../src/host/index-region.js';
import { createMemory, type SharedMemory } from '../../src/host/memory.js';
import type { DatapathSystem } from '../../src/tun/sys.js';

/** Steps of the structures, exported for tests beside what the host calls. Numbers are u32. */
export interface DatapathSteps extends Datapath {
  connLock(conn: number, owner: number): void;
  connUnlock(conn: number): void;
  dropEarly(owner: number): number;
  hashKey(header: number, key: number): number;
  indexInsert(slot: number, owner: number): number;
  indexLookup(header: number, key: number, hash: number): number;
  indexRemove(slot: number, owner: number): number;
  readIndex(): number;
  poolAlloc(owner: number): number;
  poolFree(slot: number): void;
  qsbrOnline(worker: number): void;
  qsbrOffline(worker: number): void;
  qsbrCheckpoint(worker: number): void;
  tcpAdmits(ip: number, l4: number): number;
  tcpOpen(conn: number, ip: number, l4: number): void;
  tcpTrack(conn: number, flow: number, ip: number, l4: number, owner: number, now: bigint): number;
  tranTake(pool: number, preferred: number): number;
  tranRelease(pool: number, id: number): void;
}

/** Returns a source of u32 that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Returns a seed of this run and prints it, so that a failure can be repeated. */
export function printedSeed(what: string): number {
  const seed = Number(process.env['GROUT_SEED'] ?? Date.now() % 0xffffffff) >>> 0;
  console.log(`${what}: GROUT_SEED=${seed}`);
  return seed;
}

/** A clock that stands still until it is told: i64 ns of CLOCK_MONOTONIC_RAW. */
export class ManualClock {
  nowNs = 1_000_000_000_000n;

  /** Moves the clock on. */
  advance(ns: bigint): void {
    this.nowNs += ns;
  }
}

/** What a test may choose about its datapath. */
export interface DatapathOptions {
  /** Conn slots that exist (the daemon's ceiling). */
  readonly ceiling?: number;
  /** Conns allowed in use; the ceiling unless told. The index is sized for it. */
  readonly max?: number;
  readonly random?: () => number;
  readonly secret?: IndexSecret;
  /** System calls that the test answers. */
  readonly system?: Partial<DatapathSystem>;
}

/** A datapath over memory of its own, with an empty index published. */
export interface TestDatapath {
  readonly shared: SharedMemory;
  readonly view: DataView;
  readonly wasm: DatapathSteps;
  readonly clock: ManualClock;
  /** The compiled module, for workers of the test. */
  readonly module: WebAssembly.Module;
}

/** Returns a datapath of the build that GROUT_WASM names. Its packet calls throw. */
export function testDatapath(options: DatapathOptions = {}): TestDatapath {
  const { ceiling = 1024, max = ceiling, secret } = options;
  const shared = createMemory(ceiling);
  Atomics.store(shared.u32, CTL_POOL_MAX >>> 2, max);
  buildIndexHeader(shared, 0, max, secret);
  publishDescriptor(shared, MODE_NORMAL, 0);
  const clock = new ManualClock();
  const module = compileDatapath();
  const wasm = instantiateSteps(module, shared, clock, options.random, options.system);
  return { shared, view: new DataView(shared.memory.buffer), wasm, clock, module };
}

/** Returns an instance with its test exports, for the calling thread. */
export function instantiateSteps(
  module: WebAssembly.Module,
  shared: SharedMemory,
  clock: ManualClock,
  random: () => number = secureRandom,
  system: Partial<DatapathSystem> = {},
): DatapathSteps {
  // The module exports the steps under "for tests"; asc checked their types.
  const calls = { ...testSystem(shared, clock, random), ...system };
  return instantiateDatapath(module, shared, calls) as DatapathSteps;
}

function testSystem(
  shared: SharedMemory,
  clock: ManualClock,
  random: () => number,
): DatapathSystem {
  const view = new DataView(shared.memory.buffer);
  return {
    read: () => unexpected('read'),
    write: () => unexpected('write'),
    // A poll of nothing is the pause of who waits for a lock.
    poll: (_offset, count, timeoutMs) => (count === 0 ? sleep(timeoutMs) : unexpected('poll')),
    setBlocking: () => unexpected('setBlocking'),
    enter: () => unexpected('enter'),
    register: () => unexpected('register'),
    clock(offset) {
      view.setBigInt64(offset >>> 0, clock.nowNs / 1_000_000_000n, true);
      view.setBigInt64((offset >>> 0) + 8, clock.nowNs % 1_000_000_000n, true);
    },
    random,
  };
}

const sleepWord = new Int32Array(new SharedArrayBuffer(4));

function sleep(ms: number): number {
  Atomics.wait(sleepWord, 0, 0, ms);
  return 0;
}

const randomWord = new Uint32Array(1);

function secureRandom(): number {
  return randomFillSync(randomWord)[0] ?? 0;
}

function unexpected(call: string): never {
  throw new Error(`the datapath called ${call} in a test without packets`);
}
