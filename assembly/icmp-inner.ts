// ICMP errors about packets of conns, both ways (RFC 5508 section 4). An error quotes the packet that
// it is about as its sender saw it, so translated. Read backwards, source and destination swapped,
// the quotation has the key that the error itself would be found by if it were an answer:
//
//   from outside   quotes  outside -> remote    backwards, the conn's key of the arriving side
//   from inside    quotes  remote -> inside     backwards, the conn's key of the leaving side
//
// The conn's other key is then how the quoted packet looked before it was translated, and goes into
// the quotation. The error goes on to that key's source. Its own source is the router that met the
// trouble, which the sender is to see in a traceroute; but where the conn hides one that answers,
// the routers behind it are hidden as well (RFC 5508 REQ-5).
//
// An error is judged by its checksum and by the quoted header's, which must be right; the transport's
// may be wrong, or not be there, as routers quote as little as 8 bytes of it (REQ-3). It must go to
// whoever sent what it quotes. It changes neither the state of its conn nor the time of its last
// activity (REQ-6), and nobody is told of its own fate.
import { delta32 } from './checksum';
import { connAddr, connKey } from './conn';
import { indexLookup } from './conn-index';
import { hashKey } from './conn-key';
import {
  AF_INET,
  DROP_ICMP_CHECKSUM,
  DROP_ICMP_NO_CONN,
  DROP_ICMP_QUOTE,
  KEY_DST,
  KEY_IFACE,
  KEY_SRC,
  KEY_SRC_ID,
  PKT_ENTRY,
  PKT_IN_IFACE,
  PKT_KEY,
  PKT_L4,
  PKT_LEN,
  PKT_ROUTE,
  PROTO_ICMP,
  PROTO_TCP,
  PROTO_UDP,
  REASON_NONE,
} from './layout';
import { routeIface, routeLeadsOut } from './route';
import {
  ICMP_HEADER,
  icmpIdBe,
  icmpIsQuery,
  icmpSetIdBe,
  icmpSum,
  icmpSumIsOk,
  icmpType,
} from './wire/icmp';
import {
  ipv4CheckQuoted,
  ipv4DstBe,
  ipv4HeaderLength,
  ipv4IsLaterFragment,
  ipv4Proto,
  ipv4SetDstBe,
  ipv4SetSrcBe,
  ipv4SrcBe,
  ipv4TotalLength,
} from './wire/ipv4';
import { portsBe, setPortsBe } from './wire/ports';
import { TCP_CHECKSUM_END, tcpFixChecksum } from './wire/tcp-checksum';
import { udpFixChecksum } from './wire/udp';

/** Bytes of a quoted transport header that every error has. RFC 792. */
const LEAST_TRANSPORT: u32 = 8;

/**
 * Finds the conn that the ICMP error at `ip` is about, and stores its entry: the flow is that of an
 * answer to the quoted packet. Returns REASON_NONE, or why the error tells nothing.
 */
export function findQuoted(pkt: usize, ip: usize, header: usize): u32 {
  const icmp = ip + load<u16>(pkt, PKT_L4);
  const length = load<u32>(pkt, PKT_LEN) - load<u16>(pkt, PKT_L4);
  if (!icmpSumIsOk(icmp, length)) return DROP_ICMP_CHECKSUM;
  const inner = icmp + ICMP_HEADER;
  const transport = quotedTransport(icmp, length);
  if (transport === 0 || ipv4SrcBe(inner) !== ipv4DstBe(ip)) return DROP_ICMP_QUOTE;
  if (ipv4IsLaterFragment(inner)) return DROP_ICMP_NO_CONN;
  if (hasTransport(inner) && transport < LEAST_TRANSPORT) return DROP_ICMP_QUOTE;
  // Nobody may tell of errors about errors. RFC 1122 section 3.2.2.
  const l4 = inner + ipv4HeaderLength(inner);
  if (ipv4Proto(inner) === PROTO_ICMP && !icmpIsQuery(icmpType(l4))) return DROP_ICMP_QUOTE;
  writeAnswerKey(pkt + PKT_KEY, inner);
  const entry = lookUp(pkt, header);
  store<u32>(pkt, entry, PKT_ENTRY);
  return entry === 0 ? DROP_ICMP_NO_CONN : REASON_NONE;
}

