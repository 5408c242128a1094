// A gateway without devices: tables, pools and conns are real, packets are laid into the ring by
// hand and decided by burst().
//
//   id  interface     address        MTU    networks behind it             policies on it
//   2   outside       172.16.0.1/24  1500   172.16.0.0/24, 192.0.2.0/24    see POLICIES
//   3   inside        10.99.0.1/24   1500   10.96.0.0/14 (less specific)
//   4   narrow        10.50.0.1/24   600    10.50.0.0/24, not translated
//   5   down          10.60.0.1/24   1500   10.60.0.0/24
//   6   unnumbered    none           1500   10.70.0.0/24
import {
  CONN_FLAGS,
  CONN_LAST_UPDATE,
  CONN_LIFE,
  CONN_POLICY,
  CONN_STATE,
  CONN_TRAN_POOL,
  COUNTERS_BASE,
  COUNTERS_IFACES,
  COUNTERS_SIZE,
  CTL_POOL_USED,
  CTX_BASE,
  CTX_NOW,
  IFACE_COUNTERS_SIZE,
  IFACE_RX_BYTES,
  IFACE_RX_DROPS,
  IFACE_RX_PACKETS,
  LIFE_LIVE,
  PKT_IN_IFACE,
  PKT_LEN,
  PKT_OUT_IFACE,
  PKT_REASON,
  PKT_SIZE,
  PKT_VERDICT,
  PKTS_OFFSET,
  REASON_MASK,
  RINGS_BASE,
  ROUTE_F_BROADCAST,
  ROUTE_F_LOCAL,
  ROUTE_F_NAT,
  SLOT_PACKET,
  SLOT_SIZE,
  SLOT_VNET,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST,
  TRAN_LOWEST_ICMP_ID,
  TRAN_LOWEST_PORT,
  TRAN_USED,
  VNET_SIZE,
} from '../../assembly/layout.js';
import { Qsbr } from '../../src/host/qsbr.js';
import type { RouteRecord } from '../../src/host/route-trie.js';
import { type PolicyRecord, Tables, type TablesInput } from '../../src/host/tables.js';
import { connAddr } from './conns.js';
import { type DatapathOptions, type TestDatapath, testDatapath } from './datapath.js';
import { addressBytes } from './packets.js';

export const OUTSIDE = 2;
export const INSIDE = 3;
export const NARROW = 4;
export const DOWN = 5;
export const UNNUMBERED = 6;

/** Tran pools of 172.16.0.1, which two policies share, and of 172.16.0.9. */
export const SHARED_POOLS = { tcp: 0, udp: 1, icmp: 2 };
export const OTHER_POOLS = { tcp: 3, udp: 4, icmp: 5 };

/** 10.97.0.0/24 gets an address that is not the gateway's own. */
export const POLICIES: readonly PolicyRecord[] = [
  { id: 11, ...inside('10.99.0.0'), replace: host('172.16.0.1'), pools: SHARED_POOLS },
  { id: 12, ...inside('10.98.0.0'), replace: host('172.16.0.1'), pools: SHARED_POOLS },
  { id: 13, ...inside('10.97.0.0'), replace: host('172.16.0.9'), pools: OTHER_POOLS },
];

export const ROUTES: readonly RouteRecord[] = [
  route('172.16.0.0', 24, OUTSIDE),
  route('172.16.0.1', 32, OUTSIDE, ROUTE_F_LOCAL | ROUTE_F_NAT),
  route('172.16.0.9', 32, OUTSIDE, ROUTE_F_NAT),
  route('172.16.0.255', 32, OUTSIDE, ROUTE_F_BROADCAST),
  route('192.0.2.0', 24, OUTSIDE),
  route('10.96.0.0', 14, INSIDE),
  route('10.99.0.1', 32, INSIDE, ROUTE_F_LOCAL),
  route('10.99.0.255', 32, INSIDE, ROUTE_F_BROADCAST),
  route('10.50.0.0', 24, NARROW),
  route('10.50.0.1', 32, NARROW, ROUTE_F_LOCAL),
  route('10.60.0.0', 24, DOWN),
  route('10.60.0.1', 32, DOWN, ROUTE_F_LOCAL),
  route('10.70.0.0', 24, UNNUMBERED),
];

