// Packets of the benchmark's conns in the ring of worker 0, and the steps of a burst one by one.
//
// A packet has 64 bytes: headers of IPv4 and TCP without options, and 24 bytes of data. Each pass
// over all flows advances every stream by one segment, and acks what the passes before it brought, so
// that the tracker sees transfers in both directions of every conn.
import { classifyBurst } from '../../assembly/burst';
import { connAddr } from '../../assembly/conn';
import { readIndex } from '../../assembly/conn-index';
import { contextOf } from '../../assembly/io/context';
import { ringOf } from '../../assembly/io/receive';
import {
  CONN_LAST_UPDATE,
  CONN_STATE,
  CTL_SNAPSHOT,
  CTX_NOW,
  FLOW_REV,
  PKT_ENTRY,
  PKT_IN_IFACE,
  PKT_L4,
  PKT_LEN,
  PKT_SIZE,
  PKTS_OFFSET,
  PROTO_TCP,
  SLOT_PACKET,
  SLOT_SIZE,
  STATE_CLOSED,
  STATE_COUNT,
} from '../../assembly/layout';
import { lookUpBurst } from '../../assembly/lookup';
import { translate } from '../../assembly/nat';
import { countersOf } from '../../assembly/stats';
import { tcpTrack } from '../../assembly/tcp-track';
import { ipv4Write } from '../../assembly/wire/ipv4';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, Tcp } from '../../assembly/wire/tcp';
import { vnetClear, vnetOf } from '../../assembly/wire/vnet';
import { addressesBe, connPortsBe, FIRST_SEQ, WAN, WINDOW } from './conns';

const PACKET_SIZE: u32 = 64;
const L4: usize = 20;
const PAYLOAD: u32 = PACKET_SIZE - 40;
const TTL: u32 = 64;
const BURST_NS: i64 = 2000;

/**
 * Fills the ring with the `count` packets that the u32 at `order` name: a conn's number << 1 | flow.
 * `pass` tells how many segments each stream had before, `acked` how many surely. Moves the clock on.
 */
export function fillRing(order: usize, count: u32, pass: u32, acked: u32): void {
  let pkt = ringOf(0) + PKTS_OFFSET;
  let ip = ringOf(0) + SLOT_PACKET;
  const context = contextOf(0);
  store<i64>(context, load<i64>(context, CTX_NOW) + BURST_NS, CTX_NOW);
  for (let n: u32 = 0; n < count; n++, pkt += PKT_SIZE, ip += SLOT_SIZE) {
    const name = load<u32>(order + ((<usize>n) << 2));
    const addresses = addressesBe(name >> 1, name & 1);
    vnetClear(vnetOf(ip));
    ipv4Write(ip, 0, PACKET_SIZE, TTL, PROTO_TCP, <u32>addresses, <u32>(addresses >> 32));
    writeTcp(ip + L4, connPortsBe(name >> 1, name & 1), pass * PAYLOAD, acked * PAYLOAD);
    store<u32>(pkt, PACKET_SIZE, PKT_LEN);
    store<u16>(pkt, (name & 1) === FLOW_REV ? WAN : WAN - 1, PKT_IN_IFACE);
  }
}

/** Fills the ring, classifies and looks up: what is left to do is to track and to translate. */
export function prepareRing(order: usize, count: u32, pass: u32, acked: u32): void {
  fillRing(order, count, pass, acked);
  parseRing(count);
  const pkts = ringOf(0) + PKTS_OFFSET;
  const end = pkts + <usize>count * <usize>PKT_SIZE;
  lookUpBurst(pkts, end, readIndex(), contextOf(0));
}

/** Classifies the packets of the ring. */
export function parseRing(count: u32): void {
  const pkts = ringOf(0) + PKTS_OFFSET;
  const end = pkts + <usize>count * <usize>PKT_SIZE;
  classifyBurst(pkts, end, ringOf(0) + SLOT_PACKET, atomic.load<u32>(CTL_SNAPSHOT), countersOf(0));
}