/** Translates the error at `ip`, which is about the conn of its descriptor. */
export function translateError(pkt: usize, ip: usize): void {
  const entry = load<u32>(pkt, PKT_ENTRY);
  const conn = connAddr(entry >> 1);
  const answerKey = connKey(conn, entry & 1);
  const quotedKey = connKey(conn, (entry & 1) ^ 1);
  const icmp = ip + load<u16>(pkt, PKT_L4);
  const length = load<u32>(pkt, PKT_LEN) - load<u16>(pkt, PKT_L4);
  rewriteQuoted(icmp + ICMP_HEADER, quotedTransport(icmp, length), quotedKey);
  icmpSum(icmp, length);
  ipv4SetDstBe(ip, load<u32>(quotedKey, KEY_SRC));
  const shownBe = load<u32>(quotedKey, KEY_DST);
  if (shownBe !== load<u32>(answerKey, KEY_SRC)) ipv4SetSrcBe(ip, shownBe);
}

/**
 * Returns how many bytes behind its own header the quoted packet has, 0 when it is none.
 *
 * Extensions (RFC 4884) begin 128 bytes behind the error's header or later, behind all that is
 * changed here; a packet shorter than that is padded.
 */
function quotedTransport(icmp: usize, length: u32): u32 {
  const inner = icmp + ICMP_HEADER;
  const quoted = length - ICMP_HEADER;
  if (!ipv4CheckQuoted(inner, quoted)) return 0;
  return min<u32>(quoted, ipv4TotalLength(inner)) - ipv4HeaderLength(inner);
}

function hasTransport(inner: usize): bool {
  const proto = ipv4Proto(inner);
  return proto === PROTO_ICMP || proto === PROTO_TCP || proto === PROTO_UDP;
}

/** Writes the key, but for the interface, of an answer to the quoted packet. */
function writeAnswerKey(key: usize, inner: usize): void {
  const proto = ipv4Proto(inner);
  const l4 = inner + ipv4HeaderLength(inner);
  let idsBe: u32 = 0;
  if (proto === PROTO_ICMP) idsBe = icmpIdBe(l4) * 0x10001;
  else if (hasTransport(inner)) idsBe = rotl<u32>(portsBe(l4), 16);
  store<u32>(key, (AF_INET << 16) | (proto << 24));
  store<u32>(key, ipv4DstBe(inner), KEY_SRC);
  store<u32>(key, ipv4SrcBe(inner), KEY_DST);
  store<u32>(key, idsBe, KEY_SRC_ID);
}

/** Looks the key up on the outside interface: the one that leads out, or the one it came in by. */
function lookUp(pkt: usize, header: usize): u32 {
  const key = pkt + PKT_KEY;
  const route: usize = load<u32>(pkt, PKT_ROUTE);
  const inIface = load<u16>(pkt, PKT_IN_IFACE);
  store<u16>(key, routeLeadsOut(route) ? <u16>routeIface(route) : inIface, KEY_IFACE);
  return indexLookup(header, key, hashKey(header, key));
}

/** Makes the quoted packet, of which `transport` bytes are there, the one that has `key`. */
function rewriteQuoted(inner: usize, transport: u32, key: usize): void {
  const proto = ipv4Proto(inner);
  const l4 = inner + ipv4HeaderLength(inner);
  const addresses =
    ipv4SetSrcBe(inner, load<u32>(key, KEY_SRC)) + ipv4SetDstBe(inner, load<u32>(key, KEY_DST));
  if (proto === PROTO_ICMP) icmpSetIdBe(l4, load<u16>(key, KEY_SRC_ID));
  if (proto !== PROTO_TCP && proto !== PROTO_UDP) return;
  const idsBe = load<u32>(key, KEY_SRC_ID);
  const ports = delta32(portsBe(l4), idsBe);
  setPortsBe(l4, idsBe);
  if (proto === PROTO_UDP) udpFixChecksum(l4, addresses + ports);
  else if (transport >= TCP_CHECKSUM_END) tcpFixChecksum(l4, addresses + ports);
}
