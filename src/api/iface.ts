import { readMac, readText, writeMac, writeText } from './codec.js';
import { type Codec, NOTHING, plainMessage, streamMessage } from './message.js';

export const IFACE_TYPE_VRF = 1;
export const IFACE_TYPE_PORT = 2;
/** Names of the interface types by number; 0 asks for all of them. */
export const IFACE_TYPES = [
  'all',
  'vrf',
  'port',
  'vlan',
  'ipip',
  'bond',
  'bridge',
  'vxlan',
] as const;
/** Names of the interface modes by number. */
export const IFACE_MODES = ['VRF', 'XC', 'bond', 'bridge'] as const;

// Flags: what was asked of an interface.
export const IFACE_UP = 1;
export const IFACE_PROMISC = 2;
export const IFACE_TRACE = 4;
export const IFACE_SNAT_STATIC = 8;
export const IFACE_SNAT_DYNAMIC = 16;

// State: what an interface does.
export const IFACE_RUNNING = 1;
export const IFACE_PROMISC_FIXED = 2;
export const IFACE_ALLMULTI = 4;

/** Speed of an interface that has none to tell. */
export const SPEED_UNKNOWN = 0xffffffff;

/** What is known of a port alone, 174 bytes. */
interface PortInfo {
  readonly kind: 'port';
  readonly rxQueues: number;
  readonly txQueues: number;
  readonly rxQueueSize: number;
  readonly txQueueSize: number;
  readonly mac: string;
  /** At most 127 bytes, as in `net_tap0,iface=gw0`. */
  readonly devargs: string;
  /** At most 31 bytes. */
  readonly driver: string;
}

/** Sizes of one family's routing table in a vrf. */
interface FibSize {
  readonly maxRoutes: number;
  readonly tbl8Count: number;
}

/** What is known of a vrf alone, 24 bytes. */
interface VrfInfo {
  readonly kind: 'vrf';
  readonly ip4: FibSize;
  readonly ip6: FibSize;
}

/** An interface, 292 bytes and its type's info. */
export interface Iface {
  /** 0 in IFACE_ADD, where the daemon chooses. */
  readonly id: number;
  readonly type: number;
  /** Index of IFACE_MODES. */
  readonly mode: number;
  /** Sum of IFACE_UP and its like. */
  readonly flags: number;
  /** Sum of IFACE_RUNNING and its like. */
  readonly state: number;
  readonly mtu: number;
  readonly vrfId: number;
  readonly domainId: number;
  readonly speedMbps: number;
  /** 1..15 bytes. */
  readonly name: string;
  /** At most 255 bytes. */
  readonly description: string;
  /** Undefined for other types, and where it was not sent. */
  readonly info: PortInfo | VrfInfo | undefined;
}

/** 18 bytes. */
export interface IfaceGetRequest {
  /** 0 looks up by name. */
  readonly id: number;
  readonly name: string;
}

/** Of a name, with its NUL. */
const NAME_SIZE = 16;
const DESCRIPTION_SIZE = 256;
const IFACE_SIZE = 292;
const PORT_SIZE = 174;
const DEVARGS_SIZE = 128;
const DRIVER_SIZE = 32;
const VRF_SIZE = 24;

const IFACE: Codec<Iface> = {
  size: IFACE_SIZE,
  encode(iface) {
    const payload = Buffer.alloc(IFACE_SIZE + infoSize(iface.info));
    payload.writeUInt16LE(iface.id, 0);
    payload.writeUInt8(iface.type, 2);
    payload.writeUInt8(iface.mode, 3);
    payload.writeUInt16LE(iface.flags, 4);
    payload.writeUInt16LE(iface.state, 6);
    payload.writeUInt16LE(iface.mtu, 8);
    payload.writeUInt16LE(iface.vrfId, 10);
    payload.writeUInt16LE(iface.domainId, 12);
    payload.writeUInt32LE(iface.speedMbps, 16);
    writeText(payload, 20, NAME_SIZE, iface.name);
    writeText(payload, 36, DESCRIPTION_SIZE, iface.description);
    writeInfo(payload.subarray(IFACE_SIZE), iface.info);
    return payload;
  },
  decode(payload) {
    const type = payload.readUInt8(2);
    return {
      id: payload.readUInt16LE(0),
      type,
      mode: payload.readUInt8(3),
      flags: payload.readUInt16LE(4),
      state: payload.readUInt16LE(6),
      mtu: payload.readUInt16LE(8),
      vrfId: payload.readUInt16LE(10),
      domainId: payload.readUInt16LE(12),
      speedMbps: payload.readUInt32LE(16),
      name: readText(payload, 20, NAME_SIZE),
      description: readText(payload, 36, DESCRIPTION_SIZE),
      info: readInfo(payload.subarray(IFACE_SIZE), type),
    };
  },
};

