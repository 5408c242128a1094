import {
  INVALID_ACK,
  INVALID_ACK_SLACK,
  INVALID_BASE,
  INVALID_CONN_ID,
  INVALID_DST_BE,
  INVALID_FLAGS,
  INVALID_FLOW,
  INVALID_HEADER_BYTES,
  INVALID_IFACE,
  INVALID_KEPT,
  INVALID_NUMBER,
  INVALID_OWN,
  INVALID_PEER,
  INVALID_PORTS_BE,
  INVALID_PUBLISHED,
  INVALID_REASON,
  INVALID_RECORDS,
  INVALID_RING_SIZE,
  INVALID_SACK,
  INVALID_SEGMENT_BYTES,
  INVALID_SEQ,
  INVALID_SIDE_END,
  INVALID_SIDE_FLAGS,
  INVALID_SIDE_ISN_FIN,
  INVALID_SIDE_MAXACK,
  INVALID_SIDE_MAXEND,
  INVALID_SIDE_MAXWIN,
  INVALID_SIZE,
  INVALID_SRC_BE,
  INVALID_STATE,
  INVALID_TIME,
  INVALID_WINDOW,
  MAX_WORKERS,
  REASON_MASK,
  TCP_F_ACKED,
  TCP_F_CHALLENGE,
  TCP_F_HEARD,
  TCP_TOLERATED,
} from '../../assembly/layout.js';
import { readAddress } from '../api/codec.js';
import type { InvalidPacket, TcpSide } from '../api/invalid-packet.js';
import type { SharedMemory } from './memory.js';
import { REASON_NAMES } from './reasons.js';

/** How many packets are listed, of all workers together. */
const LISTED = 256;

/** A record with its place in time: its burst's, and within that its number. */
interface Taken {
  readonly timeNs: bigint;
  readonly number: bigint;
  readonly record: Buffer;
}

/**
 * The latest packets that the TCP tracker called invalid, as the workers recorded them; the rings
 * are described in `assembly/invalid-packet.ts`.
 */
export class InvalidPackets {
  readonly #shared: SharedMemory;

  constructor(shared: SharedMemory) {
    this.#shared = shared;
  }

  /** Returns the newest 256 of all workers, the oldest of them first. */
  list(): InvalidPacket[] {
    const taken: Taken[] = [];
    for (let worker = 0; worker < MAX_WORKERS; worker++) this.#takeRing(worker, taken);
    taken.sort((a, b) => compare(a.timeNs, b.timeNs) || compare(a.number, b.number));
    return taken.slice(-LISTED).map(({ record }) => readRecord(record));
  }

  /** Returns the newest of a worker that is not at work just now, undefined when it has none. */
  latest(worker: number): InvalidPacket | undefined {
    const ring = INVALID_BASE + worker * INVALID_RING_SIZE;
    const published = this.#shared.u64[(ring + INVALID_PUBLISHED) >>> 3] ?? 0n;
    if (published === 0n) return undefined;
    const index = Number((published - 1n) % BigInt(INVALID_KEPT));
    const at = ring + INVALID_RECORDS + index * INVALID_SIZE;
    return readRecord(Buffer.from(this.#shared.bytes.slice(at, at + INVALID_SIZE)));
  }

  #takeRing(worker: number, taken: Taken[]): void {
    const ring = INVALID_BASE + worker * INVALID_RING_SIZE;
    // A worker that refused nothing has not touched the pages of its ring: neither does this.
    if (this.#shared.u64[(ring + INVALID_PUBLISHED) >>> 3] === 0n) return;
    for (let index = 0; index < INVALID_KEPT; index++) {
      const at = ring + INVALID_RECORDS + index * INVALID_SIZE;
      const number = Atomics.load(this.#shared.u64, (at + INVALID_NUMBER) >>> 3);
      const record = Buffer.from(this.#shared.bytes.slice(at, at + INVALID_SIZE));
      const isWhole = Atomics.load(this.#shared.u64, (at + INVALID_NUMBER) >>> 3) === number;
      if (number === 0n || !isWhole) continue;
      taken.push({ timeNs: record.readBigInt64LE(INVALID_TIME), number, record });
    }
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function readRecord(record: Buffer): InvalidPacket {
  const reason = record.readUInt8(INVALID_REASON);
  const name = REASON_NAMES[reason & REASON_MASK];
  if (name === undefined) throw new Error(`an invalid packet has the reason ${reason}`);
  return {
    timeNs: record.readBigInt64LE(INVALID_TIME),
    connId: record.readUInt32LE(INVALID_CONN_ID),
    ifaceId: record.readUInt16LE(INVALID_IFACE),
    flow: record.readUInt8(INVALID_FLOW),
    state: record.readUInt8(INVALID_STATE),
    flags: record.readUInt8(INVALID_FLAGS),
    isForwarded: (reason & TCP_TOLERATED) !== 0,
    window: record.readUInt16LE(INVALID_WINDOW),
    src: readAddress(record, INVALID_SRC_BE),
    dst: readAddress(record, INVALID_DST_BE),
    sport: record.readUInt16BE(INVALID_PORTS_BE),
    dport: record.readUInt16BE(INVALID_PORTS_BE + 2),
    seq: record.readUInt32LE(INVALID_SEQ),
    ack: record.readUInt32LE(INVALID_ACK),
    sack: record.readUInt32LE(INVALID_SACK),
    ackSlack: record.readUInt32LE(INVALID_ACK_SLACK),
    headerBytes: record.readUInt16LE(INVALID_HEADER_BYTES),
    segmentBytes: record.readUInt16LE(INVALID_SEGMENT_BYTES),
    own: readSide(record, INVALID_OWN),
    peer: readSide(record, INVALID_PEER),
    reason: name,
  };
}

function readSide(record: Buffer, at: number): TcpSide {
  const flags = record.readUInt16LE(at + INVALID_SIDE_FLAGS);
  return {
    isHeard: (flags & TCP_F_HEARD) !== 0,
    hasAcked: (flags & TCP_F_ACKED) !== 0,
    hasChallenged: (flags & TCP_F_CHALLENGE) !== 0,
    end: record.readUInt32LE(at + INVALID_SIDE_END),
    maxEnd: record.readUInt32LE(at + INVALID_SIDE_MAXEND),
    maxAck: record.readUInt32LE(at + INVALID_SIDE_MAXACK),
    isnOrFin: record.readUInt32LE(at + INVALID_SIDE_ISN_FIN),
    maxWin: record.readUInt32LE(at + INVALID_SIDE_MAXWIN),
  };
}
