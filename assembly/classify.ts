// The first pass: what is this packet, where does it go, and what has to be looked up for it?
//
//   destination's route        packet                                     path
//   none                       any                                        route (without a route)
//   broadcast                  any                                        dropped
//   ours                       any                                        local
//   an outside address         TCP, UDP, echo reply                       rev
//   an outside address         any other                                  local if ours, or dropped
//   plain, no policy covers    any                                        route
//   plain, a policy covers     TCP, UDP, echo request                     fwd
//   plain, a policy covers     any other                                  dropped
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
  KEY_IFACE,
  KEY_SRC,
  KEY_SRC_ID,
  PATH_FWD,
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
import { policyFor } from './snat-policy';
import { ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, icmpCheck, icmpIdBe, icmpType } from './wire/icmp';
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
  const reason = connReason(pkt, ip, ICMP_ECHO_REPLY);
  // What belongs to no conn may still be meant for the gateway itself.
  if (reason !== REASON_NONE) return flags & ROUTE_F_LOCAL ? REASON_NONE : reason;
  store<u8>(pkt, PATH_REV, PKT_PATH);
  writeKey(pkt, ip, load<u16>(pkt, PKT_IN_IFACE));
  return REASON_NONE;
}

/** Destinations beyond the gateway. */
function classifyTransit(pkt: usize, ip: usize, snapshot: usize, src: u32): u32 {
  const outIface = routeIface(load<u32>(pkt, PKT_ROUTE));
  const policy = policyFor(snapshot, ifaceOf(snapshot, outIface), src);
  if (policy === 0) return REASON_NONE;
  const reason = connReason(pkt, ip, ICMP_ECHO_REQUEST);
  if (reason !== REASON_NONE) return reason;
  store<u8>(pkt, PATH_FWD, PKT_PATH);
  store<u32>(pkt, <u32>policy, PKT_POLICY);
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

/** Returns why a packet can belong to no conn, or REASON_NONE; its ICMP type must be `echoType`. */
export function connReason(pkt: usize, ip: usize, echoType: u32): u32 {
  if (ipv4IsLaterFragment(ip)) return DROP_NAT_FRAGMENT;
  const l4Offset: u32 = load<u16>(pkt, PKT_L4);
  const available = load<u32>(pkt, PKT_LEN) - l4Offset;
  const proto = load<u8>(pkt, PKT_PROTO);
  if (proto === PROTO_TCP) return available < TCP_HEADER_SIZE ? DROP_L4_HEADER : REASON_NONE;
  if (proto === PROTO_UDP) return udpCheck(ip + l4Offset, available, ipv4IsFragment(ip));
  if (proto !== PROTO_ICMP) return DROP_NAT_PROTOCOL;
  const malformed = icmpCheck(available);
  if (malformed !== REASON_NONE) return malformed;
  return icmpType(ip + l4Offset) === echoType ? REASON_NONE : DROP_NAT_ICMP_TYPE;
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
