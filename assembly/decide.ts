// The last pass: may the packet go where it wants to, what does its conn say, and what does it look
// like when it leaves? In this order, so that an error quotes the packet as it came and a refused
// packet has changed nothing.
import { connAddr, connKey } from './conn';
import { trackKnown, trackNew } from './conntrack';
import { answerError } from './icmp-error';
import { findQuoted, translateError } from './icmp-inner';
import {
  DROP_IFACE_DOWN,
  DROP_INDEX_FULL,
  DROP_NEEDS_FRAGMENTING,
  DROP_NO_CONN,
  DROP_NO_ROUTE,
  DROP_TABLE_FULL,
  DROP_TOO_BIG,
  DROP_TRAN_IDS_EXHAUSTED,
  DROP_TTL_EXCEEDED,
  KEY_SRC,
  PATH_FWD,
  PATH_ICMP_ERROR,
  PATH_LOCAL,
  PATH_REV,
  PKT_ENTRY,
  PKT_L4,
  PKT_LEN,
  PKT_OUT_IFACE,
  PKT_PATH,
  PKT_POLICY,
  PKT_PROTO,
  PKT_ROUTE,
  PKT_VERDICT,
  PROTO_TCP,
  PROTO_UDP,
  REASON_NONE,
  ROUTE_F_LOCAL,
  TCP_IGNORED_FIRST,
  VERDICT_FORWARD,
} from './layout';
import { deliverLocal } from './local';
import { translate } from './nat';
import {
  ifaceIsUp,
  ifaceMtu,
  ifaceOf,
  routeFlags,
  routeIface,
  routeLeadsOut,
  routeLookup,
} from './route';
import {
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_HOST_UNREACHABLE,
  ICMP_NET_UNREACHABLE,
  ICMP_TIME_EXCEEDED,
  ICMP_TTL_EXCEEDED,
  ICMP_UNREACHABLE,
} from './wire/icmp';
import { ipv4IsDf, ipv4SetTtl, ipv4Ttl } from './wire/ipv4';
import { TCP_HEADER_SIZE, Tcp } from './wire/tcp';
import { UDP_HEADER } from './wire/udp';
import { vnetGsoSize, vnetOf } from './wire/vnet';

/** Decides the classified packet at `ip`; returns the reason to be counted, or REASON_NONE. */
export function decide(
  pkt: usize,
  ip: usize,
  snapshot: usize,
  header: usize,
  worker: u32,
  now: i64,
): u32 {
  const path: i32 = load<u8>(pkt, PKT_PATH);
  if (path === PATH_LOCAL) return deliverLocal(pkt, ip, snapshot);
  if (path === PATH_ICMP_ERROR) return decideIcmpError(pkt, ip, snapshot, header, worker, now);
  if (path === PATH_REV) {
    if (load<u32>(pkt, PKT_ENTRY) === 0) return decideUnowned(pkt, ip, snapshot);
    routeTranslated(pkt, snapshot);
  }
  const refused = checkWay(pkt, ip, snapshot, worker, now);
  if (refused !== REASON_NONE) return refused;
  if (path !== PATH_FWD && path !== PATH_REV) {
    forward(pkt, ip);
    return REASON_NONE;
  }
  const isKnown = load<u32>(pkt, PKT_ENTRY) !== 0;
  const reason = isKnown
    ? trackKnown(pkt, ip, worker, now)
    : trackNew(pkt, ip, header, worker, now);
  if (isOutOfRoom(reason)) {
    const code = ICMP_HOST_UNREACHABLE;
    answerError(pkt, ip, snapshot, worker, now, ICMP_UNREACHABLE, code, 0);
    return reason;
  }
  if (reason !== REASON_NONE && reason < <u32>TCP_IGNORED_FIRST) return reason;
  const entry = load<u32>(pkt, PKT_ENTRY);
  const l4 = ip + load<u16>(pkt, PKT_L4);
  translate(connAddr(entry >> 1), entry & 1, load<u8>(pkt, PKT_PROTO), ip, l4);
  forward(pkt, ip);
  return reason;
}

