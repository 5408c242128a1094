// The body of a stress test's worker: runs one task until its time is over and posts what it found.
import { parentPort, workerData } from 'node:worker_threads';
import {
  CONN_LAST_UPDATE,
  CTX_BASE,
  CTX_NOW,
  CTX_SIZE,
  KEY_SIZE,
  MAX_BURST,
  RING_SIZE,
  RINGS_BASE,
  SCRATCH_LIST,
  SLOT_PACKET,
  SLOT_SIZE,
} from '../../assembly/layout.js';
import { type SharedMemory, viewMemory } from '../../src/host/memory.js';
import { Qsbr } from '../../src/host/qsbr.js';
import { connAddr, type TestKey, writeKey, writeKeys } from './conns.js';
import { type DatapathSteps, instantiateSteps, ManualClock, seededRandom } from './datapath.js';
import { raceBurst } from './race-burst.js';
import { stressConn } from './stress-conns.js';
import type { WorkerJob, WorkerResult } from './workers.js';

// Posted by runWorkers, which typed it.
const { memory, module, job } = workerData as {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly job: WorkerJob;
};
const shared: SharedMemory = viewMemory(memory);
const view = new DataView(memory.buffer);
const random = seededRandom(job.seed ?? job.owner);
const wasm: DatapathSteps = instantiateSteps(module, shared, new ManualClock(), random);
const end = performance.now() + job.ms;
const result = { operations: 0, errors: 0, first: '', longestMs: 0 };
/** Where this worker writes keys to look up. */
const KEY_AT = SCRATCH_LIST + 1048576 + job.owner * KEY_SIZE;
const BURST = 32;

function check(isRight: boolean, what: () => string): void {
  result.operations++;
  if (isRight) return;
  result.errors++;
  if (result.first === '') result.first = what();
}

/** Marks `id` as this worker's; anyone else's mark there is an error. */
function mark(id: number): void {
  const former = Atomics.exchange(shared.u32, (SCRATCH_LIST >>> 2) + id, job.owner);
  check(former === 0, () => `${id} is given to ${job.owner} while ${former} has it`);
}

function unmark(id: number): void {
  const former = Atomics.exchange(shared.u32, (SCRATCH_LIST >>> 2) + id, 0);
  check(former === job.owner, () => `${id} of ${job.owner} is marked by ${former}`);
}

/** Takes and gives back in random order until the time is over, then gives all back. */
function churn(take: () => number, give: (id: number) => void): void {
  const held: number[] = [];
  const giveBack = (at: number): void => {
    const [id = 0] = held.splice(at, 1);
    unmark(id);
    give(id);
  };
  while (performance.now() < end) {
    for (let step = 0; step < 100; step++) {
      const id = held.length < 32 && random() % 2 === 0 ? take() : 0;
      if (id !== 0) {
        mark(id);
        held.push(id);
      } else if (held.length > 0) giveBack(random() % held.length);
    }
  }
  while (held.length > 0) giveBack(0);
}

function lookUp(header: number, key: TestKey): number {
  writeKey(view, KEY_AT, key);
  return wasm.indexLookup(header, KEY_AT, wasm.hashKey(header, KEY_AT)) >>> 0;
}

/** Slots that were unlinked, freed a batch at a time after a grace period. */
class Retired {
  readonly #qsbr = new Qsbr(shared);
  #open: number[] = [];
  #waiting: number[] = [];
  #ticket = 0n;

  add(slot: number): void {
    this.#open.push(slot);
  }

