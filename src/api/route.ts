import {
  AF_INET,
  NO_MAC,
  readAddress,
  readMac,
  readPrefix,
  writeAddress,
  writeMac,
  writePrefix,
} from './codec.js';
import type { Prefix } from './ipv4.js';
import { type Codec, NOTHING, plainMessage, streamMessage } from './message.js';

/** Origin of a route that an address brought along. */
export const ROUTE_ORIGIN_LINK = 2;
/** Origin of a route that a user added. */
export const ROUTE_ORIGIN_STATIC = 4;
/** Origin of a next hop that the daemon made for itself. */
export const NEXTHOP_ORIGIN_INTERNAL = 0xff;
/** Type of a next hop that is an IP address; only these carry the fields from `state` on. */
export const NEXTHOP_TYPE_L3 = 1;

/** Names of a next hop's states by number. */
export const NEXTHOP_STATES = ['new', 'pending', 'reachable', 'stale', 'failed'] as const;
/** The next hop is one of the gateway's own addresses. */
export const NEXTHOP_LOCAL = 1;
/** The next hop is a gateway of some route. */
export const NEXTHOP_GATEWAY = 2;
/** The next hop stands for a whole attached subnet. */
export const NEXTHOP_LINK = 4;

/** Where a route leads. */
interface Nexthop {
  readonly type: number;
  readonly origin: number;
  readonly ifaceId: number;
  readonly vrfId: number;
  /** u32, 0 for one without. */
  readonly id: number;
  /** Index of NEXTHOP_STATES. */
  readonly state: number;
  /** Sum of NEXTHOP_LOCAL and its like. */
  readonly flags: number;
  readonly af: number;
  readonly prefixLength: number;
  readonly mac: string;
}

/** A route as listed, 52 bytes. */
export interface Route {
  readonly vrfId: number;
  readonly dest: Prefix;
  readonly origin: number;
  /** The next hop's address; undefined where it has no IPv4 address. */
  readonly via: string | undefined;
  readonly nexthop: Nexthop;
}

/** 24 bytes. */
export interface RouteAddRequest {
  readonly vrfId: number;
  readonly dest: Prefix;
  readonly via: string;
  /** Number of a next hop that stands in for `via`; 0 for none. */
  readonly nexthopId: number;
  readonly origin: number;
  /** An equal route that exists is no error. */
  readonly existOk: boolean;
}

/** 16 bytes. */
export interface RouteDelRequest {
  readonly vrfId: number;
  readonly dest: Prefix;
  /** A route that does not exist is no error. */
  readonly missingOk: boolean;
}

/** Which routes are asked for, 4 bytes; vrf 0 is every one. */
export interface RouteListRequest {
  readonly vrfId: number;
  /** At most so many; 0 is all. */
  readonly max: number;
}

const ADD_SIZE = 24;
const DEL_SIZE = 16;
const LIST_SIZE = 4;
/** A route whose next hop is of another type than L3 ends here, or goes on with that type's own. */
const ROUTE_SIZE = 24;
const ROUTE_L3_SIZE = 52;

const ADD: Codec<RouteAddRequest> = {
  size: ADD_SIZE,
  encode(request) {
    const payload = Buffer.alloc(ADD_SIZE);
    payload.writeUInt16LE(request.vrfId, 0);
    writePrefix(payload, 4, request.dest);
    writeAddress(payload, 12, request.via);
    payload.writeUInt32LE(request.nexthopId, 16);
    payload.writeUInt8(request.origin, 20);
    payload.writeUInt8(Number(request.existOk), 21);
    return payload;
  },
  decode(payload) {
    return {
      vrfId: payload.readUInt16LE(0),
      dest: readPrefix(payload, 4),
      via: readAddress(payload, 12),
      nexthopId: payload.readUInt32LE(16),
      origin: payload.readUInt8(20),
      existOk: payload.readUInt8(21) !== 0,
    };
  },
};

