// The gateway's own ICMP errors, RFC 1812 section 4.3: time exceeded, net unreachable, host
// unreachable where there is no room for a conn, and fragmentation needed with the next-hop MTU
// (RFC 1191).
//
// The error is built in the slot of the packet that it is about: what is quoted moves up by the two
// headers that are written before it. It quotes the packet as it came, and as much of it as fits in
// 576 bytes (section 4.3.2.3). It goes back to the source from the address of the interface that
// the packet came in by (section 4.3.2.4), and is not translated: it is the gateway's own traffic.
//
// None is sent about ICMP errors, later fragments, or sources and destinations that are no single
// host (section 4.3.2.7; classification has dropped the martians among them already), and no more
// than the rate limit allows (section 4.3.2.8).
import {
  COUNT_ICMP_LIMITED,
  COUNT_ICMP_SENT,
  IFACE_ADDR_BE,
  PKT_IN_IFACE,
  PKT_L4,
  PKT_LEN,
  PKT_OUT_IFACE,
  PKT_PROTO,
  PKT_VERDICT,
  PROTO_ICMP,
  PROTO_TCP,
  PROTO_UDP,
  VERDICT_LOCAL,
} from './layout';
import { takeIcmpToken } from './rate-limit';
import { ifaceIsUp, ifaceMtu, ifaceOf, routeIface, routeLeadsOut, routeLookup } from './route';
import { count, countersOf } from './stats';
import { ICMP_HEADER, icmpIsQuery, icmpType, icmpWriteError } from './wire/icmp';
import {
  IPV4_HEADER,
  ipv4IsFragment,
  ipv4IsLaterFragment,
  ipv4SrcBe,
  ipv4Write,
} from './wire/ipv4';
import { TCP_HEADER_SIZE } from './wire/tcp';
import { tcpCompleteChecksum } from './wire/tcp-checksum';
import { UDP_HEADER, udpCompleteChecksum } from './wire/udp';
import { vnetClear, vnetGsoSize, vnetNeedsChecksum, vnetOf } from './wire/vnet';

/** Bytes of an error in all. */
const MAX_ERROR: u32 = 576;
/** Headers, and at least a header with all its options and 8 bytes quoted. RFC 792. */
const HEADERS: u32 = IPV4_HEADER + ICMP_HEADER;
const MIN_ERROR: u32 = HEADERS + 60 + 8;
const TTL: u32 = 64;
/** Precedence "internetwork control". RFC 1812 section 4.3.2.5. */
const TOS: u32 = 0xc0;

/**
 * Turns the packet at `ip`, which the caller drops, into an error about it, if one may be sent.
 *
 * The verdict is then VERDICT_LOCAL, and the reason of the drop stays. `rest` is the second word.
 */
export function answerError(
  pkt: usize,
  ip: usize,
  snapshot: usize,
  worker: u32,
  now: i64,
  type: u32,
  code: u32,
  rest: u32,
): void {
  if (!mayBeQuoted(pkt, ip)) return;
  const inIface = ifaceOf(snapshot, load<u16>(pkt, PKT_IN_IFACE));
  const ownAddrBe = load<u32>(inIface, IFACE_ADDR_BE);
  if (ownAddrBe === 0) return;
  const route = routeLookup(snapshot, bswap<u32>(ipv4SrcBe(ip)));
  if (!routeLeadsOut(route)) return;
  const outId = routeIface(route);
  const outIface = ifaceOf(snapshot, outId);
  const limit = min<u32>(MAX_ERROR, ifaceMtu(outIface));
  if (!ifaceIsUp(outIface) || limit < MIN_ERROR) return;
  if (!takeIcmpToken(now)) {
    count(countersOf(worker), COUNT_ICMP_LIMITED, 1);
    return;
  }
  writeError(pkt, ip, type, code, rest, ownAddrBe, limit);
  store<u16>(pkt, <u16>outId, PKT_OUT_IFACE);
  store<u8>(pkt, VERDICT_LOCAL, PKT_VERDICT);
  count(countersOf(worker), COUNT_ICMP_SENT, 1);
}

/** Moves the packet up, as much of it as `limit` bytes allow, and writes the headers before it. */
function writeError(
  pkt: usize,
  ip: usize,
  type: u32,
  code: u32,
  rest: u32,
  ownAddrBe: u32,
  limit: u32,
): void {
  completeChecksum(pkt, ip);
  const askerBe = ipv4SrcBe(ip);
  const quoted = min<u32>(load<u32>(pkt, PKT_LEN), limit - HEADERS);
  memory.copy(ip + HEADERS, ip, quoted);
  icmpWriteError(ip + IPV4_HEADER, type, code, rest, ICMP_HEADER + quoted);
  ipv4Write(ip, TOS, HEADERS + quoted, TTL, PROTO_ICMP, ownAddrBe, askerBe);
  vnetClear(vnetOf(ip));
  store<u32>(pkt, HEADERS + quoted, PKT_LEN);
}

function mayBeQuoted(pkt: usize, ip: usize): bool {
  if (ipv4IsLaterFragment(ip)) return false;
  if (load<u8>(pkt, PKT_PROTO) !== PROTO_ICMP) return true;
  const l4: u32 = load<u16>(pkt, PKT_L4);
  return l4 < load<u32>(pkt, PKT_LEN) && icmpIsQuery(icmpType(ip + l4));
}

/**
 * Completes a partial transport checksum, so that the host finds what it would have sent.
 *
 * Of a packet to be cut into segments nothing is completed: none of them was ever sent.
 */
function completeChecksum(pkt: usize, ip: usize): void {
  const vnet = vnetOf(ip);
  if (!vnetNeedsChecksum(vnet) || vnetGsoSize(vnet) !== 0 || ipv4IsFragment(ip)) return;
  const offset: u32 = load<u16>(pkt, PKT_L4);
  const length = load<u32>(pkt, PKT_LEN) - offset;
  const proto = load<u8>(pkt, PKT_PROTO);
  if (proto === PROTO_TCP && length >= TCP_HEADER_SIZE) tcpCompleteChecksum(ip + offset, length);
  if (proto === PROTO_UDP && length >= UDP_HEADER) udpCompleteChecksum(ip + offset, length);
}
