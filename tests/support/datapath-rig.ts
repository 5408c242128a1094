// A running datapath without a daemon: workers, tables, and whatever devices a test gives it.
import { setTimeout } from 'node:timers/promises';
import {
  COUNTERS_BASE,
  COUNTERS_IFACES,
  COUNTERS_SIZE,
  CTL_POOL_MAX,
  CTL_SPIN_NS,
  IFACE_COUNTERS_SIZE,
  MODE_NORMAL,
  ROUTE_F_NAT,
} from '../../assembly/layout.js';
import { ConnTable } from '../../src/host/conn-table.js';
import { compileDatapath, instantiateDatapath } from '../../src/host/datapath.js';
import { buildIndexHeader, publishDescriptor } from '../../src/host/index-region.js';
import type { Io } from '../../src/host/io.js';
import { createMemory, type SharedMemory } from '../../src/host/memory.js';
import { Qsbr } from '../../src/host/qsbr.js';
import { type IfaceRecord, type PolicyRecord, Tables } from '../../src/host/tables.js';
import { TranPools } from '../../src/host/tran-pools.js';
import { startWorkerPool, type WorkerPool } from '../../src/host/worker-pool.js';
import { createSystem, rawClockNs } from '../../src/tun/sys.js';

const CEILING = 64;
const NS_PER_MS = 1_000_000;

/** An interface with a subnet: 10.ID.0.0/24 is behind it, and the gateway is 10.ID.0.254 there. */
export interface RigPort {
  readonly id: number;
  readonly mtu: number;
  readonly queues: readonly number[];
  /** Tells a device from a former one of the same id; 1 unless told. */
  readonly serial?: number;
}

/** Workers over tables that the test changes at will. */
export class DatapathRig {
  readonly shared: SharedMemory = createMemory(CEILING);
  readonly errors: string[] = [];
  readonly warnings: string[] = [];
  readonly crashes: number[] = [];
  readonly workerCount: number;
  readonly #tables: Tables;
  readonly #tranPools: TranPools;
  readonly #pool: WorkerPool;

  constructor(workerCount = 1, io: Io = 'poll', spinUs = 0) {
    const { shared } = this;
    Atomics.store(shared.u32, CTL_SPIN_NS >>> 2, spinUs * 1000);
    const module = compileDatapath();
    const qsbr = new Qsbr(shared);
    const datapath = instantiateDatapath(module, shared, createSystem(shared.memory));
    const table = new ConnTable(shared, datapath, qsbr);
    this.workerCount = workerCount;
    this.#tables = new Tables(shared, qsbr);
    this.#tranPools = new TranPools(shared);
    Atomics.store(shared.u32, CTL_POOL_MAX >>> 2, CEILING);
    buildIndexHeader(shared, 0, CEILING);
    publishDescriptor(shared, MODE_NORMAL, 0);
    this.#pool = startWorkerPool({
      shared,
      module,
      count: workerCount,
      io,
      log: {
        debug: () => undefined,
        info: () => undefined,
        warn: (text) => this.warnings.push(text),
        error: (text) => this.errors.push(text),
      },
      onCrash: async (worker) => {
        this.crashes.push(worker);
        await table.recover(worker);
      },
    });
  }

  /**
   * Publishes `ports` and the routes to their subnets. What leaves through interface `natId` from
   * another subnet is translated to the gateway's address there.
   */
  async publish(ports: readonly RigPort[], natId?: number): Promise<void> {
    const ifaces: IfaceRecord[] = ports.map(({ id, mtu, queues, serial = 1 }) => ({
      id,
      mtu,
      queues,
      serial,
      isUp: true,
      addr: gatewayAddr(id),
    }));
    const routes = ports.map(({ id }) => ({
      network: subnet(id),
      prefixLength: 24,
      flags: 0,
      ifaceId: id,
    }));
    const policies: PolicyRecord[] = [];
    if (natId !== undefined) {
      const replace = gatewayAddr(natId);
      const pools = this.#tranPools.acquire(replace);
      const everything = { network: 0x0a00_0000, prefixLength: 8 };
      policies.push({ id: 1, ifaceId: natId, ...everything, replace, pools });
      routes.push({ network: replace, prefixLength: 32, flags: ROUTE_F_NAT, ifaceId: natId });
    }
    await this.#tables.publish({ ifaces, policies, routes }, () => this.wake());
  }

  wake(): void {
    this.#pool.wake();
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** Returns a counter's sum over all workers. */
  counter(number: number): number {
    return this.#sum(8 * number);
  }

  /** Returns the sum over all workers of a counter of interface `id`. */
  ifaceCounter(id: number, offset: number): number {
    return this.#sum(COUNTERS_IFACES + id * IFACE_COUNTERS_SIZE + offset);
  }

  #sum(offset: number): number {
    let sum = 0n;
    for (let worker = 0; worker < this.workerCount; worker++)
      sum += this.shared.u64[(COUNTERS_BASE + worker * COUNTERS_SIZE + offset) >>> 3] ?? 0n;
    return Number(sum);
  }
}

/** Resolves when `isTrue` is, asked every millisecond; rejects after `timeoutMs`. */
export async function waitUntil(
  what: string,
  isTrue: () => boolean,
  timeoutMs = 3000,
): Promise<void> {
  const deadlineNs = rawClockNs() + BigInt(timeoutMs * NS_PER_MS);
  while (!isTrue()) {
    if (rawClockNs() > deadlineNs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await setTimeout(1);
  }
}

function subnet(id: number): number {
  return 0x0a00_0000 + id * 0x1_0000;
}

function gatewayAddr(id: number): number {
  return subnet(id) + 254;
}
