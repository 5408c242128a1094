// Translation: what a conn's other key says is written into the packet, and every checksum is
// fixed for the difference (RFC 3022 section 4.1, RFC 1624).
//
// A transport checksum is either complete - then addresses and ports change it - or, with
// VNET_F_NEEDS_CSUM, the sum over the pseudo-header that offload completes later: then only the
// addresses do. ICMP's covers the identifier and no address.

import { delta16 } from './checksum';
import { connKey } from './conn';
import {
  FLOW_FWD,
  FLOW_REV,
  KEY_DST,
  KEY_DST_ID,
  KEY_SRC,
  KEY_SRC_ID,
  PROTO_ICMP,
  PROTO_TCP,
} from './layout';
import { icmpSetIdBe } from './wire/icmp';
import { ipv4SetDstBe, ipv4SetSrcBe } from './wire/ipv4';
import { dstPortBe, setDstPortBe, setSrcPortBe, srcPortBe } from './wire/ports';
import { tcpFixChecksum, tcpFixPartial } from './wire/tcp-checksum';
import { udpFixChecksum, udpFixPartial } from './wire/udp';
import { vnetNeedsChecksum, vnetOf } from './wire/vnet';

/** Translates a packet of `flow` of the conn at `conn`, its transport header at `l4`. */
export function translate(conn: usize, flow: u32, proto: u32, ip: usize, l4: usize): void {
  if (flow === FLOW_FWD) translateSource(connKey(conn, FLOW_REV), proto, ip, l4);
  else translateDestination(connKey(conn, FLOW_FWD), proto, ip, l4);
}

/** The replies' destination becomes the source. */
function translateSource(revKey: usize, proto: u32, ip: usize, l4: usize): void {
  const addresses = ipv4SetSrcBe(ip, load<u32>(revKey, KEY_DST));
  const idBe: u32 = load<u16>(revKey, KEY_DST_ID);
  if (proto === PROTO_ICMP) icmpSetIdBe(l4, idBe);
  else {
    const ports = delta16(srcPortBe(l4), idBe);
    setSrcPortBe(l4, idBe);
    fixTransport(proto, ip, l4, addresses, ports);
  }
}

/** The source that the conn began with becomes the destination. */
function translateDestination(fwdKey: usize, proto: u32, ip: usize, l4: usize): void {
  const addresses = ipv4SetDstBe(ip, load<u32>(fwdKey, KEY_SRC));
  const idBe: u32 = load<u16>(fwdKey, KEY_SRC_ID);
  if (proto === PROTO_ICMP) icmpSetIdBe(l4, idBe);
  else {
    const ports = delta16(dstPortBe(l4), idBe);
    setDstPortBe(l4, idBe);
    fixTransport(proto, ip, l4, addresses, ports);
  }
}

function fixTransport(proto: u32, ip: usize, l4: usize, addresses: u32, ports: u32): void {
  const isPartial = vnetNeedsChecksum(vnetOf(ip));
  if (proto === PROTO_TCP) {
    if (isPartial) tcpFixPartial(l4, addresses);
    else tcpFixChecksum(l4, addresses + ports);
  } else if (isPartial) udpFixPartial(l4, addresses);
  else udpFixChecksum(l4, addresses + ports);
}