const serial = 1;
export const IFACES = [
  { id: OUTSIDE, isUp: true, mtu: 1500, addr: host('172.16.0.1'), serial, queues: [7] },
  { id: INSIDE, isUp: true, mtu: 1500, addr: host('10.99.0.1'), serial, queues: [8] },
  { id: NARROW, isUp: true, mtu: 600, addr: host('10.50.0.1'), serial, queues: [9] },
  { id: DOWN, isUp: false, mtu: 1500, addr: host('10.60.0.1'), serial, queues: [10] },
  { id: UNNUMBERED, isUp: true, mtu: 1500, addr: 0, serial, queues: [11] },
];

const WORKER = 0;
const RING = RINGS_BASE;
const PKTS = RING + PKTS_OFFSET;
const CONTEXT = CTX_BASE;
const DIRT = 0xa5;

/** A packet that arrives, and the virtio-net header before it (ten zeros unless told). */
export interface Arrival {
  readonly iface: number;
  readonly packet: Uint8Array;
  readonly vnet?: Uint8Array;
  /** Bytes that follow the packet in the slot but were read too. */
  readonly trailer?: Uint8Array;
}

/** What became of a packet. */
export interface Departure {
  readonly verdict: number;
  readonly reason: number;
  readonly outIface: number;
  readonly vnet: Buffer;
  readonly packet: Buffer;
}

/** A live conn as a test looks at it. */
export interface ConnState {
  readonly state: number;
  readonly flags: number;
  readonly lastUpdateNs: bigint;
  readonly policyId: number;
  readonly tranPool: number;
}

/** The gateway of one test. */
export class TestGateway {
  readonly datapath: TestDatapath;
  readonly #tables: Tables;

  private constructor(datapath: TestDatapath) {
    this.datapath = datapath;
    this.#tables = new Tables(datapath.shared, new Qsbr(datapath.shared));
  }

  /** Returns a gateway with its tables published. */
  static async open(options: DatapathOptions = {}): Promise<TestGateway> {
    const datapath = testDatapath(options);
    const { view } = datapath;
    for (const { tcp, udp, icmp } of [SHARED_POOLS, OTHER_POOLS]) {
      view.setUint32(poolHeader(tcp) + TRAN_LOWEST, TRAN_LOWEST_PORT, true);
      view.setUint32(poolHeader(udp) + TRAN_LOWEST, TRAN_LOWEST_PORT, true);
      view.setUint32(poolHeader(icmp) + TRAN_LOWEST, TRAN_LOWEST_ICMP_ID, true);
    }
    const gateway = new TestGateway(datapath);
    await gateway.publish({});
    return gateway;
  }

  /** Publishes the tables with some of their parts changed. */
  async publish(changes: Partial<TablesInput>): Promise<void> {
    const tables = { ifaces: IFACES, policies: POLICIES, routes: ROUTES, ...changes };
    await this.#tables.publish(tables, () => undefined);
  }

