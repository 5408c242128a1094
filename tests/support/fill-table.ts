import {
  AF_INET,
  CONN_SIZE,
  CONN_STATE,
  FLOW_REV,
  KEY_DST,
  KEY_DST_ID,
  KEY_SIZE,
  KEY_SRC,
  KEY_SRC_ID,
  OWNER_CONTROL,
  POOL_BASE,
  PROTO_UDP,
  STATE_ESTABLISHED,
} from '../../assembly/layout.js';
import type { TestDatapath } from './datapath.js';

/** Interface 2, IPv4, UDP: the first word of every key here. */
const KEY_HEAD = 2 | (AF_INET << 16) | (PROTO_UDP << 24);
const SERVER = 0x08080808;
const PORTS = 1024;

/**
 * Puts `count` conns into an empty table, the n-th of them, from 1, in slot n; all are established
 * UDP, last heard of at 0, and hold no tran id. Words are written as they are: no byte order matters
 * to keys that no packet has.
 */
export function fillTable({ shared, wasm }: TestDatapath, count: number): void {
  const { u32, bytes } = shared;
  for (let n = 1; n <= count; n++) {
    const slot = wasm.poolAlloc(OWNER_CONTROL);
    if (slot !== n) throw new Error(`conn ${n} got slot ${slot}`);
    const conn = POOL_BASE + slot * CONN_SIZE;
    const client = 0x0a000000 + Math.floor(n / PORTS);
    const port = n % PORTS;
    writeWords(u32, conn, client, SERVER, port, 53);
    writeWords(u32, conn + FLOW_REV * KEY_SIZE, SERVER, client, 53, port);
    bytes[conn + CONN_STATE] = STATE_ESTABLISHED;
    const outcome = wasm.indexInsert(slot, OWNER_CONTROL) >>> 0;
    if (outcome !== 0) throw new Error(`conn ${n} was not entered: ${outcome}`);
  }
}

function writeWords(
  u32: Uint32Array,
  key: number,
  src: number,
  dst: number,
  srcId: number,
  dstId: number,
): void {
  u32[key >>> 2] = KEY_HEAD;
  u32[(key + KEY_SRC) >>> 2] = src;
  u32[(key + KEY_DST) >>> 2] = dst;
  u32[(key + KEY_SRC_ID) >>> 2] = srcId | (dstId << (8 * (KEY_DST_ID - KEY_SRC_ID)));
}

/** Returns whether both keys of the conn in `slot` lead to it. */
export function isConnFound({ wasm }: TestDatapath, slot: number): boolean {
  const header = wasm.readIndex();
  return [0, 1].every((flow) => {
    const key = POOL_BASE + slot * CONN_SIZE + flow * KEY_SIZE;
    return wasm.indexLookup(header, key, wasm.hashKey(header, key)) >>> 0 === slot * 2 + flow;
  });
}
