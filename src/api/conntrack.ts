import { readAddress, writeAddress } from './codec.js';
import { ControlError } from './errors.js';
import { type Codec, EMPTY, NOTHING, plainMessage, streamMessage } from './message.js';

/** Addresses and ports of one flow, as its packets carry them; ICMP's identifier is both ports. */
interface Flow {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}

/** A tracked connection, 48 bytes. */
export interface Conn {
  readonly ifaceId: number;
  /** AF_INET. */
  readonly af: number;
  /** IP protocol: 1 ICMP, 6 TCP, 17 UDP. */
  readonly proto: number;
  /** The first packet's flow before translation. */
  readonly fwd: Flow;
  /** The answers' flow as seen outside: its destination is the translated address and port. */
  readonly rev: Flow;
  /** CLOCK_MONOTONIC_RAW of the latest packet. */
  readonly lastUpdateNs: bigint;
  /** u32, unique among live conns. */
  readonly id: number;
  /** Index of CONN_STATES. */
  readonly state: number;
}

/** Names of the states by number. */
export const CONN_STATES = [
  'closed',
  'new',
  'simsyn_sent',
  'syn_recv',
  'established',
  'fin_sent',
  'fin_recv',
  'close_wait',
  'fin_wait',
  'closing',
  'last_ack',
  'time_wait',
] as const;

/** Modes of the TCP window test by number; the first says nothing: keep, or not told. */
export const TCP_WINDOW_MODES = ['', 'off', 'liberal', 'strict'] as const;

/** Whether TCP is picked up in mid-stream, by number; the first says nothing: keep, or not told. */
export const TCP_LOOSE_MODES = ['', 'off', 'on'] as const;

/** Whether a full table drops unreplied conns, by number; the first says nothing. */
export const EARLY_DROP_MODES = ['', 'off', 'on'] as const;

/** Limits, time-outs and modes of connection tracking: seven u32, and our extension. */
export interface ConntrackConfig {
  /** Most conns at a time. */
  readonly max: number;
  readonly closedTimeoutSec: number;
  /** Also syn_recv and simsyn_sent. */
  readonly newTimeoutSec: number;
  /** UDP and ICMP. */
  readonly establishedUdpTimeoutSec: number;
  readonly establishedTcpTimeoutSec: number;
  /** All states between the first FIN and time_wait. */
  readonly halfCloseTimeoutSec: number;
  readonly timeWaitTimeoutSec: number;
  /** Index of TCP_WINDOW_MODES. */
  readonly tcpWindow: number;
  /** Index of TCP_LOOSE_MODES. */
  readonly tcpLoose: number;
  /** Index of EARLY_DROP_MODES. */
  readonly earlyDrop: number;
  /** Percent of `max` in use from which on time-outs shrink; 0 keeps, or is not told. */
  readonly adaptiveStart: number;
  /** Percent of `max` in use at which nothing would be left of them; 0 keeps, or is not told. */
  readonly adaptiveEnd: number;
}

/** The configuration with what it governs; all behind the first 32 bytes is our extension. */
export interface ConntrackStatus extends ConntrackConfig {
  /** Live conns. */
  readonly used: number;
  /**
   * The daemon's CLOCK_MONOTONIC_RAW, which `lastUpdateNs` is to be compared with; undefined when
   * the daemon does not tell.
   */
  readonly nowNs: bigint | undefined;
  /** How far the migration to another `max` is, 0..100; undefined while none runs. */
  readonly migratedPercent: number | undefined;
}

const CONN_SIZE = 48;
const CONFIG_SIZE = 28;
/** With u8 tcp window, u8 tcp loose, u8 early drop, a byte of padding. */
const CONFIG_MODES_SIZE = 32;
/** With u16 adaptive start, u16 adaptive end. */
const CONFIG_ADAPTIVE_SIZE = 36;
const STATUS_SIZE = 32;
/** With u64 now. */
const STATUS_NOW_SIZE = 40;
/** With the modes and adaptive settings as in the configuration; the padding is MIGRATED there. */
const STATUS_MODES_SIZE = 48;

/** Offsets in what follows the seven numbers, or the clock. MIGRATED is percent + 1, or 0. */
const TCP_WINDOW = 0;
const TCP_LOOSE = 1;
const EARLY_DROP = 2;
const MIGRATED = 3;
const ADAPTIVE_START = 4;
const ADAPTIVE_END = 6;