/** An ICMP error goes where the packet that it is about came from. */
function decideIcmpError(
  pkt: usize,
  ip: usize,
  snapshot: usize,
  header: usize,
  worker: u32,
  now: i64,
): u32 {
  const reason = findQuoted(pkt, ip, header);
  const isForeign = reason !== REASON_NONE;
  if (isForeign && !isPlain(pkt)) return reason;
  if (!isForeign) routeTranslated(pkt, snapshot);
  const refused = checkWay(pkt, ip, snapshot, worker, now);
  if (refused !== REASON_NONE) return refused;
  if (!isForeign) translateError(pkt, ip);
  forward(pkt, ip);
  return REASON_NONE;
}

/** Returns whether the packet may leave as it is: it goes beyond the gateway, and no policy covers it. */
function isPlain(pkt: usize): bool {
  return routeLeadsOut(load<u32>(pkt, PKT_ROUTE)) && load<u32>(pkt, PKT_POLICY) === 0;
}

/** There is no room for another conn; its sender is told at once instead of waiting in vain. */
function isOutOfRoom(reason: u32): bool {
  return (
    reason === DROP_TABLE_FULL || reason === DROP_INDEX_FULL || reason === DROP_TRAN_IDS_EXHAUSTED
  );
}

/** What arrived for an outside address without a conn is meant for the gateway, or for nobody. */
function decideUnowned(pkt: usize, ip: usize, snapshot: usize): u32 {
  const isOurs = (routeFlags(load<u32>(pkt, PKT_ROUTE)) & ROUTE_F_LOCAL) !== 0;
  return isOurs ? deliverLocal(pkt, ip, snapshot) : DROP_NO_CONN;
}

/** A packet of a conn goes to the source of the other flow. */
function routeTranslated(pkt: usize, snapshot: usize): void {
  const entry = load<u32>(pkt, PKT_ENTRY);
  const insideBe = load<u32>(connKey(connAddr(entry >> 1), (entry & 1) ^ 1), KEY_SRC);
  store<u32>(pkt, <u32>routeLookup(snapshot, bswap<u32>(insideBe)), PKT_ROUTE);
}

/** Returns why the packet cannot leave by its route, having told its source where that is due. */
function checkWay(pkt: usize, ip: usize, snapshot: usize, worker: u32, now: i64): u32 {
  const route: usize = load<u32>(pkt, PKT_ROUTE);
  if (!routeLeadsOut(route)) {
    const code = ICMP_NET_UNREACHABLE;
    answerError(pkt, ip, snapshot, worker, now, ICMP_UNREACHABLE, code, 0);
    return DROP_NO_ROUTE;
  }
  if (ipv4Ttl(ip) <= 1) {
    answerError(pkt, ip, snapshot, worker, now, ICMP_TIME_EXCEEDED, ICMP_TTL_EXCEEDED, 0);
    return DROP_TTL_EXCEEDED;
  }
  const outId = routeIface(route);
  const outIface = ifaceOf(snapshot, outId);
  if (!ifaceIsUp(outIface)) return DROP_IFACE_DOWN;
  const mtu = ifaceMtu(outIface);
  if (largestPiece(pkt, ip) > mtu) {
    if (!ipv4IsDf(ip)) return DROP_NEEDS_FRAGMENTING;
    const code = ICMP_FRAGMENTATION_NEEDED;
    answerError(pkt, ip, snapshot, worker, now, ICMP_UNREACHABLE, code, mtu);
    return DROP_TOO_BIG;
  }
  store<u16>(pkt, <u16>outId, PKT_OUT_IFACE);
  return REASON_NONE;
}

/** Returns the bytes of the packet, or of the largest segment that offload will cut it into. */
function largestPiece(pkt: usize, ip: usize): u32 {
  const length = load<u32>(pkt, PKT_LEN);
  const gsoSize = vnetGsoSize(vnetOf(ip));
  if (gsoSize === 0) return length;
  return min<u32>(length, headersLength(pkt, ip, length) + gsoSize);
}

/** Returns the bytes of header that each segment gets; those of other protocols are never cut. */
function headersLength(pkt: usize, ip: usize, length: u32): u32 {
  const offset: u32 = load<u16>(pkt, PKT_L4);
  const proto: i32 = load<u8>(pkt, PKT_PROTO);
  if (proto === PROTO_TCP && length - offset >= TCP_HEADER_SIZE)
    return offset + Tcp.dataOffset(ip + offset);
  return proto === PROTO_UDP ? offset + UDP_HEADER : length;
}

function forward(pkt: usize, ip: usize): void {
  ipv4SetTtl(ip, ipv4Ttl(ip) - 1);
  store<u8>(pkt, VERDICT_FORWARD, PKT_VERDICT);
}
