// The first pass: what is this packet, where does it go, and what has to be looked up for it?
//
//   destination's route        packet                                     path
//   none                       any                                        route (without a route)
//   broadcast                  any                                        dropped
//   ours                       any                                        local
//   an outside address         TCP, UDP, ICMP reply                       rev
//   an outside address         ICMP error                                 ICMP error
//   an outside address         any other                                  local if ours, or dropped
//   plain, no policy covers    ICMP error, by an interface with policies  ICMP error
//   plain, no policy covers    any other                                  route
//   plain, a policy covers     TCP, UDP, ICMP request                     fwd
//   plain, a policy covers     ICMP error                                 ICMP error
//   plain, a policy covers     any other                                  dropped
//
// Requests and replies of ICMP are those of echo and timestamp.
//
// What a policy covers but cannot translate is dropped, because a private source must not leak.
// Later fragments carry no ports and are of that kind. Keys have the outside interface in them: the
// one that a fwd packet leaves through and a rev packet arrives on.
import {
  AF_INET,
  DROP_BAD_DESTINATION,
  DROP_BAD_SOURCE,
  DROP_BROADCAST,
  DROP_L4_HEADER,
  DROP_MULTICAST,
  DROP_NAT_FRAGMENT,
  DROP_NAT_ICMP_TYPE,
  DROP_NAT_PROTOCOL,
  FLOW_FWD,
  FLOW_REV,
  KEY_IFACE,
  KEY_SRC,
  KEY_SRC_ID,
  PATH_FWD,
  PATH_ICMP_ERROR,
  PATH_LOCAL,
  PATH_REV,
  PATH_ROUTE,
  PKT_IN_IFACE,
  PKT_KEY,
  PKT_L4,
  PKT_LEN,
  PKT_PATH,
  PKT_POLICY,
  PKT_PROTO,
  PKT_ROUTE,
  PROTO_ICMP,
  PROTO_TCP,
  PROTO_UDP,
  REASON_NONE,
  ROUTE_F_BROADCAST,
  ROUTE_F_LOCAL,
  ROUTE_F_NAT,
} from './layout';
import { ifaceOf, routeFlags, routeIface, routeLookup } from './route';
import { ifaceTranslates, policyFor } from './snat-policy';
import {
  icmpCheck,
  icmpIdBe,
  icmpIsError,
  icmpIsReply,
  icmpIsRequest,
  icmpType,
} from './wire/icmp';
import {
  ipv4AddressesBe,
  ipv4Check,
  ipv4DstBe,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4IsLaterFragment,
  ipv4Proto,
  ipv4SrcBe,
  ipv4TotalLength,
} from './wire/ipv4';
import { portsBe } from './wire/ports';
import { TCP_HEADER_SIZE } from './wire/tcp';
import { udpCheck } from './wire/udp';

/** Returned, above all reasons: what an ICMP error quotes tells which conn it belongs to. */
export const IS_ICMP_ERROR: u32 = 256;

/** Fills the descriptor `pkt` of the packet at `ip`; returns why it is dropped, or REASON_NONE. */
export function classify(pkt: usize, ip: usize, snapshot: usize): u32 {
  const malformed = ipv4Check(ip, load<u32>(pkt, PKT_LEN));
  if (malformed !== REASON_NONE) return malformed;
  // Whatever follows the datagram is padding of the link.
  store<u32>(pkt, ipv4TotalLength(ip), PKT_LEN);
  store<u8>(pkt, ipv4Proto(ip), PKT_PROTO);
  store<u16>(pkt, ipv4HeaderLength(ip), PKT_L4);

  const src = bswap<u32>(ipv4SrcBe(ip));
  const dst = bswap<u32>(ipv4DstBe(ip));
  if (isMartian(src)) return DROP_BAD_SOURCE;
  if (isMartian(dst)) return destinationReason(dst);
  if (routeFlags(routeLookup(snapshot, src)) & (ROUTE_F_LOCAL | ROUTE_F_BROADCAST))
    return DROP_BAD_SOURCE;

  const route = routeLookup(snapshot, dst);
  store<u32>(pkt, <u32>route, PKT_ROUTE);
  const flags = routeFlags(route);
  if (flags !== 0) return classifyOwn(pkt, ip, flags);
  store<u8>(pkt, PATH_ROUTE, PKT_PATH);
  return route === 0 ? REASON_NONE : classifyTransit(pkt, ip, snapshot, src);
}