const CONN: Codec<Conn> = {
  size: CONN_SIZE,
  encode(conn) {
    const payload = Buffer.alloc(CONN_SIZE);
    payload.writeUInt16LE(conn.ifaceId, 0);
    payload.writeUInt8(conn.af, 2);
    payload.writeUInt8(conn.proto, 3);
    writeFlow(payload, 4, conn.fwd);
    writeFlow(payload, 16, conn.rev);
    payload.writeBigInt64LE(conn.lastUpdateNs, 32);
    payload.writeUInt32LE(conn.id, 40);
    payload.writeUInt32LE(conn.state, 44);
    return payload;
  },
  decode(payload) {
    return {
      ifaceId: payload.readUInt16LE(0),
      af: payload.readUInt8(2),
      proto: payload.readUInt8(3),
      fwd: readFlow(payload, 4),
      rev: readFlow(payload, 16),
      lastUpdateNs: payload.readBigInt64LE(32),
      id: payload.readUInt32LE(40),
      state: payload.readUInt32LE(44),
    };
  },
};

const CONFIG: Codec<ConntrackConfig> = {
  size: CONFIG_SIZE,
  encode(config) {
    // What upstream's daemon knows is told in upstream's words.
    const { tcpWindow, tcpLoose, earlyDrop, adaptiveStart, adaptiveEnd } = config;
    const hasModes = tcpWindow !== 0 || tcpLoose !== 0 || earlyDrop !== 0;
    const hasAdaptive = adaptiveStart !== 0 || adaptiveEnd !== 0;
    const size = hasModes ? CONFIG_MODES_SIZE : CONFIG_SIZE;
    const payload = Buffer.alloc(hasAdaptive ? CONFIG_ADAPTIVE_SIZE : size);
    writeConfig(payload, config);
    if (hasModes) writeModes(payload, CONFIG_SIZE, config);
    if (hasAdaptive) writeAdaptive(payload, CONFIG_SIZE, config);
    return payload;
  },
  decode(payload) {
    const modes = payload.length >= CONFIG_MODES_SIZE ? readModes(payload, CONFIG_SIZE) : NO_MODES;
    checkMode('tcp-window', modes.tcpWindow, TCP_WINDOW_MODES);
    checkMode('tcp-loose', modes.tcpLoose, TCP_LOOSE_MODES);
    checkMode('early-drop', modes.earlyDrop, EARLY_DROP_MODES);
    const hasAdaptive = payload.length >= CONFIG_ADAPTIVE_SIZE;
    const adaptive = hasAdaptive ? readAdaptive(payload, CONFIG_SIZE) : NOT_ADAPTIVE;
    return { ...readConfig(payload), ...modes, ...adaptive };
  },
};

const STATUS: Codec<ConntrackStatus> = {
  size: STATUS_SIZE,
  encode(status) {
    const { nowNs } = status;
    const payload = Buffer.alloc(nowNs === undefined ? STATUS_SIZE : STATUS_MODES_SIZE);
    writeConfig(payload, status);
    payload.writeUInt32LE(status.used, CONFIG_SIZE);
    if (nowNs === undefined) return payload;
    payload.writeBigUInt64LE(nowNs, STATUS_SIZE);
    writeModes(payload, STATUS_NOW_SIZE, status);
    writeAdaptive(payload, STATUS_NOW_SIZE, status);
    const { migratedPercent } = status;
    const migrated = migratedPercent === undefined ? 0 : migratedPercent + 1;
    payload.writeUInt8(migrated, STATUS_NOW_SIZE + MIGRATED);
    return payload;
  },
  decode(payload) {
    const hasNow = payload.length >= STATUS_NOW_SIZE;
    const hasModes = payload.length >= STATUS_MODES_SIZE;
    return {
      ...readConfig(payload),
      ...(hasModes ? readModes(payload, STATUS_NOW_SIZE) : NO_MODES),
      ...(hasModes ? readAdaptive(payload, STATUS_NOW_SIZE) : NOT_ADAPTIVE),
      used: payload.readUInt32LE(CONFIG_SIZE),
      nowNs: hasNow ? payload.readBigUInt64LE(STATUS_SIZE) : undefined,
      migratedPercent: hasModes ? readMigrated(payload) : undefined,
    };
  },
};

