// Drives the TCP tracker of the WebAssembly module alone: one conn slot, one packet, no tables.
import * as layout from '../../assembly/layout.js';
import type { SharedMemory } from '../../src/host/memory.js';
import { type DatapathSteps, testDatapath } from './datapath.js';
import { tcpFlagByte, tcpOptionBytes } from './packets.js';
import {
  type ConnView,
  type Decision,
  type Flow,
  type Segment,
  type SideView,
  STATES,
  type Verdict,
  type WindowMode,
} from './tcp-segment.js';

const CONN = layout.POOL_BASE + layout.CONN_SIZE;
const IP = layout.RINGS_BASE + layout.SLOT_PACKET;
const IP_HEADER = 20;
const OWNER = 7;
const MODES: Readonly<Record<WindowMode, number>> = {
  off: layout.TCP_WINDOW_OFF,
  liberal: layout.TCP_WINDOW_LIBERAL,
  strict: layout.TCP_WINDOW_STRICT,
};

/** What the tracker said; `reason` as it returned it, 0 for pass. */
export interface TrackerDecision extends Decision {
  readonly reason: number;
}

/** One conn slot of the module, and a packet to feed it. */
export class TcpHarness {
  readonly #steps: DatapathSteps;
  readonly #shared: SharedMemory;
  readonly #view: DataView;
  #hasConn = false;

  constructor() {
    const { shared, view, wasm } = testDatapath({ ceiling: 1 });
    this.#steps = wasm;
    this.#shared = shared;
    this.#view = view;
  }

