import {
  CONN_F_LOOSE,
  CONN_F_REPLIED,
  CONN_FLAGS,
  CONN_GENERATION,
  CONN_KEYS,
  CONN_LAST_UPDATE,
  CONN_SIZE,
  CONN_STATE,
  CTL_POOL_NEXT,
  CTX_BASE,
  CTX_NOW,
  DROP_NOT_IPV4,
  KEY_PROTO,
  PATH_FWD,
  PATH_REV,
  PKT_ENTRY,
  PKT_LEN,
  PKT_PATH,
  PKT_REASON,
  PKTS_OFFSET,
  POOL_BASE,
  PROTO_TCP,
  REASON_MASK,
  RINGS_BASE,
  SCRATCH_LIST,
  SCRATCH_NOW,
  SLOT_PACKET,
  STATE_NEW,
  TCP_INVALID_END,
  TCP_REASON_FIRST,
} from '../../assembly/layout.js';
import { CONNTRACK_LIST, type ConntrackConfig } from '../api/conntrack.js';
import { explain } from '../api/invalid-reasons.js';
import { addressOf, maskOf, networkOf, type Prefix } from '../api/ipv4.js';
import { formatConnId, type ShownConn, shownConn, shownState } from '../api/shown-conn.js';
import type { CapturedPacket } from '../tun/pcap.js';
import { createSystem } from '../tun/sys.js';
import { ConnTable } from './conn-table.js';
import { Conntrack } from './conntrack.js';
import { compileDatapath, type Datapath, instantiateDatapath } from './datapath.js';
import { InvalidPackets } from './invalid-packets.js';
import { createMemory, type SharedMemory } from './memory.js';
import { ConnIndex } from './migration.js';
import { Qsbr } from './qsbr.js';
import { judgementOf, NOTHING, type Verdict } from './replay-verdict.js';
import { swapBytes } from './tables.js';
import { TIMEOUT_NAMES, timeoutSetting } from './timeouts.js';

/** What became of one packet. */
export interface ReplayedPacket {
  /** Counts the packets of the capture from 1, as other tools do. */
  readonly n: number;
  readonly flow: 'fwd' | 'rev' | typeof NOTHING;
  readonly verdict: Verdict;
  readonly reason: string;
  /** State of its conn after it, and the conn's id. */
  readonly state: string;
  readonly conn: string;
  /** Of a TCP packet that is invalid, or would be but for the mode: why, in words. */
  readonly why?: string;
}

/** A conn that ended because nothing of it passed for its time-out. */
export interface ExpiredConn {
  readonly conn: string;
  readonly state: string;
  /** The time-out's name in `conntrack config`. */
  readonly reason: string;
  /** Whole seconds from the capture's first packet to the tick at which it ended. */
  readonly time: number;
}

export interface ReplayTrackerOptions {
  /** Where conns begin. */
  readonly inside: Prefix;
  /** Conns that there is room for. */
  readonly ceiling: number;
  readonly config: ConntrackConfig;
}

/** The replay is the only worker of its datapath. */
const WORKER = 0;
const PKT = RINGS_BASE + PKTS_OFFSET;
const PACKET = RINGS_BASE + SLOT_PACKET;
/** The longest IPv4 header and the longest TCP header: nothing behind them is looked at. */
const HEADERS_BYTES = 120;
const NS_PER_SEC = 1_000_000_000n;
const FLOWS: ReadonlyMap<number, 'fwd' | 'rev'> = new Map([
  [PATH_FWD, 'fwd'],
  [PATH_REV, 'rev'],
]);

/**
 * A datapath of its own that tracks the packets of a capture, on the capture's clock: that of its
 * packets' time stamps, which stands still between two packets and never runs backwards.
 *
 * As in the daemon, conns expire at ticks of one second. A conn that one of the ticks between two
 * packets would have found expired is found so by the last of them as well, so only that one is run.
 */
export class ReplayTracker {
  readonly #shared: SharedMemory;
  readonly #datapath: Datapath;
  readonly #table: ConnTable;
  readonly #invalid: InvalidPackets;
  readonly #config: ConntrackConfig;
  readonly #insideBe: number;
  readonly #maskBe: number;
  #count = 0;
  #firstNs = 0n;
  #nowNs = 0n;
  #tick = 0n;

