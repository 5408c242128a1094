import { readAddress, readText, writeAddress, writeText } from './codec.js';
import { type Codec, EMPTY, streamMessage } from './message.js';

/** Names of the flows by number: that of a conn's first packet, and its answers'. */
export const FLOWS = ['fwd', 'rev'] as const;

/** What the tracker knew of one end of a TCP connection, 24 bytes. Numbers are u32. */
export interface TcpSide {
  /** It was heard: end, maxEnd and maxWin are its own. */
  readonly isHeard: boolean;
  /** It acked: maxAck is the highest. */
  readonly hasAcked: boolean;
  /** It answered a SYN with a challenge ACK: maxAck is the ack of that. RFC 5961 section 4. */
  readonly hasChallenged: boolean;
  /** Highest sequence number and length that it sent. */
  readonly end: number;
  /** Highest right edge that its peer allowed it. */
  readonly maxEnd: number;
  readonly maxAck: number;
  /** Initial sequence number; from its first FIN on the end of that. */
  readonly isnOrFin: number;
  /** Largest window that it advertised, scaled. */
  readonly maxWin: number;
}

/** A packet that the TCP tracker called invalid, and what it was judged by; 128 bytes. */
export interface InvalidPacket {
  /** CLOCK_MONOTONIC_RAW of its arrival. */
  readonly timeNs: bigint;
  /** Id of the conn that it was judged by, 0 for none. */
  readonly connId: number;
  /** The interface that it came through. */
  readonly ifaceId: number;
  /** Index of FLOWS. */
  readonly flow: number;
  /** Index of CONN_STATES; 0 without a conn. */
  readonly state: number;
  /** The TCP header's byte of flags. */
  readonly flags: number;
  /** It was forwarded all the same: in liberal mode, or in a conn picked up in mid-stream. */
  readonly isForwarded: boolean;
  /** The TCP header's window, not scaled. */
  readonly window: number;
  /** Addresses and ports as it came, before any translation. */
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  /** The highest of its ack and of its SACK blocks, where these count. */
  readonly sack: number;
  /** How far below its peer's end an ack of this side may lie. */
  readonly ackSlack: number;
  /** Bytes of the TCP header as it says itself; of the whole segment as the IP header says. */
  readonly headerBytes: number;
  readonly segmentBytes: number;
  /** The side that sent it, and the other; all zero where no rule asked them. */
  readonly own: TcpSide;
  readonly peer: TcpSide;
  /** Name of the reason as its counter has it: tcp_above_window. At most 27 bytes. */
  readonly reason: string;
}

const SIZE = 128;
const OWN = 52;
const PEER = 76;
const REASON = 100;
const REASON_SIZE = 28;

const SIDE_IS_HEARD = 1;
const SIDE_HAS_ACKED = 2;
const SIDE_HAS_CHALLENGED = 4;

const INVALID_PACKET: Codec<InvalidPacket> = {
  size: SIZE,
  encode(packet) {
    const payload = Buffer.alloc(SIZE);
    payload.writeBigInt64LE(packet.timeNs, 0);
    payload.writeUInt32LE(packet.connId, 8);
    payload.writeUInt16LE(packet.ifaceId, 12);
    payload.writeUInt8(packet.flow, 14);
    payload.writeUInt8(packet.state, 15);
    payload.writeUInt8(packet.flags, 16);
    payload.writeUInt8(Number(packet.isForwarded), 17);
    payload.writeUInt16LE(packet.window, 18);
    writeAddress(payload, 20, packet.src);
    writeAddress(payload, 24, packet.dst);
    payload.writeUInt16BE(packet.sport, 28);
    payload.writeUInt16BE(packet.dport, 30);
    payload.writeUInt32LE(packet.seq, 32);
    payload.writeUInt32LE(packet.ack, 36);
    payload.writeUInt32LE(packet.sack, 40);
    payload.writeUInt32LE(packet.ackSlack, 44);
    payload.writeUInt16LE(packet.headerBytes, 48);
    payload.writeUInt16LE(packet.segmentBytes, 50);
    writeSide(payload, OWN, packet.own);
    writeSide(payload, PEER, packet.peer);
    writeText(payload, REASON, REASON_SIZE, packet.reason);
    return payload;
  },
  decode(payload) {
    return {
      timeNs: payload.readBigInt64LE(0),
      connId: payload.readUInt32LE(8),
      ifaceId: payload.readUInt16LE(12),
      flow: payload.readUInt8(14),
      state: payload.readUInt8(15),
      flags: payload.readUInt8(16),
      isForwarded: payload.readUInt8(17) !== 0,
      window: payload.readUInt16LE(18),
      src: readAddress(payload, 20),
      dst: readAddress(payload, 24),
      sport: payload.readUInt16BE(28),
      dport: payload.readUInt16BE(30),
      seq: payload.readUInt32LE(32),
      ack: payload.readUInt32LE(36),
      sack: payload.readUInt32LE(40),
      ackSlack: payload.readUInt32LE(44),
      headerBytes: payload.readUInt16LE(48),
      segmentBytes: payload.readUInt16LE(50),
      own: readSide(payload, OWN),
      peer: readSide(payload, PEER),
      reason: readText(payload, REASON, REASON_SIZE),
    };
  },
};

/**
 * Streams the latest packets that the TCP tracker called invalid, the oldest first. The message is
 * of a module of this project's own, so that another daemon answers ENOTSUP.
 */
export const INVALID_LIST = streamMessage('INVALID_LIST', 0x6a5c0002, EMPTY, INVALID_PACKET);

function writeSide(to: Buffer, offset: number, side: TcpSide): void {
  to.writeUInt32LE(side.end, offset);
  to.writeUInt32LE(side.maxEnd, offset + 4);
  to.writeUInt32LE(side.maxAck, offset + 8);
  to.writeUInt32LE(side.isnOrFin, offset + 12);
  to.writeUInt32LE(side.maxWin, offset + 16);
  const flags =
    (side.isHeard ? SIDE_IS_HEARD : 0) |
    (side.hasAcked ? SIDE_HAS_ACKED : 0) |
    (side.hasChallenged ? SIDE_HAS_CHALLENGED : 0);
  to.writeUInt8(flags, offset + 20);
}

function readSide(from: Buffer, offset: number): TcpSide {
  const flags = from.readUInt8(offset + 20);
  return {
    isHeard: (flags & SIDE_IS_HEARD) !== 0,
    hasAcked: (flags & SIDE_HAS_ACKED) !== 0,
    hasChallenged: (flags & SIDE_HAS_CHALLENGED) !== 0,
    end: from.readUInt32LE(offset),
    maxEnd: from.readUInt32LE(offset + 4),
    maxAck: from.readUInt32LE(offset + 8),
    isnOrFin: from.readUInt32LE(offset + 12),
    maxWin: from.readUInt32LE(offset + 16),
  };
}