  reclaim(): void {
    if (this.#waiting.length > 0) {
      if (!this.#qsbr.isPassed(this.#ticket)) return;
      for (const slot of this.#waiting) wasm.poolFree(slot);
    }
    this.#waiting = this.#open;
    this.#open = [];
    if (this.#waiting.length > 0) this.#ticket = this.#qsbr.openEpoch();
  }

  /** Frees the rest, once this worker is offline and the others go on. */
  drain(): void {
    while (this.#open.length + this.#waiting.length > 0) this.reclaim();
  }
}

/** Inserts and removes its own conns and looks that each change is seen by the next lookup. */
function churnIndex(): void {
  const conns = job.conns ?? 0;
  const slots = new Uint32Array(conns);
  const retired = new Retired();
  const change = (header: number, n: number): void => {
    const { fwd, rev } = stressConn(job.owner, n);
    const slot = slots[n] ?? 0;
    check(lookUp(header, fwd) === slot << 1, () => `conn ${n}: fwd is not ${slot}`);
    check(lookUp(header, rev) === (slot && (slot << 1) | 1), () => `conn ${n}: rev is not ${slot}`);
    if (slot !== 0) {
      wasm.indexRemove(slot, job.owner);
      slots[n] = 0;
      retired.add(slot);
      check(lookUp(header, fwd) === 0, () => `conn ${n} is still there`);
      return;
    }
    const taken = wasm.poolAlloc(job.owner);
    if (taken === 0) return;
    writeKeys(view, taken, fwd, rev);
    const outcome = wasm.indexInsert(taken, job.owner) >>> 0;
    check(outcome === 0, () => `conn ${n}: insert returned ${outcome}`);
    slots[n] = taken;
    check(lookUp(header, rev) === ((taken << 1) | 1), () => `conn ${n} is not there`);
  };
  inBursts(
    (header) => change(header, random() % conns),
    () => retired.reclaim(),
  );
  for (let n = 0; n < conns; n++) if (slots[n] !== 0) change(wasm.readIndex(), n);
}

/** Makes conns in a full table: what a burst has found must not change until the burst ends. */
function dropEarly(): void {
  let serial = 0;
  const held = new Map<number, string>();
  const keyAt = (slot: number) =>
    Buffer.from(shared.bytes.slice(connAddr(slot), connAddr(slot) + 2 * KEY_SIZE)).toString('hex');
  const create = (header: number): void => {
    const { fwd, rev } = stressConn(job.owner, ++serial & 0xffff);
    const slot = wasm.poolAlloc(job.owner) || wasm.dropEarly(job.owner);
    if (slot === 0) return;
    writeKeys(view, slot, fwd, rev);
    view.setBigInt64(connAddr(slot) + CONN_LAST_UPDATE, BigInt(serial), true);
    if (wasm.indexInsert(slot, job.owner) !== 0) {
      wasm.poolFree(slot);
      return;
    }
    const entry = lookUp(header, stressConn(3 - job.owner, random() & 0x3ff).fwd);
    if (entry !== 0) held.set(entry >>> 1, keyAt(entry >>> 1));
    held.set(slot, keyAt(slot));
  };
  inBursts(create, () => {
    for (const [slot, key] of held)
      check(keyAt(slot) === key, () => `slot ${slot} changed within a burst`);
    held.clear();
  });
}

/** Inserts and removes conns that another worker inserts too: one of them must have each. */
function raceIndex(): void {
  const conns = job.conns ?? 0;
  const slots = new Uint32Array(conns);
  const retired = new Retired();
  const change = (n: number): void => {
    const slot = slots[n] ?? 0;
    if (slot !== 0) {
      unmark(n);
      wasm.indexRemove(slot, job.owner);
      slots[n] = 0;
      retired.add(slot);
      return;
    }
    const taken = wasm.poolAlloc(job.owner);
    if (taken === 0) return;
    const { fwd, rev } = stressConn(0, n);
    // Another tran id of each worker, as there would be.
    writeKeys(view, taken, fwd, { ...rev, dstId: job.owner });
    const found = wasm.indexInsert(taken, job.owner) >>> 0;
    if (found === 0) {
      mark(n);
      slots[n] = taken;
      return;
    }
    wasm.poolFree(taken);
    writeKey(view, KEY_AT, fwd);
    check(isKeyAtSlot(found), () => `conn ${n}: found is ${found}`);
  };
  inBursts(
    () => change(random() % conns),
    () => retired.reclaim(),
  );
  for (let n = 0; n < conns; n++) if (slots[n] !== 0) change(n);
}

/** Looks up conns that are there all the time and replaces one of its own, timing each burst. */
function measureStalls(): void {
  const conns = job.conns ?? 0;
  const retired = new Retired();
  let own = 0;
  let startMs = performance.now();
  inBursts(
    (header) => {
      const slot = 1 + (random() % conns);
      const flow = random() & 1;
      const key = connAddr(slot) + flow * KEY_SIZE;
      const found = wasm.indexLookup(header, key, wasm.hashKey(header, key)) >>> 0;
      check(found === slot * 2 + flow, () => `conn ${slot}, flow ${flow}: found ${found}`);
    },
    () => {
      if (own !== 0) {
        wasm.indexRemove(own, job.owner);
        retired.add(own);
      }
      own = wasm.poolAlloc(job.owner);
      if (own !== 0) {
        const { fwd, rev } = stressConn(job.owner, result.operations & 0xffff);
        writeKeys(view, own, fwd, rev);
        check(wasm.indexInsert(own, job.owner) === 0, () => 'its own conn was not entered');
      }
      retired.reclaim();
      const nowMs = performance.now();
      result.longestMs = Math.max(result.longestMs, nowMs - startMs);
      startMs = nowMs;
    },
  );
  if (own !== 0) wasm.indexRemove(own, job.owner);
  if (own !== 0) retired.add(own);
  retired.drain();
}

/** Looks up stable conns, which must be found, and other workers', which may be but must be right. */
function readIndex(): void {
  const stable = job.conns ?? 0;
  inBursts(
    (header) => {
      const n = random() % stable;
      const { fwd, rev } = stressConn(0, n);
      check(lookUp(header, fwd) === (n + 1) << 1, () => `stable conn ${n}: fwd`);
      check(lookUp(header, rev) === (((n + 1) << 1) | 1), () => `stable conn ${n}: rev`);
      const entry = lookUp(header, stressConn(1, n).rev);
      if (entry !== 0) check(isKeyAtSlot(entry), () => `conn ${n}: wrong conn ${entry >>> 1}`);
    },
    () => {},
  );
}

/** Returns whether the conn of `entry` has the key looked up last, some time later too. */
function isKeyAtSlot(entry: number): boolean {
  const key = connAddr(entry >>> 1) + (entry & 1) * KEY_SIZE;
  for (let n = 0; n < KEY_SIZE; n++)
    if (view.getUint8(key + n) !== view.getUint8(KEY_AT + n)) return false;
  return true;
}

/** Calls `step` in bursts as a worker does: one index each, a checkpoint between, offline at times. */
function inBursts(step: (header: number) => void, betweenBursts: () => void): void {
  const worker = job.owner - 1;
  wasm.qsbrOnline(worker);
  for (let burst = 0; performance.now() < end; burst++) {
    wasm.qsbrCheckpoint(worker);
    const header = wasm.readIndex();
    for (let n = 0; n < BURST; n++) step(header);
    betweenBursts();
    if (burst % 64 !== 0) continue;
    wasm.qsbrOffline(worker);
    wasm.qsbrOnline(worker);
  }
  wasm.qsbrOffline(worker);
}

/** Decides the packets that lie in its ring, over and over: each with its number as seq and ack. */
function refusePackets(): void {
  const worker = job.owner - 1;
  const count = job.packets ?? MAX_BURST;
  const header = RINGS_BASE + worker * RING_SIZE + SLOT_PACKET + 20;
  for (let tick = 1000; performance.now() < end; tick++) {
    view.setBigInt64(CTX_BASE + worker * CTX_SIZE + CTX_NOW, BigInt(tick), true);
    for (let n = 0; n < count; n++) {
      view.setUint32(header + n * SLOT_SIZE + 4, tick * count + n);
      view.setUint32(header + n * SLOT_SIZE + 8, tick * count + n);
    }
    wasm.burst(worker, 0, count);
    result.operations += count;
  }
}

const TASKS: Readonly<Record<WorkerJob['task'], () => void>> = {
  'churn-pool': () => churn(() => wasm.poolAlloc(job.owner), wasm.poolFree),
  'churn-tran': () => {
    const pool = job.pool ?? 0;
    churn(
      () => wasm.tranTake(pool, 65500),
      (id) => wasm.tranRelease(pool, id),
    );
  },
  'churn-index': churnIndex,
  'drop-early': dropEarly,
  'measure-stalls': measureStalls,
  'race-burst': () => raceBurst({ worker: job.owner - 1, shared, wasm, check }),
  'race-index': raceIndex,
  'read-index': readIndex,
  'refuse-packets': refusePackets,
};

TASKS[job.task]();
parentPort?.postMessage(result satisfies WorkerResult);