  /** @throws {ControlError} ENOMEM. */
  constructor({ inside, ceiling, config }: ReplayTrackerOptions) {
    this.#shared = createMemory(ceiling);
    const system = createSystem(this.#shared.memory);
    this.#datapath = instantiateDatapath(compileDatapath(), this.#shared, system);
    const qsbr = new Qsbr(this.#shared);
    this.#table = new ConnTable(this.#shared, this.#datapath, qsbr);
    this.#invalid = new InvalidPackets(this.#shared);
    const index = new ConnIndex(this.#shared, this.#datapath, qsbr, ceiling);
    this.#config = { ...config, max: ceiling };
    // Publishes the settings; nothing changes them later.
    new Conntrack({
      shared: this.#shared,
      table: this.#table,
      index,
      ceiling,
      config: this.#config,
    });
    this.#insideBe = swapBytes(addressOf(networkOf(inside).addr));
    this.#maskBe = swapBytes(maskOf(inside.prefixLength));
  }

  /** Seconds from the capture's first packet to its latest. */
  get timeSec(): number {
    return Number(this.#nowNs - this.#firstNs) / 1e9;
  }

  /** Moves the clock on to the time of the next packet; returns the conns that end by that. */
  advance(timeNs: bigint): ExpiredConn[] {
    if (this.#count === 0) this.#firstNs = timeNs;
    if (this.#count > 0 && timeNs <= this.#nowNs) return [];
    this.#nowNs = timeNs;
    const tick = (timeNs - this.#firstNs) / NS_PER_SEC;
    if (tick === this.#tick) return [];
    this.#tick = tick;
    return this.#age();
  }

  /** Tracks a packet at the clock's present time. */
  track({ ipv4, wireBytes }: CapturedPacket): ReplayedPacket {
    this.#count++;
    const { bytes, u32, i64 } = this.#shared;
    if (ipv4 === undefined)
      return {
        n: this.#count,
        flow: NOTHING,
        ...judgementOf(DROP_NOT_IPV4),
        state: NOTHING,
        conn: NOTHING,
      };
    bytes.set(ipv4.subarray(0, HEADERS_BYTES), PACKET);
    // What lies there of the packet before is not this one's.
    if (ipv4.length < HEADERS_BYTES) bytes.fill(0, PACKET + ipv4.length, PACKET + HEADERS_BYTES);
    u32[(PKT + PKT_LEN) >>> 2] = wireBytes;
    i64[(CTX_BASE + CTX_NOW) >>> 3] = this.#nowNs;
    this.#datapath.track(WORKER, ipv4.length, this.#insideBe, this.#maskBe);

    const reason = bytes[PKT + PKT_REASON] ?? 0;
    const slot = (u32[(PKT + PKT_ENTRY) >>> 2] ?? 0) >>> 1;
    return {
      n: this.#count,
      flow: FLOWS.get(bytes[PKT + PKT_PATH] ?? 0) ?? NOTHING,
      ...judgementOf(reason),
      state: slot === 0 ? NOTHING : shownState(this.#byte(slot, CONN_STATE)),
      conn: slot === 0 ? NOTHING : this.#id(slot),
      ...this.#explain(reason),
    };
  }

  /** Yields the conns that are left, many at a time, as they are at the clock's present time. */
  async *conns(): AsyncGenerator<ShownConn[]> {
    const size = CONNTRACK_LIST.responseSize;
    for await (const entries of this.#table.list()) {
      const conns: ShownConn[] = [];
      for (let at = 0; at < entries.length; at += size) {
        const conn = CONNTRACK_LIST.decodeResponse(entries.subarray(at, at + size));
        conns.push(shownConn(conn, NOTHING, this.#nowNs));
      }
      yield conns;
    }
  }

  /** The datapath records what its tracker calls invalid; the newest record is of this packet. */
  #explain(reason: number): { why?: string } {
    const bare = reason & REASON_MASK;
    if (bare < TCP_REASON_FIRST || bare >= TCP_INVALID_END) return {};
    const record = this.#invalid.latest(WORKER);
    return record === undefined ? {} : { why: explain(record) };
  }

  #age(): ExpiredConn[] {
    const { u32, i64 } = this.#shared;
    const expired: ExpiredConn[] = [];
    for (;;) {
      i64[SCRATCH_NOW >>> 3] = this.#firstNs + this.#tick * NS_PER_SEC;
      const count = this.#datapath.ageConns(1, Atomics.load(u32, CTL_POOL_NEXT >>> 2));
      if (count === 0) return expired;
      for (let at = 0; at < count; at++)
        expired.push(this.#expired(u32[(SCRATCH_LIST >>> 2) + at] ?? 0));
      // No other thread holds anything, so that no grace period has to pass.
      this.#datapath.reclaimConns(count);
    }
  }

  /** Tells of a dead conn whose slot is not reclaimed yet. */
  #expired(slot: number): ExpiredConn {
    const proto = this.#byte(slot, CONN_KEYS + KEY_PROTO);
    const state = this.#byte(slot, CONN_STATE);
    const flags = this.#byte(slot, CONN_FLAGS) & (CONN_F_LOOSE | CONN_F_REPLIED);
    // Picked up in mid-stream and never answered.
    const isUnanswered = proto === PROTO_TCP && flags === CONN_F_LOOSE;
    const setting = timeoutSetting(proto, isUnanswered ? STATE_NEW : state);
    const lastUpdateNs = this.#shared.i64[(addressOfConn(slot) + CONN_LAST_UPDATE) >>> 3] ?? 0n;
    const endNs = lastUpdateNs - this.#firstNs + BigInt(this.#config[setting]) * NS_PER_SEC;
    return {
      conn: this.#id(slot),
      state: shownState(state),
      reason: TIMEOUT_NAMES[setting],
      time: Number((endNs + NS_PER_SEC - 1n) / NS_PER_SEC),
    };
  }

  /** Returns a conn's id as `conntrack show` prints it. */
  #id(slot: number): string {
    return formatConnId(((this.#byte(slot, CONN_GENERATION) << 24) | slot) >>> 0);
  }

  #byte(slot: number, field: number): number {
    return this.#shared.bytes[addressOfConn(slot) + field] ?? 0;
  }
}

function addressOfConn(slot: number): number {
  return POOL_BASE + slot * CONN_SIZE;
}