const DEL: Codec<RouteDelRequest> = {
  size: DEL_SIZE,
  encode(request) {
    const payload = Buffer.alloc(DEL_SIZE);
    payload.writeUInt16LE(request.vrfId, 0);
    writePrefix(payload, 4, request.dest);
    payload.writeUInt8(Number(request.missingOk), 12);
    return payload;
  },
  decode(payload) {
    return {
      vrfId: payload.readUInt16LE(0),
      dest: readPrefix(payload, 4),
      missingOk: payload.readUInt8(12) !== 0,
    };
  },
};

const LIST: Codec<RouteListRequest> = {
  size: LIST_SIZE,
  encode(request) {
    const payload = Buffer.alloc(LIST_SIZE);
    payload.writeUInt16LE(request.vrfId, 0);
    payload.writeUInt16LE(request.max, 2);
    return payload;
  },
  decode(payload) {
    return { vrfId: payload.readUInt16LE(0), max: payload.readUInt16LE(2) };
  },
};

const ROUTE: Codec<Route> = {
  size: ROUTE_SIZE,
  encode(route) {
    const { nexthop } = route;
    const isL3 = nexthop.type === NEXTHOP_TYPE_L3;
    const payload = Buffer.alloc(isL3 ? ROUTE_L3_SIZE : ROUTE_SIZE);
    writePrefix(payload, 0, route.dest);
    payload.writeUInt16LE(route.vrfId, 8);
    payload.writeUInt8(route.origin, 10);
    payload.writeUInt8(nexthop.type, 12);
    payload.writeUInt8(nexthop.origin, 13);
    payload.writeUInt16LE(nexthop.ifaceId, 14);
    payload.writeUInt16LE(nexthop.vrfId, 16);
    payload.writeUInt32LE(nexthop.id, 20);
    if (!isL3) return payload;
    payload.writeUInt8(nexthop.state, 24);
    payload.writeUInt8(nexthop.flags, 25);
    payload.writeUInt8(nexthop.af, 26);
    payload.writeUInt8(nexthop.prefixLength, 27);
    if (route.via !== undefined) writeAddress(payload, 28, route.via);
    writeMac(payload, 44, nexthop.mac);
    return payload;
  },
  decode(payload) {
    const isL3 = payload.readUInt8(12) === NEXTHOP_TYPE_L3 && payload.length >= ROUTE_L3_SIZE;
    const af = isL3 ? payload.readUInt8(26) : 0;
    return {
      vrfId: payload.readUInt16LE(8),
      dest: readPrefix(payload, 0),
      origin: payload.readUInt8(10),
      via: af === AF_INET ? readAddress(payload, 28) : undefined,
      nexthop: {
        type: payload.readUInt8(12),
        origin: payload.readUInt8(13),
        ifaceId: payload.readUInt16LE(14),
        vrfId: payload.readUInt16LE(16),
        id: payload.readUInt32LE(20),
        state: isL3 ? payload.readUInt8(24) : 0,
        flags: isL3 ? payload.readUInt8(25) : 0,
        af,
        prefixLength: isL3 ? payload.readUInt8(27) : 0,
        mac: isL3 ? readMac(payload, 44) : NO_MAC,
      },
    };
  },
};

/** IPv6 routes pass as they lie on the wire. */
const ROUTE6: Codec<Buffer> = {
  size: 0,
  encode: (route) => route,
  decode: (payload) => payload,
};

/** Adds a route. */
export const IP4_ROUTE_ADD = plainMessage('IP4_ROUTE_ADD', 0xf00d0001, ADD, NOTHING);
/** Deletes a route. */
export const IP4_ROUTE_DEL = plainMessage('IP4_ROUTE_DEL', 0xf00d0002, DEL, NOTHING);
/** Streams the routes. */
export const IP4_ROUTE_LIST = streamMessage('IP4_ROUTE_LIST', 0xf00d0004, LIST, ROUTE);
/** Streams IPv6 routes; clients ask it after IP4_ROUTE_LIST, and this daemon has none. */
export const IP6_ROUTE_LIST = streamMessage('IP6_ROUTE_LIST', 0xfeed0004, LIST, ROUTE6);
