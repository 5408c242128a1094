// What is addressed to the gateway itself. It answers echo requests (RFC 1812 section 4.3.3.6), in
// the slot that they came in; it serves nothing else. Its answers are its own traffic and are never
// translated.
import {
  DROP_IFACE_DOWN,
  DROP_LOCAL_NO_ROUTE,
  DROP_LOCAL_UNSERVED,
  DROP_NEEDS_FRAGMENTING,
  PKT_L4,
  PKT_LEN,
  PKT_OUT_IFACE,
  PKT_PROTO,
  PKT_VERDICT,
  PROTO_ICMP,
  REASON_NONE,
  VERDICT_LOCAL,
} from './layout';
import { ifaceIsUp, ifaceMtu, ifaceOf, routeIface, routeLeadsOut, routeLookup } from './route';
import { ICMP_ECHO_REQUEST, icmpAnswerEcho, icmpCheck, icmpType } from './wire/icmp';
import { ipv4IsFragment, ipv4SetTtl, ipv4SrcBe, ipv4SwapAddresses } from './wire/ipv4';
import { vnetClear, vnetOf } from './wire/vnet';

const TTL: u32 = 64;

/** Answers the packet at `ip` in place; returns why there is no answer, or REASON_NONE. */
export function deliverLocal(pkt: usize, ip: usize, snapshot: usize): u32 {
  if (!isEchoRequest(pkt, ip)) return DROP_LOCAL_UNSERVED;
  const route = routeLookup(snapshot, bswap<u32>(ipv4SrcBe(ip)));
  if (!routeLeadsOut(route)) return DROP_LOCAL_NO_ROUTE;
  const outId = routeIface(route);
  const outIface = ifaceOf(snapshot, outId);
  if (!ifaceIsUp(outIface)) return DROP_IFACE_DOWN;
  if (load<u32>(pkt, PKT_LEN) > ifaceMtu(outIface)) return DROP_NEEDS_FRAGMENTING;

  icmpAnswerEcho(ip + load<u16>(pkt, PKT_L4));
  ipv4SwapAddresses(ip);
  ipv4SetTtl(ip, TTL);
  vnetClear(vnetOf(ip));
  store<u16>(pkt, outId, PKT_OUT_IFACE);
  store<u8>(pkt, VERDICT_LOCAL, PKT_VERDICT);
  return REASON_NONE;
}

/** A fragment is none: the request is whole only at a host that puts it together. */
function isEchoRequest(pkt: usize, ip: usize): bool {
  if (load<u8>(pkt, PKT_PROTO) !== PROTO_ICMP || ipv4IsFragment(ip)) return false;
  const l4: u32 = load<u16>(pkt, PKT_L4);
  if (icmpCheck(load<u32>(pkt, PKT_LEN) - l4) !== REASON_NONE) return false;
  return icmpType(ip + l4) === ICMP_ECHO_REQUEST;
}
