// Tracking without translating: what the gateway would have made of a packet that somebody captured.
//
// A packet is judged as burst() judges one that a policy covers, by the same header checks, the same
// conns and the same tracker. What belongs to a way through the gateway is left out: routes, MTU,
// TTL, rate limits, translation. So a conn has the same addresses in both of its keys, and its
// interface is none.
//
// The capture may hold less of a packet than was on the wire. PKT_LEN is the length on the wire,
// which sequence numbers are reckoned by. No byte behind the transport header is ever read, so
// nothing need stand there; a packet whose headers were cut off is not tracked.
import { connReason, destinationReason, IS_ICMP_ERROR, isMartian, writeKey } from './classify';
import { indexLookup, readIndex } from './conn-index';
import { hashKey } from './conn-key';
import { trackKnown, trackNew } from './conntrack';
import { recordInvalid } from './invalid-packet';
import {
  CTX_BASE,
  CTX_NOW,
  CTX_SIZE,
  DROP_BAD_SOURCE,
  DROP_NAT_ICMP_TYPE,
  DROP_NO_CONN,
  FLOW_FWD,
  FLOW_REV,
  PATH_FWD,
  PATH_NONE,
  PATH_REV,
  PKT_ENTRY,
  PKT_HASH,
  PKT_KEY,
  PKT_L4,
  PKT_LEN,
  PKT_PATH,
  PKT_POLICY,
  PKT_PROTO,
  PKT_REASON,
  PKTS_OFFSET,
  PROTO_TCP,
  REASON_NONE,
  RING_SIZE,
  RINGS_BASE,
  SLOT_PACKET,
  TCP_NO_CONN,
  UNTRACKED_BOTH_INSIDE,
  UNTRACKED_CUT_OFF,
  UNTRACKED_NEITHER_INSIDE,
} from './layout';
import { tcpAdmits } from './tcp-track';
import { ICMP_HEADER } from './wire/icmp';
import {
  IPV4_HEADER,
  ipv4Check,
  ipv4DstBe,
  ipv4HeaderLength,
  ipv4IsLaterFragment,
  ipv4Proto,
  ipv4SrcBe,
  ipv4TotalLength,
} from './wire/ipv4';
import { TCP_HEADER_SIZE, Tcp } from './wire/tcp';

/** The key's interface: a capture has none. */
const NO_IFACE: u32 = 0;

/**
 * Tracks the first packet of a worker's ring, of which `captured` bytes are in the slot, at the
 * clock in its context. `insideBe` and `maskBe` are the subnet that conns begin in.
 *
 * The descriptor then has the reason, the path (fwd, rev or none) and the entry of its conn or 0.
 */
export function track(worker: u32, captured: u32, insideBe: u32, maskBe: u32): void {
  const ring = <usize>RINGS_BASE + <usize>worker * <usize>RING_SIZE;
  const pkt = ring + PKTS_OFFSET;
  const ip = ring + SLOT_PACKET;
  store<u8>(pkt, PATH_NONE, PKT_PATH);
  store<u32>(pkt, 0, PKT_ENTRY);
  store<u32>(pkt, 0, PKT_POLICY);
  let reason = classifyCaptured(pkt, ip, captured, insideBe, maskBe);
  if (reason === REASON_NONE) {
    const context = <usize>CTX_BASE + <usize>worker * <usize>CTX_SIZE;
    reason = judge(pkt, ip, worker, load<i64>(context, CTX_NOW));
  }
  store<u8>(pkt, <u8>reason, PKT_REASON);
}

/** Fills the descriptor; returns why the packet is not for the tracker, or REASON_NONE. */
function classifyCaptured(pkt: usize, ip: usize, captured: u32, insideBe: u32, maskBe: u32): u32 {
  const length = load<u32>(pkt, PKT_LEN);
  if (captured < min(length, IPV4_HEADER) || captured < min(length, ipv4HeaderLength(ip)))
    return UNTRACKED_CUT_OFF;
  const malformed = ipv4Check(ip, length);
  if (malformed !== REASON_NONE) return malformed;
  store<u32>(pkt, ipv4TotalLength(ip), PKT_LEN);
  store<u8>(pkt, ipv4Proto(ip), PKT_PROTO);
  store<u16>(pkt, ipv4HeaderLength(ip), PKT_L4);

  const isFromInside = (ipv4SrcBe(ip) & maskBe) === insideBe;
  const isToInside = (ipv4DstBe(ip) & maskBe) === insideBe;
  if (isFromInside === isToInside)
    return isFromInside ? UNTRACKED_BOTH_INSIDE : UNTRACKED_NEITHER_INSIDE;
  store<u8>(pkt, isFromInside ? PATH_FWD : PATH_REV, PKT_PATH);

  const dst = bswap<u32>(ipv4DstBe(ip));
  if (isMartian(bswap<u32>(ipv4SrcBe(ip)))) return DROP_BAD_SOURCE;
  if (isMartian(dst)) return destinationReason(dst);
  if (isCutOff(pkt, ip, captured)) return UNTRACKED_CUT_OFF;
  const reason = connReason(pkt, ip, isFromInside ? FLOW_FWD : FLOW_REV);
  if (reason === IS_ICMP_ERROR) return DROP_NAT_ICMP_TYPE;
  if (reason === REASON_NONE) writeKey(pkt, ip, NO_IFACE);
  return reason;
}

/** Returns whether part of the transport header was on the wire and is not in the capture. */
function isCutOff(pkt: usize, ip: usize, captured: u32): bool {
  const length = load<u32>(pkt, PKT_LEN);
  if (captured >= length || ipv4IsLaterFragment(ip)) return false;
  const offset: u32 = load<u16>(pkt, PKT_L4);
  const kept = captured - offset;
  const sent = length - offset;
  if (load<u8>(pkt, PKT_PROTO) !== PROTO_TCP) return kept < min(sent, ICMP_HEADER);
  if (kept < min(sent, TCP_HEADER_SIZE)) return true;
  return sent >= TCP_HEADER_SIZE && kept < min(sent, Tcp.dataOffset(ip + offset));
}

/** Looks the packet's conn up and has it tracked; only fwd packets begin one. */
function judge(pkt: usize, ip: usize, worker: u32, now: i64): u32 {
  const header = readIndex();
  const hash = hashKey(header, pkt + PKT_KEY);
  store<u32>(pkt, hash, PKT_HASH);
  const isFwd = load<u8>(pkt, PKT_PATH) === PATH_FWD;
  const entry = indexLookup(header, pkt + PKT_KEY, hash);
  if (entry !== 0 && (entry & 1) === <u32>(isFwd ? FLOW_FWD : FLOW_REV)) {
    store<u32>(pkt, entry, PKT_ENTRY);
    return trackKnown(pkt, ip, worker, now);
  }
  return isFwd ? trackNew(pkt, ip, header, worker, now) : refuseUnowned(pkt, ip, worker, now);
}

/** Returns why a rev packet without a conn is refused; that of TCP as its tracker has it. */
function refuseUnowned(pkt: usize, ip: usize, worker: u32, now: i64): u32 {
  if (load<u8>(pkt, PKT_PROTO) !== PROTO_TCP) return DROP_NO_CONN;
  const refused = tcpAdmits(ip, ip + load<u16>(pkt, PKT_L4));
  const reason: u32 = refused !== REASON_NONE ? refused : TCP_NO_CONN;
  recordInvalid(pkt, ip, worker, reason, now);
  return reason;
}
