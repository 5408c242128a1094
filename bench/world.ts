import { readFileSync } from 'node:fs';
import {
  CONN_SIZE,
  COUNT_FORWARDED,
  COUNTERS_BASE,
  CTL_POOL_MAX,
  CTL_TIMEOUTS,
  KEY_SIZE,
  MAX_BURST,
  POOL_BASE,
  ROUTE_F_NAT,
  STATE_COUNT,
  TIMEOUTS_ROW,
} from '../assembly/layout.js';
import { ConnTable } from '../src/host/conn-table.js';
import { type Datapath, instantiateDatapath } from '../src/host/datapath.js';
import { createMemory, type SharedMemory } from '../src/host/memory.js';
import { ConnIndex } from '../src/host/migration.js';
import { Qsbr } from '../src/host/qsbr.js';
import { Tables } from '../src/host/tables.js';
import { TranPools } from '../src/host/tran-pools.js';
import { createSystem } from '../src/tun/sys.js';

/** What bench/assembly adds to the datapath. Numbers are u32, addresses bytes of shared memory. */
export interface BenchDatapath extends Datapath {
  addConns(first: number, count: number): number;
  makeSpares(first: number, count: number): number;
  enterSpares(slot: number, count: number): number;
  dropSpares(slot: number, count: number): number;
  writeKeys(order: number, keys: number, count: number, isMissed: number): void;
  hashStream(keys: number, count: number): number;
  lookUpStream(keys: number, count: number, batch: number): number;
  fillRing(order: number, count: number, pass: number, acked: number): void;
  prepareRing(order: number, count: number, pass: number, acked: number): void;
  parseRing(count: number): void;
  trackRing(count: number): number;
  trackFlags(count: number): number;
  translateRing(count: number): void;
  readIndex(): number;
}

/** How keys are drawn from all keys: each as often, or the n-th most popular with weight 1 / n. */
export type Distribution = 'uniform' | 'zipf';

/** Share of the conns that the rows that insert and delete have beside them. */
const SPARE_SHARE = 16;
/** Keys looked up before they repeat: more than any cache holds conns. */
const MAX_STREAM = 1 << 20;
const HOUR_NS = 3_600_000_000_000n;
const LAN = 2;
const WAN = 3;
const OUTSIDE = 0xcb00_7101;

/** A datapath without devices, its tables published, with a number of established conns in it. */
export class World {
  readonly conns: number;
  readonly shared: SharedMemory;
  readonly datapath: BenchDatapath;
  readonly table: ConnTable;
  readonly index: ConnIndex;
  /** How many keys a stream has, how many names the order of packets. */
  readonly streamLength: number;
  /** Conns that are in no index, for the rows that insert and delete: how many, the first one's slot. */
  readonly spareCount: number;
  readonly spareSlot: number;
  readonly #order: number;
  readonly #keys: number;
  readonly #random = seededRandom(1);
  #stream = '';

  private constructor(conns: number, module: WebAssembly.Module) {
    this.conns = conns;
    this.streamLength = Math.min(2 * conns, MAX_STREAM);
    // Streams lie in memory behind the last slot that may be used.
    this.spareCount = conns / SPARE_SHARE;
    const used = conns + this.spareCount;
    const streamSlots = (this.streamLength * (KEY_SIZE + 4)) / CONN_SIZE;
    const shared = createMemory(used + streamSlots);
    Atomics.store(shared.u32, CTL_POOL_MAX >>> 2, used);
    this.#order = POOL_BASE + (used + 1) * CONN_SIZE;
    this.#keys = this.#order + this.streamLength * 4;
    this.shared = shared;
    this.datapath = instantiateBench(module, shared);
    const qsbr = new Qsbr(shared);
    this.table = new ConnTable(shared, this.datapath, qsbr);
    this.index = new ConnIndex(shared, this.datapath, qsbr, conns);
    const timeouts = (CTL_TIMEOUTS + TIMEOUTS_ROW) >>> 3;
    shared.i64.fill(HOUR_NS, CTL_TIMEOUTS >>> 3, timeouts + STATE_COUNT);
    const pools = new TranPools(shared);
    // The conns take their ids from pools in the order of their numbers; see conns.ts.
    for (let n = 0; n <= used / 0x8000; n++) pools.acquire(n);
    this.#addConns();
    this.spareSlot = this.datapath.makeSpares(conns, this.spareCount);
  }

  /** Returns a world with `conns` conns, a power of two. */
  static async create(conns: number, module: WebAssembly.Module): Promise<World> {
    const world = new World(conns, module);
    await publishTables(world.shared);
    return world;
  }