/** Streams all live conns, in no order. */
export const CONNTRACK_LIST = streamMessage('CONNTRACK_LIST', 0xc0c00001, EMPTY, CONN);
/** Removes all conns; all are gone when it is answered. */
export const CONNTRACK_FLUSH = plainMessage('CONNTRACK_FLUSH', 0xc0c00002, EMPTY, NOTHING);
/** Returns the configuration and the use. */
export const CONNTRACK_CONF_GET = plainMessage('CONNTRACK_CONF_GET', 0xc0c00003, EMPTY, STATUS);
/**
 * Changes the configuration, all or nothing; a field of 0 stays as it is. Upstream's 28 bytes leave
 * the modes as they are.
 */
export const CONNTRACK_CONF_SET = plainMessage('CONNTRACK_CONF_SET', 0xc0c00004, CONFIG, NOTHING);

function writeFlow(to: Buffer, offset: number, flow: Flow): void {
  writeAddress(to, offset, flow.src);
  writeAddress(to, offset + 4, flow.dst);
  to.writeUInt16BE(flow.sport, offset + 8);
  to.writeUInt16BE(flow.dport, offset + 10);
}

function readFlow(from: Buffer, offset: number): Flow {
  return {
    src: readAddress(from, offset),
    dst: readAddress(from, offset + 4),
    sport: from.readUInt16BE(offset + 8),
    dport: from.readUInt16BE(offset + 10),
  };
}

type TimedConfig = Omit<ConntrackConfig, keyof Modes | keyof Adaptive>;
type Modes = Pick<ConntrackConfig, 'tcpWindow' | 'tcpLoose' | 'earlyDrop'>;
type Adaptive = Pick<ConntrackConfig, 'adaptiveStart' | 'adaptiveEnd'>;

const NO_MODES: Modes = { tcpWindow: 0, tcpLoose: 0, earlyDrop: 0 };
const NOT_ADAPTIVE: Adaptive = { adaptiveStart: 0, adaptiveEnd: 0 };

function writeModes(to: Buffer, offset: number, modes: Modes): void {
  to.writeUInt8(modes.tcpWindow, offset + TCP_WINDOW);
  to.writeUInt8(modes.tcpLoose, offset + TCP_LOOSE);
  to.writeUInt8(modes.earlyDrop, offset + EARLY_DROP);
}

function readModes(from: Buffer, offset: number): Modes {
  return {
    tcpWindow: from.readUInt8(offset + TCP_WINDOW),
    tcpLoose: from.readUInt8(offset + TCP_LOOSE),
    earlyDrop: from.readUInt8(offset + EARLY_DROP),
  };
}

function writeAdaptive(to: Buffer, offset: number, adaptive: Adaptive): void {
  to.writeUInt16LE(adaptive.adaptiveStart, offset + ADAPTIVE_START);
  to.writeUInt16LE(adaptive.adaptiveEnd, offset + ADAPTIVE_END);
}

function readAdaptive(from: Buffer, offset: number): Adaptive {
  return {
    adaptiveStart: from.readUInt16LE(offset + ADAPTIVE_START),
    adaptiveEnd: from.readUInt16LE(offset + ADAPTIVE_END),
  };
}

function readMigrated(from: Buffer): number | undefined {
  const byte = from.readUInt8(STATUS_NOW_SIZE + MIGRATED);
  return byte === 0 ? undefined : byte - 1;
}

function checkMode(name: string, mode: number, names: readonly string[]): void {
  if (mode < names.length) return;
  const allowed = names.map((each, number) => `${number} (${each || 'keep'})`);
  const last = allowed.pop();
  throw new ControlError('EINVAL', `${name} ${mode} is not ${allowed.join(', ')} or ${last}`);
}

function writeConfig(to: Buffer, config: TimedConfig): void {
  to.writeUInt32LE(config.max, 0);
  to.writeUInt32LE(config.closedTimeoutSec, 4);
  to.writeUInt32LE(config.newTimeoutSec, 8);
  to.writeUInt32LE(config.establishedUdpTimeoutSec, 12);
  to.writeUInt32LE(config.establishedTcpTimeoutSec, 16);
  to.writeUInt32LE(config.halfCloseTimeoutSec, 20);
  to.writeUInt32LE(config.timeWaitTimeoutSec, 24);
}

function readConfig(from: Buffer): TimedConfig {
  return {
    max: from.readUInt32LE(0),
    closedTimeoutSec: from.readUInt32LE(4),
    newTimeoutSec: from.readUInt32LE(8),
    establishedUdpTimeoutSec: from.readUInt32LE(12),
    establishedTcpTimeoutSec: from.readUInt32LE(16),
    halfCloseTimeoutSec: from.readUInt32LE(20),
    timeWaitTimeoutSec: from.readUInt32LE(24),
  };
}