  /** Decides all `arrivals` in one burst at the manual clock's time. The ring is dirty before. */
  decide(...arrivals: readonly Arrival[]): Departure[] {
    const { view, clock, wasm } = this.datapath;
    for (const [n, arrival] of arrivals.entries()) this.#lay(n, arrival);
    view.setBigInt64(CONTEXT + CTX_NOW, clock.nowNs, true);
    wasm.burst(WORKER, 0, arrivals.length);
    return arrivals.map((_, n) => this.#take(n));
  }

  /** Decides one packet. */
  decideOne(arrival: Arrival): Departure {
    const [departure] = this.decide(arrival);
    if (departure === undefined) throw new Error('a burst of one has one result');
    return departure;
  }

  /** Returns a counter, a COUNT_* or a reason. */
  counter(number: number): number {
    return Number(this.datapath.view.getBigUint64(COUNTERS_BASE + number * 8, true));
  }

  /** Returns the sum of all reasons. */
  get reasonCount(): number {
    let sum = 0;
    for (let reason = 1; reason <= REASON_MASK; reason++) sum += this.counter(reason);
    return sum;
  }

  /** Returns what arrived through an interface. */
  received(iface: number): { packets: number; bytes: number; drops: number } {
    const row = COUNTERS_BASE + COUNTERS_IFACES + iface * IFACE_COUNTERS_SIZE;
    const read = (at: number) => Number(this.datapath.view.getBigUint64(row + at, true));
    return {
      packets: read(IFACE_RX_PACKETS),
      bytes: read(IFACE_RX_BYTES),
      drops: read(IFACE_RX_DROPS),
    };
  }

  /** Zeroes all counters. */
  resetCounters(): void {
    this.datapath.shared.bytes.fill(0, COUNTERS_BASE, COUNTERS_BASE + COUNTERS_SIZE);
  }

  /** Returns how many slots are in use. */
  get connCount(): number {
    return Atomics.load(this.datapath.shared.u32, CTL_POOL_USED >>> 2);
  }

  /** Returns the live conn in `slot`; slots are given out from 1 on. */
  conn(slot: number): ConnState {
    const { view } = this.datapath;
    const at = connAddr(slot);
    if (view.getUint8(at + CONN_LIFE) !== LIFE_LIVE) throw new Error(`slot ${slot} is not live`);
    return {
      state: view.getUint8(at + CONN_STATE),
      flags: view.getUint8(at + CONN_FLAGS),
      lastUpdateNs: view.getBigInt64(at + CONN_LAST_UPDATE, true),
      policyId: view.getUint32(at + CONN_POLICY, true),
      tranPool: view.getUint16(at + CONN_TRAN_POOL, true),
    };
  }

  /** Returns how many ids of a tran pool are taken. */
  tranUsed(pool: number): number {
    return this.datapath.view.getUint32(poolHeader(pool) + TRAN_USED, true);
  }

  #lay(n: number, { iface, packet, vnet, trailer = new Uint8Array() }: Arrival): void {
    const { shared, view } = this.datapath;
    const slot = RING + n * SLOT_SIZE;
    const pkt = PKTS + n * PKT_SIZE;
    const length = packet.length + trailer.length;
    shared.bytes.fill(DIRT, slot, slot + SLOT_PACKET + length + 256);
    shared.bytes.fill(DIRT, pkt, pkt + PKT_SIZE);
    shared.bytes.set(vnet ?? new Uint8Array(VNET_SIZE), slot + SLOT_VNET);
    shared.bytes.set(packet, slot + SLOT_PACKET);
    shared.bytes.set(trailer, slot + SLOT_PACKET + packet.length);
    view.setUint32(pkt + PKT_LEN, length, true);
    view.setUint16(pkt + PKT_IN_IFACE, iface, true);
  }

  #take(n: number): Departure {
    const { shared, view } = this.datapath;
    const slot = RING + n * SLOT_SIZE;
    const pkt = PKTS + n * PKT_SIZE;
    const length = view.getUint32(pkt + PKT_LEN, true);
    const vnetAt = slot + SLOT_VNET;
    const packetAt = slot + SLOT_PACKET;
    return {
      verdict: view.getUint8(pkt + PKT_VERDICT),
      reason: view.getUint8(pkt + PKT_REASON),
      outIface: view.getUint16(pkt + PKT_OUT_IFACE, true),
      vnet: Buffer.from(shared.bytes.slice(vnetAt, vnetAt + VNET_SIZE)),
      packet: Buffer.from(shared.bytes.slice(packetAt, packetAt + length)),
    };
  }
}

function poolHeader(pool: number): number {
  return TRAN_HEADERS_BASE + pool * TRAN_HEADER_SIZE;
}

/** Returns a route as the tables have it; ROUTE_F_* in `flags`. */
export function route(
  network: string,
  prefixLength: number,
  ifaceId: number,
  flags = 0,
): RouteRecord {
  return { network: host(network), prefixLength, flags, ifaceId };
}

function inside(network: string): Pick<PolicyRecord, 'ifaceId' | 'network' | 'prefixLength'> {
  return { ifaceId: OUTSIDE, network: host(network), prefixLength: 24 };
}

/** Returns an address as a number in host order. */
export function host(address: string): number {
  return addressBytes(address).readUInt32BE();
}