  /** Packets that bursts have forwarded. */
  get forwarded(): number {
    return Number(this.shared.u64[(COUNTERS_BASE + 8 * COUNT_FORWARDED) >>> 3] ?? 0n);
  }

  /** Makes the conns anew, if they were removed. */
  refill(): void {
    if (this.table.used < this.conns) this.#addConns();
  }

  #addConns(): void {
    const made = this.datapath.addConns(0, this.conns);
    if (made !== this.conns) throw new Error(`${made} of ${this.conns} conns found room`);
  }

  /** Returns the address of a stream of keys, half of them fwd and half rev. */
  keys(distribution: Distribution, isMissed: boolean): number {
    const wanted = `${distribution} ${isMissed}`;
    if (this.#stream !== wanted) {
      this.#stream = wanted;
      const order = this.shared.u32.subarray(this.#order >>> 2);
      const draw = distribution === 'zipf' ? zipf(this.conns, this.#random) : this.#uniform();
      for (let n = 0; n < this.streamLength; n++) order[n] = draw();
      const { datapath, streamLength } = this;
      datapath.writeKeys(this.#order, this.#keys, streamLength, Number(isMissed));
    }
    return this.#keys;
  }

  /**
   * Returns the address of the order of packets: conn << 1 | flow. Every flow comes once; 64 fwd ones
   * and 64 rev ones in turn, as a burst is what one interface has received.
   */
  packets(): number {
    if (this.#stream !== 'packets') {
      this.#stream = 'packets';
      const flows = [this.#shuffled(), this.#shuffled()] as const;
      for (let n = 0; n < this.streamLength; n++) {
        const flow = (n / MAX_BURST) & 1;
        const nth = ((n / (2 * MAX_BURST)) | 0) * MAX_BURST + (n % MAX_BURST);
        const conn = flows[flow === 1 ? 1 : 0][nth] ?? 0;
        this.shared.u32[(this.#order >>> 2) + n] = (conn << 1) | flow;
      }
    }
    return this.#order;
  }

  #shuffled(): Uint32Array {
    const numbers = new Uint32Array(this.conns).map((_, n) => n);
    for (let n = numbers.length - 1; n > 0; n--) {
      const other = this.#random() % (n + 1);
      const number = numbers[n] ?? 0;
      numbers[n] = numbers[other] ?? 0;
      numbers[other] = number;
    }
    return numbers;
  }

  #uniform(): () => number {
    return () => this.#random() & (this.conns - 1);
  }
}

/** Returns the compiled benchmark module at `path`. */
export function compileBench(path: string | URL): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(path));
}

/** Returns an instance of a benchmark module over the memory of a world. */
export function instantiateBench(module: WebAssembly.Module, shared: SharedMemory): BenchDatapath {
  // bench/assembly/index.ts exports these beside the datapath's own; asc checked their types.
  return instantiateDatapath(module, shared, createSystem(shared.memory)) as BenchDatapath;
}

async function publishTables(shared: SharedMemory): Promise<void> {
  const everything = { network: 0x0a00_0000, prefixLength: 8 };
  const iface = { isUp: true, mtu: 1500, serial: 1, queues: [] };
  await new Tables(shared, new Qsbr(shared)).publish(
    {
      ifaces: [
        { ...iface, id: LAN, addr: 0x0a00_0001 },
        { ...iface, id: WAN, addr: OUTSIDE },
      ],
      policies: [
        {
          id: 1,
          ifaceId: WAN,
          ...everything,
          replace: OUTSIDE,
          pools: { tcp: 0, udp: 1, icmp: 2 },
        },
      ],
      routes: [
        { network: 0, prefixLength: 0, flags: 0, ifaceId: WAN },
        { ...everything, flags: 0, ifaceId: LAN },
        { network: OUTSIDE, prefixLength: 32, flags: ROUTE_F_NAT, ifaceId: WAN },
      ],
    },
    () => undefined,
  );
}

/** Returns a source of conns, popular ones drawn more often; neighbours are not alike popular. */
function zipf(conns: number, random: () => number): () => number {
  const sums = new Float64Array(conns);
  let sum = 0;
  for (let rank = 0; rank < conns; rank++) {
    sum += 1 / (rank + 1);
    sums[rank] = sum;
  }
  return () => {
    const wanted = (random() / 2 ** 32) * sum;
    let low = 0;
    let high = conns - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return (Math.imul(low, 0x9e3779b1) >>> 0) & (conns - 1);
  };
}

/** Returns a source of u32 that a seed determines (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