/** Destinations that are addresses of the gateway in one way or another. */
function classifyOwn(pkt: usize, ip: usize, flags: u32): u32 {
  if (flags & ROUTE_F_BROADCAST) return DROP_BROADCAST;
  store<u8>(pkt, PATH_LOCAL, PKT_PATH);
  if ((flags & ROUTE_F_NAT) === 0) return REASON_NONE;
  const reason = connReason(pkt, ip, FLOW_REV);
  if (reason === IS_ICMP_ERROR) return leaveToDecide(pkt, PATH_ICMP_ERROR);
  // What belongs to no conn may still be meant for the gateway itself.
  if (reason !== REASON_NONE) return flags & ROUTE_F_LOCAL ? REASON_NONE : reason;
  store<u8>(pkt, PATH_REV, PKT_PATH);
  writeKey(pkt, ip, load<u16>(pkt, PKT_IN_IFACE));
  return REASON_NONE;
}

/** Destinations beyond the gateway. */
function classifyTransit(pkt: usize, ip: usize, snapshot: usize, src: u32): u32 {
  const outIface = routeIface(load<u32>(pkt, PKT_ROUTE));
  const iface = ifaceOf(snapshot, outIface);
  const policy = policyFor(snapshot, iface, src);
  store<u32>(pkt, <u32>policy, PKT_POLICY);
  if (policy === 0) {
    // A router inside that no policy covers may tell of trouble with what one translates.
    if (load<u8>(pkt, PKT_PROTO) !== PROTO_ICMP || !ifaceTranslates(iface)) return REASON_NONE;
    const isError = connReason(pkt, ip, FLOW_FWD) === IS_ICMP_ERROR;
    return isError ? leaveToDecide(pkt, PATH_ICMP_ERROR) : REASON_NONE;
  }
  const reason = connReason(pkt, ip, FLOW_FWD);
  if (reason === IS_ICMP_ERROR) return leaveToDecide(pkt, PATH_ICMP_ERROR);
  if (reason !== REASON_NONE) return reason;
  store<u8>(pkt, PATH_FWD, PKT_PATH);
  writeKey(pkt, ip, outIface);
  return REASON_NONE;
}

/** Returns whether `addr` is "this network", loopback, multicast, reserved and limited broadcast. RFC 1812 section 5.3.7. */
export function isMartian(addr: u32): bool {
  const top = addr >> 24;
  return top === 0 || top === 127 || top >= 224;
}

/** Returns why nothing is sent on to a martian destination. */
export function destinationReason(dst: u32): u32 {
  if (dst === 0xffffffff) return DROP_BROADCAST;
  return dst >> 28 === 14 ? DROP_MULTICAST : DROP_BAD_DESTINATION;
}

/**
 * Returns why a packet can belong to no conn, REASON_NONE, or IS_ICMP_ERROR. An ICMP query must be a
 * request in flow FLOW_FWD, a reply in FLOW_REV.
 */
export function connReason(pkt: usize, ip: usize, flow: u32): u32 {
  if (ipv4IsLaterFragment(ip)) return DROP_NAT_FRAGMENT;
  const l4Offset: u32 = load<u16>(pkt, PKT_L4);
  const available = load<u32>(pkt, PKT_LEN) - l4Offset;
  const proto = load<u8>(pkt, PKT_PROTO);
  if (proto === PROTO_TCP) return available < TCP_HEADER_SIZE ? DROP_L4_HEADER : REASON_NONE;
  if (proto === PROTO_UDP) return udpCheck(ip + l4Offset, available, ipv4IsFragment(ip));
  if (proto !== PROTO_ICMP) return DROP_NAT_PROTOCOL;
  const malformed = icmpCheck(available);
  if (malformed !== REASON_NONE) return malformed;
  const type = icmpType(ip + l4Offset);
  if (flow === FLOW_FWD ? icmpIsRequest(type) : icmpIsReply(type)) return REASON_NONE;
  return icmpIsError(type) && !ipv4IsFragment(ip) ? IS_ICMP_ERROR : DROP_NAT_ICMP_TYPE;
}

function leaveToDecide(pkt: usize, path: u32): u32 {
  store<u8>(pkt, <u8>path, PKT_PATH);
  return REASON_NONE;
}

/** Writes the packet's key as it would be found on the outside interface `iface`. */
export function writeKey(pkt: usize, ip: usize, iface: u32): void {
  const l4 = ip + load<u16>(pkt, PKT_L4);
  const proto: u32 = load<u8>(pkt, PKT_PROTO);
  store<u32>(pkt, iface | (AF_INET << 16) | (proto << 24), PKT_KEY + KEY_IFACE);
  store<u64>(pkt, ipv4AddressesBe(ip), PKT_KEY + KEY_SRC);
  // ICMP has one identifier, which stands for both.
  const ids = proto === PROTO_ICMP ? icmpIdBe(l4) * 0x10001 : portsBe(l4);
  store<u32>(pkt, ids, PKT_KEY + KEY_SRC_ID);
}
