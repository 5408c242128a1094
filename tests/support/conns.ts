import {
  AF_INET,
  CONN_SIZE,
  FLOW_FWD,
  FLOW_REV,
  KEY_AF,
  KEY_DST,
  KEY_DST_ID,
  KEY_IFACE,
  KEY_PROTO,
  KEY_SIZE,
  KEY_SRC,
  KEY_SRC_ID,
  POOL_BASE,
  PROTO_UDP,
} from '../../assembly/layout.js';

/** A key in host order, as tests speak of it. */
export interface TestKey {
  readonly iface?: number;
  readonly proto?: number;
  readonly src: number;
  readonly dst: number;
  readonly srcId: number;
  readonly dstId: number;
}

/** Returns the address of a conn's slot. */
export function connAddr(slot: number): number {
  return POOL_BASE + slot * CONN_SIZE;
}

/** Writes a key as the datapath has it: addresses and ids in network order. */
export function writeKey(view: DataView, at: number, key: TestKey): void {
  view.setUint16(at + KEY_IFACE, key.iface ?? 2, true);
  view.setUint8(at + KEY_AF, AF_INET);
  view.setUint8(at + KEY_PROTO, key.proto ?? PROTO_UDP);
  view.setUint32(at + KEY_SRC, key.src);
  view.setUint32(at + KEY_DST, key.dst);
  view.setUint16(at + KEY_SRC_ID, key.srcId);
  view.setUint16(at + KEY_DST_ID, key.dstId);
}

/** Returns the rev key of a conn whose source is translated to `outside` and `tranId`. */
export function revKey(fwd: TestKey, outside: number, tranId: number): TestKey {
  return { ...fwd, src: fwd.dst, srcId: fwd.dstId, dst: outside, dstId: tranId };
}

/** Writes both keys of a conn. */
export function writeKeys(view: DataView, slot: number, fwd: TestKey, rev: TestKey): void {
  writeKey(view, connAddr(slot) + FLOW_FWD * KEY_SIZE, fwd);
  writeKey(view, connAddr(slot) + FLOW_REV * KEY_SIZE, rev);
}
