import { readText, writeText } from './codec.js';
import { ControlError } from './errors.js';
import { type Codec, EMPTY, NOTHING, plainMessage } from './message.js';

/** Counters of software: the datapath's own. */
export const STATS_SOFTWARE = 1;
/** Counters that are zero are listed too. */
export const STATS_ZERO = 4;
/** Sums over all workers. */
export const STATS_ALL_CPUS = 0xffff;

/** Which counters are asked for, 68 bytes. */
export interface StatsGetRequest {
  /** Sum of STATS_SOFTWARE, STATS_ZERO, and 2 for counters of hardware. */
  readonly flags: number;
  readonly cpu: number;
  /** A glob over names, at most 63 bytes; an empty one matches all. */
  readonly pattern: string;
}

/** A named counter, 96 bytes. */
export interface Stat {
  /** At most 63 bytes. */
  readonly name: string;
  /** Place along the path of a packet; lists are sorted by it. */
  readonly topoOrder: bigint;
  readonly packets: bigint;
  readonly batches: bigint;
  readonly cycles: bigint;
}

/** Counters of an interface, 88 bytes. */
export interface IfaceStats {
  readonly ifaceId: number;
  readonly rxPackets: bigint;
  readonly rxBytes: bigint;
  readonly rxDrops: bigint;
  readonly txPackets: bigint;
  readonly txBytes: bigint;
  readonly txErrors: bigint;
  /** The four of traffic between the port and the host's own stack. */
  readonly cpRxPackets: bigint;
  readonly cpRxBytes: bigint;
  readonly cpTxPackets: bigint;
  readonly cpTxBytes: bigint;
}

const NAME_SIZE = 64;

const GET: Codec<StatsGetRequest> = {
  size: 4 + NAME_SIZE,
  encode(request) {
    const payload = Buffer.alloc(4 + NAME_SIZE);
    payload.writeUInt16LE(request.flags, 0);
    payload.writeUInt16LE(request.cpu, 2);
    writeText(payload, 4, NAME_SIZE, request.pattern);
    return payload;
  },
  decode(payload) {
    return {
      flags: payload.readUInt16LE(0),
      cpu: payload.readUInt16LE(2),
      pattern: readText(payload, 4, NAME_SIZE),
    };
  },
};

const STATS: Codec<readonly Stat[]> = arrayOf({
  size: 96,
  write(to, stat) {
    writeText(to, 0, NAME_SIZE, stat.name);
    to.writeBigUInt64LE(stat.topoOrder, 64);
    to.writeBigUInt64LE(stat.packets, 72);
    to.writeBigUInt64LE(stat.batches, 80);
    to.writeBigUInt64LE(stat.cycles, 88);
  },
  read(from) {
    return {
      name: readText(from, 0, NAME_SIZE),
      topoOrder: from.readBigUInt64LE(64),
      packets: from.readBigUInt64LE(72),
      batches: from.readBigUInt64LE(80),
      cycles: from.readBigUInt64LE(88),
    };
  },
});

const IFACE_STATS: Codec<readonly IfaceStats[]> = arrayOf({
  size: 88,
  write(to, stats) {
    to.writeUInt16LE(stats.ifaceId, 0);
    to.writeBigUInt64LE(stats.rxPackets, 8);
    to.writeBigUInt64LE(stats.rxBytes, 16);
    to.writeBigUInt64LE(stats.rxDrops, 24);
    to.writeBigUInt64LE(stats.txPackets, 32);
    to.writeBigUInt64LE(stats.txBytes, 40);
    to.writeBigUInt64LE(stats.txErrors, 48);
    to.writeBigUInt64LE(stats.cpRxPackets, 56);
    to.writeBigUInt64LE(stats.cpRxBytes, 64);
    to.writeBigUInt64LE(stats.cpTxPackets, 72);
    to.writeBigUInt64LE(stats.cpTxBytes, 80);
  },
  read(from) {
    return {
      ifaceId: from.readUInt16LE(0),
      rxPackets: from.readBigUInt64LE(8),
      rxBytes: from.readBigUInt64LE(16),
      rxDrops: from.readBigUInt64LE(24),
      txPackets: from.readBigUInt64LE(32),
      txBytes: from.readBigUInt64LE(40),
      txErrors: from.readBigUInt64LE(48),
      cpRxPackets: from.readBigUInt64LE(56),
      cpRxBytes: from.readBigUInt64LE(64),
      cpTxPackets: from.readBigUInt64LE(72),
      cpTxBytes: from.readBigUInt64LE(80),
    };
  },
});

/** Returns the counters of all interfaces. */
export const IFACE_STATS_GET = plainMessage('IFACE_STATS_GET', 0xacdc0006, EMPTY, IFACE_STATS);
/** Returns the counters whose names match. */
export const STATS_GET = plainMessage('STATS_GET', 0xacdc000b, GET, STATS);
/** Sets all counters to zero. */
export const STATS_RESET = plainMessage('STATS_RESET', 0xacdc000c, EMPTY, NOTHING);

interface Item<T> {
  readonly size: number;
  write(to: Buffer, value: T): void;
  read(from: Buffer): T;
}

/** Returns the codec of a counted array: u16 count, 6 bytes of padding, the items. */
function arrayOf<T>(item: Item<T>): Codec<readonly T[]> {
  const header = 8;
  return {
    size: header,
    encode(values) {
      const payload = Buffer.alloc(header + values.length * item.size);
      payload.writeUInt16LE(values.length, 0);
      values.forEach((value, index) => {
        item.write(payload.subarray(header + index * item.size), value);
      });
      return payload;
    },
    decode(payload) {
      const fits = Math.floor((payload.length - header) / item.size);
      const count = payload.readUInt16LE(0);
      if (count > fits)
        throw new ControlError('EMSGSIZE', `${count} items announced, ${fits} received`);
      return Array.from({ length: count }, (_, index) =>
        item.read(payload.subarray(header + index * item.size)),
      );
    },
  };
}
