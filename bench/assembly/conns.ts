// Conns of the benchmark, numbered from 0. Everything about one follows from its number, so that a
// packet of it can be made without a look at the conn, which would warm its cache lines.
//
// Hosts 10.1.0.0/16 talk to port 443 of 198.18.0.0/15 (RFC 2544) from behind 203.0.113.1. Numbers
// count up through the hosts first: such sequences are what a gateway sees. An outside port serves
// several conns, each to another server, because one address could not hold a million of them.
import { connAddr, connKey, setConnLife } from '../../assembly/conn';
import { indexInsert, indexRemove } from '../../assembly/conn-index';
import { poolAlloc } from '../../assembly/conn-pool';
import {
  AF_INET,
  CONN_STATE,
  CONN_TRAN_POOL,
  FLOW_FWD,
  FLOW_REV,
  KEY_IFACE,
  KEY_SIZE,
  KEY_SRC,
  KEY_SRC_ID,
  LIFE_FILLING,
  OWNER_CONTROL,
  PROTO_TCP,
  STATE_ESTABLISHED,
  TCP_END,
  TCP_F_ACKED,
  TCP_F_HEARD,
  TCP_F_SACK,
  TCP_F_SCALE,
  TCP_FLAGS,
  TCP_ISN_FIN,
  TCP_MAXACK,
  TCP_MAXEND,
  TCP_MAXWIN,
} from '../../assembly/layout';
import { tranTake } from '../../assembly/tran-pool';

/** The interface to the servers; the hosts' is the one before it. */
export const WAN: u32 = 3;
/** Where every side's sequence numbers start, and the window that it advertises. */
export const FIRST_SEQ: u32 = 1000000;
export const WINDOW: u32 = 65535;

const HOSTS: u32 = 0x0a010000;
const SERVERS: u32 = 0xc6120000;
const OUTSIDE: u32 = 0xcb007101;
const SERVER_PORT: u32 = 443;
/** A port that no conn uses: keys with it are missed. */
const MISSED_PORT: u32 = 80;
const FIRST_HOST_PORT: u32 = 32768;
const FIRST_TRAN_ID: u32 = 1024;
const TRAN_IDS: u32 = 64512;
/** Odd, so that a conn's server differs from that of the conn before it. */
const SERVER_STRIDE: u32 = 40503;

/** Makes established TCP conns `first` to `first + count - 1`; returns how many found a place. */
export function addConns(first: u32, count: u32): u32 {
  for (let n: u32 = 0; n < count; n++) {
    const slot = makeConn(first + n);
    if (slot === 0 || indexInsert(slot, OWNER_CONTROL) !== 0) return n;
  }
  return count;
}

/** Makes conns as addConns() does, but enters them into no index; returns the first one's slot. */
export function makeSpares(first: u32, count: u32): u32 {
  const slot = makeConn(first);
  for (let n: u32 = 1; n < count; n++) makeConn(first + n);
  return slot;
}

/** Enters the conns of `count` slots from `slot` on; returns how many could not be. */
export function enterSpares(slot: u32, count: u32): u32 {
  let refused: u32 = 0;
  for (let n: u32 = 0; n < count; n++) if (indexInsert(slot + n, OWNER_CONTROL) !== 0) refused++;
  return refused;
}

/** Unlinks what enterSpares() entered; returns how many could not be. */
export function dropSpares(slot: u32, count: u32): u32 {
  let refused: u32 = 0;
  for (let n: u32 = 0; n < count; n++) {
    if (!indexRemove(slot + n, OWNER_CONTROL)) refused++;
    else setConnLife(connAddr(slot + n), LIFE_FILLING);
  }
  return refused;
}

/**
 * Writes to `keys` the key of each of the `count` u32 at `order`, a conn's number, of flows fwd and
 * rev in turn; with `isMissed` keys that are like them but in no index.
 */
export function writeKeys(order: usize, keys: usize, count: u32, isMissed: bool): void {
  for (let n: u32 = 0; n < count; n++) {
    const number = load<u32>(order + ((<usize>n) << 2));
    const key = keys + <usize>n * <usize>KEY_SIZE;
    writeKey(key, number, n & 1, isMissed ? MISSED_PORT : SERVER_PORT);
  }
}

/** Returns source and destination of conn `number`'s packets on arrival, in network order. */
export function addressesBe(number: u32, flow: u32): u64 {
  const host = bswap<u32>(HOSTS + (number & 0xffff));
  const server = bswap<u32>(SERVERS + ((number * SERVER_STRIDE) & 0x1ffff));
  if (flow === FLOW_FWD) return ((<u64>server) << 32) | <u64>host;
  return ((<u64>bswap<u32>(OUTSIDE)) << 32) | <u64>server;
}

/** Returns source and destination port of conn `number`'s packets on arrival, in network order. */
export function portsBe(number: u32, flow: u32, serverPort: u32): u32 {
  const server: u32 = bswap<u16>(<u16>serverPort);
  if (flow === FLOW_FWD)
    return (server << 16) | <u32>bswap<u16>(<u16>(FIRST_HOST_PORT + (number >> 16)));
  return ((<u32>bswap<u16>(<u16>tranIdOf(number))) << 16) | server;
}

/** Returns both ports of a packet that belongs to a conn. */
export function connPortsBe(number: u32, flow: u32): u32 {
  return portsBe(number, flow, SERVER_PORT);
}

function tranIdOf(number: u32): u32 {
  return FIRST_TRAN_ID + (number % TRAN_IDS);
}

function writeKey(key: usize, number: u32, flow: u32, serverPort: u32): void {
  store<u32>(key, WAN | (AF_INET << 16) | (PROTO_TCP << 24), KEY_IFACE);
  store<u64>(key, addressesBe(number, flow), KEY_SRC);
  store<u32>(key, portsBe(number, flow, serverPort), KEY_SRC_ID);
}

function makeConn(number: u32): u32 {
  const slot = poolAlloc(OWNER_CONTROL);
  if (slot === 0) return 0;
  const conn = connAddr(slot);
  writeKey(connKey(conn, FLOW_FWD), number, FLOW_FWD, SERVER_PORT);
  writeKey(connKey(conn, FLOW_REV), number, FLOW_REV, SERVER_PORT);
  // Every pool starts empty and this number is the only one to prefer its id.
  const pool = number / TRAN_IDS;
  store<u16>(conn, <u16>pool, CONN_TRAN_POOL);
  if (tranTake(pool, tranIdOf(number)) !== tranIdOf(number)) return 0;
  store<u8>(conn, STATE_ESTABLISHED, CONN_STATE);
  establish(conn, FLOW_FWD);
  establish(conn, FLOW_REV);
  return slot;
}

function establish(conn: usize, flow: usize): void {
  const side = conn + (flow << 2);
  store<u32>(side, FIRST_SEQ, TCP_END);
  store<u32>(side, FIRST_SEQ + WINDOW, TCP_MAXEND);
  store<u32>(side, FIRST_SEQ, TCP_MAXACK);
  store<u32>(side, FIRST_SEQ - 1, TCP_ISN_FIN);
  store<u32>(side, WINDOW, TCP_MAXWIN);
  const flags: u32 = TCP_F_HEARD | TCP_F_ACKED | TCP_F_SACK | TCP_F_SCALE | 7;
  store<u16>(conn + (flow << 1), <u16>flags, TCP_FLAGS);
}
