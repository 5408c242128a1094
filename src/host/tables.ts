import {
  CTL_SNAPSHOT,
  IFACE_ADDR_BE,
  IFACE_F_NAT,
  IFACE_F_UP,
  IFACE_FLAGS,
  IFACE_MTU,
  IFACE_POLICY_COUNT,
  IFACE_POLICY_START,
  IFACE_SERIAL,
  IFACE_SIZE,
  MAX_IFACES,
  MAX_POLICIES,
  MAX_WORKERS,
  POLICY_ID,
  POLICY_MASK,
  POLICY_NET,
  POLICY_POOL_ICMP,
  POLICY_POOL_TCP,
  POLICY_POOL_UDP,
  POLICY_REPLACE_BE,
  POLICY_SIZE,
  QUEUES_ROW,
  SNAP_DYNAMIC,
  SNAP_IFACES,
  SNAP_NODES,
  SNAP_POLICIES,
  SNAP_POLICY_COUNT,
  SNAP_PORT_COUNT,
  SNAP_PORTS,
  SNAP_QUEUES,
  SNAP_ROOT,
  SNAP_ROUTE_COUNT,
  SNAP_ROUTES,
  TABLES_BASE,
  TABLES_HALF,
} from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';
import { maskOf } from '../api/ipv4.js';
import type { SharedMemory } from './memory.js';
import type { Qsbr } from './qsbr.js';
import { type RouteRecord, writeRoutes } from './route-trie.js';

/** An interface as the datapath sees it. Addresses are u32 in host order, 0 for none. */
export interface IfaceRecord {
  readonly id: number;
  readonly isUp: boolean;
  readonly mtu: number;
  readonly addr: number;
  /** Another for each device that was opened, not 0. */
  readonly serial: number;
  /** One descriptor per worker; empty for an interface without a device. */
  readonly queues: readonly number[];
}

/** An snat policy as the datapath sees it: networks and addresses are u32 in host order. */
export interface PolicyRecord {
  readonly id: number;
  readonly ifaceId: number;
  readonly network: number;
  readonly prefixLength: number;
  readonly replace: number;
  readonly pools: { readonly tcp: number; readonly udp: number; readonly icmp: number };
}

/** Everything that the datapath looks up about the configuration. */
export interface TablesInput {
  readonly ifaces: readonly IfaceRecord[];
  readonly policies: readonly PolicyRecord[];
  readonly routes: readonly RouteRecord[];
}

/** Returns a u32 with its bytes in the other order: how an address lies in a packet. */
export function swapBytes(word: number): number {
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24)) >>> 0;
}

/**
 * The published snapshot of interfaces, policies and routes.
 *
 * A snapshot is immutable once published. The next one is written into the other half of the
 * region, which no worker reads any more because every publish waits for a grace period before it
 * resolves. Publishes must therefore not overlap; the control plane runs changes one by one.
 */
export class Tables {
  readonly #shared: SharedMemory;
  readonly #qsbr: Qsbr;
  readonly #view: DataView;
  #half = 0;

  constructor(shared: SharedMemory, qsbr: Qsbr) {
    this.#shared = shared;
    this.#qsbr = qsbr;
    this.#view = new DataView(shared.memory.buffer);
    this.#write({ ifaces: [], policies: [], routes: [] });
  }

  /**
   * Publishes `input`, calls `wake` so that sleeping workers take it up, and resolves after a grace
   * period: no worker uses the former tables any more.
   *
   * @throws {ControlError} ENOSPC when it does not fit; the former tables stay.
   */
  async publish(input: TablesInput, wake: () => void): Promise<void> {
    this.#write(input);
    wake();
    await this.#qsbr.waitForGrace();
  }

  #write(input: TablesInput): void {
    if (input.policies.length > MAX_POLICIES)
      throw new ControlError(
        'ENOSPC',
        `${input.policies.length} policies are over the ${MAX_POLICIES} allowed`,
      );
    const base = TABLES_BASE + this.#half * TABLES_HALF;
    this.#shared.bytes.fill(0, base, base + SNAP_ROOT);
    this.#writePolicies(base, input);
    this.#writeIfaces(base, input);
    const { nodes, routes } = writeRoutes(
      this.#shared.u32,
      { root: base + SNAP_ROOT, start: base + SNAP_DYNAMIC, end: base + TABLES_HALF },
      input.routes,
    );
    this.#view.setUint32(base + SNAP_ROUTE_COUNT, input.routes.length, true);
    this.#view.setUint32(base + SNAP_NODES, nodes, true);
    this.#view.setUint32(base + SNAP_ROUTES, routes, true);
    Atomics.store(this.#shared.u32, CTL_SNAPSHOT >>> 2, base);
    this.#half = 1 - this.#half;
  }

  #writeIfaces(base: number, { ifaces, policies }: TablesInput): void {
    const view = this.#view;
    const queues = base + SNAP_QUEUES;
    this.#shared.i32.fill(-1, queues >>> 2, (queues + MAX_WORKERS * QUEUES_ROW) >>> 2);
    const sorted = sortPolicies(policies);
    let portCount = 0;
    for (const iface of ifaces) {
      if (iface.id >= MAX_IFACES) throw new Error(`interface id ${iface.id} is out of range`);
      const record = base + SNAP_IFACES + iface.id * IFACE_SIZE;
      const start = sorted.findIndex(({ ifaceId }) => ifaceId === iface.id);
      const count = sorted.filter(({ ifaceId }) => ifaceId === iface.id).length;
      const flags = (iface.isUp ? IFACE_F_UP : 0) | (count > 0 ? IFACE_F_NAT : 0);
      view.setUint32(record + IFACE_FLAGS, flags, true);
      view.setUint32(record + IFACE_MTU, iface.mtu, true);
      view.setUint32(record + IFACE_ADDR_BE, swapBytes(iface.addr), true);
      view.setUint32(record + IFACE_POLICY_START, Math.max(start, 0), true);
      view.setUint32(record + IFACE_POLICY_COUNT, count, true);
      view.setUint32(record + IFACE_SERIAL, iface.serial, true);
      if (iface.queues.length === 0) continue;
      view.setUint8(base + SNAP_PORTS + portCount++, iface.id);
      for (const [worker, fd] of iface.queues.entries())
        view.setInt32(queues + worker * QUEUES_ROW + iface.id * 4, fd, true);
    }
    view.setUint32(base + SNAP_PORT_COUNT, portCount, true);
  }

  #writePolicies(base: number, { policies }: TablesInput): void {
    const view = this.#view;
    for (const [row, policy] of sortPolicies(policies).entries()) {
      const record = base + SNAP_POLICIES + row * POLICY_SIZE;
      view.setUint32(record + POLICY_NET, policy.network, true);
      view.setUint32(record + POLICY_MASK, maskOf(policy.prefixLength), true);
      view.setUint32(record + POLICY_REPLACE_BE, swapBytes(policy.replace), true);
      view.setUint32(record + POLICY_ID, policy.id, true);
      view.setUint16(record + POLICY_POOL_TCP, policy.pools.tcp, true);
      view.setUint16(record + POLICY_POOL_UDP, policy.pools.udp, true);
      view.setUint16(record + POLICY_POOL_ICMP, policy.pools.icmp, true);
    }
    view.setUint32(base + SNAP_POLICY_COUNT, policies.length, true);
  }
}

/** An interface's policies stand together, the longest prefix first: the first match wins. */
function sortPolicies(policies: readonly PolicyRecord[]): PolicyRecord[] {
  return [...policies].sort(
    (a, b) => a.ifaceId - b.ifaceId || b.prefixLength - a.prefixLength || a.id - b.id,
  );
}