/** Tracks the prepared packets of the ring; returns the sum of the reasons, 0 when all pass. */
export function trackRing(count: u32): u32 {
  let pkt = ringOf(0) + PKTS_OFFSET;
  let ip = ringOf(0) + SLOT_PACKET;
  const now = load<i64>(contextOf(0), CTX_NOW);
  let reasons: u32 = 0;
  for (let n: u32 = 0; n < count; n++, pkt += PKT_SIZE, ip += SLOT_SIZE) {
    const entry = load<u32>(pkt, PKT_ENTRY);
    const l4 = ip + load<u16>(pkt, PKT_L4);
    reasons += tcpTrack(connAddr(entry >> 1), entry & 1, ip, l4, 1, now);
  }
  return reasons;
}

/**
 * The same by flags alone, which is the least that a tracker can do: the next state is read from the
 * state and the flags, stored if it is another, and so is the time. Returns how many were closed.
 */
export function trackFlags(count: u32): u32 {
  let pkt = ringOf(0) + PKTS_OFFSET;
  let ip = ringOf(0) + SLOT_PACKET;
  const now = load<i64>(contextOf(0), CTX_NOW);
  let closed: u32 = 0;
  for (let n: u32 = 0; n < count; n++, pkt += PKT_SIZE, ip += SLOT_SIZE) {
    const entry = load<u32>(pkt, PKT_ENTRY);
    const conn = connAddr(entry >> 1);
    const state: u32 = load<u8>(conn, CONN_STATE);
    const next = nextByFlags(state, entry & 1, Tcp.flags(ip + load<u16>(pkt, PKT_L4)));
    if (next !== state) store<u8>(conn, next, CONN_STATE);
    if (load<i64>(conn, CONN_LAST_UPDATE) !== now) store<i64>(conn, now, CONN_LAST_UPDATE);
    closed += <u32>(next === STATE_CLOSED);
  }
  return closed;
}

/** Translates the prepared packets of the ring. May be repeated: the same is then written again. */
export function translateRing(count: u32): void {
  let pkt = ringOf(0) + PKTS_OFFSET;
  let ip = ringOf(0) + SLOT_PACKET;
  for (let n: u32 = 0; n < count; n++, pkt += PKT_SIZE, ip += SLOT_SIZE) {
    const entry = load<u32>(pkt, PKT_ENTRY);
    const l4 = ip + load<u16>(pkt, PKT_L4);
    translate(connAddr(entry >> 1), entry & 1, PROTO_TCP, ip, l4);
  }
}

/** The checksum is left as it lies there: the datapath fixes it and never judges it. */
function writeTcp(tcp: usize, portsBe: u32, sent: u32, acked: u32): void {
  store<u32>(tcp, portsBe);
  store<u32>(tcp, bswap<u32>(FIRST_SEQ + sent), 4);
  store<u32>(tcp, bswap<u32>(FIRST_SEQ + acked), 8);
  store<u8>(tcp, 0x50, 12);
  store<u8>(tcp, FLAG_ACK, 13);
  store<u16>(tcp, bswap<u16>(<u16>WINDOW), 14);
}

/** Next states as numbered in layout.ts, a row per kind of segment; immutable. */
const NEXT_STATES = memory.data<u8>([
  // ACK: syn_recv becomes established.
  0, 1, 2, 4, 4, 5, 6, 7, 8, 9, 10, 11,
  // SYN: what is closed or waits becomes new.
  1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1,
  // SYN+ACK: new becomes syn_recv.
  0, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11,
  // FIN fwd: fin_sent, or closing.
  0, 1, 2, 3, 5, 5, 9, 9, 9, 9, 10, 11,
  // FIN rev: fin_recv, or closing.
  0, 1, 2, 3, 6, 9, 6, 7, 9, 9, 10, 11,
]);

function nextByFlags(state: u32, flow: u32, flags: u32): u32 {
  if ((flags & FLAG_RST) !== 0) return STATE_CLOSED;
  let kind: u32 = 0;
  if ((flags & FLAG_FIN) !== 0) kind = 3 + flow;
  else if ((flags & FLAG_SYN) !== 0) kind = (flags & FLAG_ACK) !== 0 ? 2 : 1;
  return load<u8>(NEXT_STATES + <usize>(kind * <u32>STATE_COUNT + state));
}
