import { readAddress, readPrefix, writeAddress, writePrefix } from './codec.js';
import type { Prefix } from './ipv4.js';
import { type Codec, EMPTY, NOTHING, plainMessage, streamMessage } from './message.js';

/** Packets from `subnet` that leave through the interface get `replace` as source, 16 bytes. */
export interface SnatPolicy {
  readonly ifaceId: number;
  readonly subnet: Prefix;
  readonly replace: string;
}

/** 20 bytes. */
export interface SnatAddRequest extends SnatPolicy {
  /** An equal policy that exists is no error. */
  readonly existOk: boolean;
}

/** 20 bytes. */
export interface SnatDelRequest extends SnatPolicy {
  /** A policy that does not exist is no error. */
  readonly missingOk: boolean;
}

const POLICY_SIZE = 16;
const REQUEST_SIZE = 20;

const POLICY: Codec<SnatPolicy> = {
  size: POLICY_SIZE,
  encode: (policy) => writePolicy(Buffer.alloc(POLICY_SIZE), policy),
  decode: readPolicy,
};

const ADD: Codec<SnatAddRequest> = {
  size: REQUEST_SIZE,
  encode(request) {
    const payload = writePolicy(Buffer.alloc(REQUEST_SIZE), request);
    payload.writeUInt8(Number(request.existOk), POLICY_SIZE);
    return payload;
  },
  decode(payload) {
    return { ...readPolicy(payload), existOk: payload.readUInt8(POLICY_SIZE) !== 0 };
  },
};

const DEL: Codec<SnatDelRequest> = {
  size: REQUEST_SIZE,
  encode(request) {
    const payload = writePolicy(Buffer.alloc(REQUEST_SIZE), request);
    payload.writeUInt8(Number(request.missingOk), POLICY_SIZE);
    return payload;
  },
  decode(payload) {
    return { ...readPolicy(payload), missingOk: payload.readUInt8(POLICY_SIZE) !== 0 };
  },
};

/** Adds a policy. */
export const SNAT44_ADD = plainMessage('SNAT44_ADD', 0x0bad0004, ADD, NOTHING);
/** Deletes a policy and the conns that depend on it. */
export const SNAT44_DEL = plainMessage('SNAT44_DEL', 0x0bad0005, DEL, NOTHING);
/** Streams all policies. */
export const SNAT44_LIST = streamMessage('SNAT44_LIST', 0x0bad0006, EMPTY, POLICY);

function writePolicy(to: Buffer, policy: SnatPolicy): Buffer {
  to.writeUInt16LE(policy.ifaceId, 0);
  writePrefix(to, 4, policy.subnet);
  writeAddress(to, 12, policy.replace);
  return to;
}

function readPolicy(from: Buffer): SnatPolicy {
  return {
    ifaceId: from.readUInt16LE(0),
    subnet: readPrefix(from, 4),
    replace: readAddress(from, 12),
  };
}