const IFACE_ID: Codec<number> = {
  size: 2,
  encode(id) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16LE(id, 0);
    return payload;
  },
  decode: (payload) => payload.readUInt16LE(0),
};

const GET: Codec<IfaceGetRequest> = {
  size: 2 + NAME_SIZE,
  encode(request) {
    const payload = Buffer.alloc(2 + NAME_SIZE);
    payload.writeUInt16LE(request.id, 0);
    writeText(payload, 2, NAME_SIZE, request.name);
    return payload;
  },
  decode(payload) {
    return { id: payload.readUInt16LE(0), name: readText(payload, 2, NAME_SIZE) };
  },
};

const LIST: Codec<number> = {
  size: 1,
  encode: (type) => Buffer.of(type),
  decode: (payload) => payload.readUInt8(0),
};

/** Creates an interface; returns its id. */
export const IFACE_ADD = plainMessage('IFACE_ADD', 0xacdc0001, IFACE, IFACE_ID);
/** Deletes the interface of an id and what depends on it. */
export const IFACE_DEL = plainMessage('IFACE_DEL', 0xacdc0002, IFACE_ID, NOTHING);
/** Returns one interface, by id or by name. */
export const IFACE_GET = plainMessage('IFACE_GET', 0xacdc0003, GET, IFACE);
/** Streams the interfaces of a type, 0 for all. */
export const IFACE_LIST = streamMessage('IFACE_LIST', 0xacdc0004, LIST, IFACE);

function infoSize(info: Iface['info']): number {
  if (info === undefined) return 0;
  return info.kind === 'port' ? PORT_SIZE : VRF_SIZE;
}

function writeInfo(to: Buffer, info: Iface['info']): void {
  if (info === undefined) return;
  if (info.kind === 'port') {
    to.writeUInt16LE(info.rxQueues, 0);
    to.writeUInt16LE(info.txQueues, 2);
    to.writeUInt16LE(info.rxQueueSize, 4);
    to.writeUInt16LE(info.txQueueSize, 6);
    writeMac(to, 8, info.mac);
    writeText(to, 14, DEVARGS_SIZE, info.devargs);
    writeText(to, 142, DRIVER_SIZE, info.driver);
  } else {
    to.writeUInt32LE(info.ip4.maxRoutes, 0);
    to.writeUInt32LE(info.ip4.tbl8Count, 4);
    to.writeUInt32LE(info.ip6.maxRoutes, 8);
    to.writeUInt32LE(info.ip6.tbl8Count, 12);
  }
}

function readInfo(from: Buffer, type: number): Iface['info'] {
  if (type === IFACE_TYPE_PORT && from.length >= PORT_SIZE)
    return {
      kind: 'port',
      rxQueues: from.readUInt16LE(0),
      txQueues: from.readUInt16LE(2),
      rxQueueSize: from.readUInt16LE(4),
      txQueueSize: from.readUInt16LE(6),
      mac: readMac(from, 8),
      devargs: readText(from, 14, DEVARGS_SIZE),
      driver: readText(from, 142, DRIVER_SIZE),
    };
  if (type === IFACE_TYPE_VRF && from.length >= VRF_SIZE)
    return {
      kind: 'vrf',
      ip4: { maxRoutes: from.readUInt32LE(0), tbl8Count: from.readUInt32LE(4) },
      ip6: { maxRoutes: from.readUInt32LE(8), tbl8Count: from.readUInt32LE(12) },
    };
  return undefined;
}
