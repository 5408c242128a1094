import { readPrefix, writePrefix } from './codec.js';
import type { Prefix } from './ipv4.js';
import { type Codec, NOTHING, plainMessage, streamMessage } from './message.js';

/** An address of the gateway itself, 12 bytes; its prefix is the subnet on that interface. */
export interface IfaceAddress extends Prefix {
  readonly ifaceId: number;
}

/** 16 bytes. */
export interface AddressAddRequest extends IfaceAddress {
  /** An equal address that exists is no error. */
  readonly existOk: boolean;
}

/** 16 bytes. */
export interface AddressDelRequest extends IfaceAddress {
  /** An address that does not exist is no error. */
  readonly missingOk: boolean;
}

/** Which addresses are asked for, 4 bytes; 0 is every one. */
export interface AddressListRequest {
  readonly vrfId: number;
  readonly ifaceId: number;
}

const ADDRESS_SIZE = 12;
const REQUEST_SIZE = 16;
const LIST_SIZE = 4;
const ADDRESS6_SIZE = 20;

const ADDRESS: Codec<IfaceAddress> = {
  size: ADDRESS_SIZE,
  encode: (address) => writeIfaceAddress(Buffer.alloc(ADDRESS_SIZE), address),
  decode: readIfaceAddress,
};

const ADD: Codec<AddressAddRequest> = {
  size: REQUEST_SIZE,
  encode(request) {
    const payload = writeIfaceAddress(Buffer.alloc(REQUEST_SIZE), request);
    payload.writeUInt8(Number(request.existOk), ADDRESS_SIZE);
    return payload;
  },
  decode(payload) {
    return { ...readIfaceAddress(payload), existOk: payload.readUInt8(ADDRESS_SIZE) !== 0 };
  },
};

const DEL: Codec<AddressDelRequest> = {
  size: REQUEST_SIZE,
  encode(request) {
    const payload = writeIfaceAddress(Buffer.alloc(REQUEST_SIZE), request);
    payload.writeUInt8(Number(request.missingOk), ADDRESS_SIZE);
    return payload;
  },
  decode(payload) {
    return { ...readIfaceAddress(payload), missingOk: payload.readUInt8(ADDRESS_SIZE) !== 0 };
  },
};

const LIST: Codec<AddressListRequest> = {
  size: LIST_SIZE,
  encode(request) {
    const payload = Buffer.alloc(LIST_SIZE);
    payload.writeUInt16LE(request.vrfId, 0);
    payload.writeUInt16LE(request.ifaceId, 2);
    return payload;
  },
  decode(payload) {
    return { vrfId: payload.readUInt16LE(0), ifaceId: payload.readUInt16LE(2) };
  },
};

/** IPv6 addresses pass as they lie on the wire: u16 iface, 16 bytes of address, u8 prefix length. */
const ADDRESS6: Codec<Buffer> = {
  size: ADDRESS6_SIZE,
  encode: (address) => address,
  decode: (payload) => payload,
};

/** Adds an address to an interface, and the route to its subnet. */
export const IP4_ADDR_ADD = plainMessage('IP4_ADDR_ADD', 0xf00d0005, ADD, NOTHING);
/** Deletes an address and what depends on it. */
export const IP4_ADDR_DEL = plainMessage('IP4_ADDR_DEL', 0xf00d0006, DEL, NOTHING);
/** Streams the addresses of one interface or of all. */
export const IP4_ADDR_LIST = streamMessage('IP4_ADDR_LIST', 0xf00d0007, LIST, ADDRESS);
/** Streams IPv6 addresses; clients ask it after IP4_ADDR_LIST, and this daemon has none. */
export const IP6_ADDR_LIST = streamMessage('IP6_ADDR_LIST', 0xfeed0007, LIST, ADDRESS6);

function writeIfaceAddress(to: Buffer, address: IfaceAddress): Buffer {
  to.writeUInt16LE(address.ifaceId, 0);
  writePrefix(to, 4, address);
  return to;
}

function readIfaceAddress(from: Buffer): IfaceAddress {
  return { ifaceId: from.readUInt16LE(0), ...readPrefix(from, 4) };
}