  /** Forgets the conn and sets the mode. What was in the slot is made dirt. */
  reset(mode: WindowMode, loose: boolean): this {
    Atomics.store(this.#shared.u32, layout.CTL_TCP_WINDOW >>> 2, MODES[mode]);
    Atomics.store(this.#shared.u32, layout.CTL_TCP_LOOSE >>> 2, loose ? 1 : 0);
    this.#shared.bytes.fill(0xa5, CONN, CONN + layout.CONN_SIZE);
    this.#shared.u32[(CONN + layout.CONN_LOCK) >>> 2] = 0;
    this.#hasConn = false;
    return this;
  }

  /** The 128 bytes of the slot. */
  get slot(): Uint8Array {
    return this.#shared.bytes.slice(CONN, CONN + layout.CONN_SIZE);
  }

  /** Overwrites the slot: 128 bytes. */
  set slot(bytes: Uint8Array) {
    this.#shared.bytes.set(bytes, CONN);
  }

  /** Gives the tracker a segment at `now` (ns): opens the conn if there is none. */
  send(flow: Flow, segment: Segment, now = 0n): TrackerDecision {
    return this.sendBytes(flow, segmentBytes(segment), segment.len, now);
  }

  /** The same, for a TCP header as it is and `len` bytes of payload. */
  sendBytes(flow: Flow, header: Uint8Array, len: number, now = 0n): TrackerDecision {
    this.#view.setUint16(IP + 2, IP_HEADER + header.length + len);
    this.#shared.bytes.set(header, IP + IP_HEADER);
    return this.#decide(flow, now);
  }

  /** Returns what the slot holds, undefined while no segment opened it. */
  get view(): ConnView | undefined {
    if (!this.#hasConn) return undefined;
    const flags = this.#byte(layout.CONN_FLAGS);
    const rev = this.#side(layout.FLOW_REV);
    const revFlags = this.#sideFlags(layout.FLOW_REV);
    const isAnnotated = (this.#byte(layout.CONN_NOTE_OPTS) & layout.CONN_NOTE_VALID) !== 0;
    return {
      state: this.#state(),
      fwd: this.#side(layout.FLOW_FWD),
      rev,
      challenge:
        (revFlags & layout.TCP_F_CHALLENGE) !== 0
          ? this.#word(layout.TCP_MAXACK, layout.FLOW_REV)
          : undefined,
      annotation: isAnnotated
        ? (this.#word(layout.CONN_NOTE_SEQ, 0) +
            this.#view.getUint16(CONN + layout.CONN_NOTE_LEN, true)) >>>
          0
        : undefined,
      isLoose: (flags & layout.CONN_F_LOOSE) !== 0,
      isReplied: (flags & layout.CONN_F_REPLIED) !== 0,
    };
  }

  /** ns, as the last segment that passed left it. */
  get lastUpdate(): bigint {
    return this.#view.getBigInt64(CONN + layout.CONN_LAST_UPDATE, true);
  }

  #decide(flow: Flow, now: bigint): TrackerDecision {
    const l4 = IP + IP_HEADER;
    let reason: number;
    if (this.#hasConn) {
      reason = this.#track(flow, now);
    } else {
      reason = this.#steps.tcpAdmits(IP, l4);
      if (reason === 0) this.#steps.tcpOpen(CONN, IP, l4);
      this.#hasConn = reason === 0;
    }
    return { verdict: verdictOf(reason), state: this.#hasConn ? this.#state() : '-', reason };
  }

  #track(flow: Flow, now: bigint): number {
    const flowNumber = flow === 'fwd' ? layout.FLOW_FWD : layout.FLOW_REV;
    return this.#steps.tcpTrack(CONN, flowNumber, IP, IP + IP_HEADER, OWNER, now);
  }

  #state() {
    const state = STATES[this.#byte(layout.CONN_STATE)];
    if (state === undefined) throw new Error(`state ${this.#byte(layout.CONN_STATE)}`);
    return state;
  }

  #side(flow: number): SideView {
    const flags = this.#sideFlags(flow);
    const has = (flag: number) => (flags & flag) !== 0;
    const isnOrFin = this.#word(layout.TCP_ISN_FIN, flow);
    return {
      heard: has(layout.TCP_F_HEARD),
      end: this.#word(layout.TCP_END, flow),
      maxend: this.#word(layout.TCP_MAXEND, flow),
      maxwin: this.#word(layout.TCP_MAXWIN, flow),
      maxack: has(layout.TCP_F_ACKED) ? this.#word(layout.TCP_MAXACK, flow) : undefined,
      isn: has(layout.TCP_F_FIN) ? undefined : isnOrFin,
      finEnd: has(layout.TCP_F_FIN) ? isnOrFin : undefined,
      finAcked: has(layout.TCP_F_FIN_ACKED),
      sentSynAck: has(layout.TCP_F_SYN_ACK),
      scale: has(layout.TCP_F_SCALE) ? flags & layout.TCP_SCALE_MASK : undefined,
      sackOk: has(layout.TCP_F_SACK),
    };
  }

  #byte(offset: number): number {
    return this.#shared.bytes[CONN + offset] ?? 0;
  }

  #word(offset: number, flow: number): number {
    return this.#view.getUint32(CONN + offset + flow * layout.TCP_SIDE_U32, true);
  }

  #sideFlags(flow: number): number {
    return this.#view.getUint16(CONN + layout.TCP_FLAGS + flow * layout.TCP_SIDE_U16, true);
  }
}

/** Returns what a reason of the tracker means for its segment. */
export function verdictOf(reason: number): Verdict {
  if (reason === 0) return 'pass';
  return reason >= layout.TCP_IGNORED_FIRST ? 'ignore' : 'invalid';
}

/** Returns the TCP header of a segment, its checksum left 0: the tracker does not look at it. */
export function segmentBytes({ flags, seq, ack, win, opts }: Segment): Uint8Array {
  const options = opts === undefined ? NO_OPTIONS : tcpOptionBytes(opts);
  const header = new Uint8Array(20 + options.length);
  const view = new DataView(header.buffer);
  view.setUint32(4, seq);
  view.setUint32(8, ack);
  view.setUint8(12, (header.length / 4) << 4);
  view.setUint8(13, tcpFlagByte(flags));
  view.setUint16(14, win);
  header.set(options, 20);
  return header;
}

const NO_OPTIONS = new Uint8Array(0);
