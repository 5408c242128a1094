// Connection tracking of one packet: what its conn makes of it, and a new conn where there is none.
// Runs after everything else that could refuse the packet, so that a refused one changes nothing.
import { connAddr } from './conn';
import { CONN_EXISTS, createConn } from './conn-create';
import { indexLookup } from './conn-index';
import { trackConn } from './conn-state';
import { isInvalid, recordInvalid } from './invalid-packet';
import {
  COUNT_CONNS_CREATED,
  FLOW_FWD,
  PKT_ENTRY,
  PKT_HASH,
  PKT_KEY,
  PKT_L4,
  PKT_PROTO,
  PROTO_TCP,
  REASON_NONE,
} from './layout';
import { count, countersOf } from './stats';
import { tcpAdmits, tcpTrack } from './tcp-track';

/** Tracks the packet at `ip` in the conn of its descriptor: a reason as tcpTrack() has them. */
export function trackKnown(pkt: usize, ip: usize, worker: u32, now: i64): u32 {
  const entry = load<u32>(pkt, PKT_ENTRY);
  const conn = connAddr(entry >> 1);
  const flow = entry & 1;
  if (load<u8>(pkt, PKT_PROTO) === PROTO_TCP) {
    const reason = tcpTrack(conn, flow, ip, ip + load<u16>(pkt, PKT_L4), worker + 1, now);
    if (isInvalid(reason)) recordInvalid(pkt, ip, worker, reason, now);
    return reason;
  }
  trackConn(conn, flow, now);
  return REASON_NONE;
}

/** Tracks the fwd packet at `ip`, whose key was not found, and begins its conn. */
export function trackNew(pkt: usize, ip: usize, header: usize, worker: u32, now: i64): u32 {
  // An earlier packet of the same burst may have begun it.
  const entry = indexLookup(header, pkt + PKT_KEY, load<u32>(pkt, PKT_HASH));
  if (entry !== 0 && (entry & 1) === FLOW_FWD) {
    store<u32>(pkt, entry, PKT_ENTRY);
    return trackKnown(pkt, ip, worker, now);
  }
  if (load<u8>(pkt, PKT_PROTO) === PROTO_TCP) {
    const refused = tcpAdmits(ip, ip + load<u16>(pkt, PKT_L4));
    if (refused !== REASON_NONE) {
      recordInvalid(pkt, ip, worker, refused, now);
      return refused;
    }
  }
  const reason = createConn(pkt, ip, worker + 1, now);
  if (reason === CONN_EXISTS) return trackKnown(pkt, ip, worker, now);
  if (reason === REASON_NONE) count(countersOf(worker), COUNT_CONNS_CREATED, 1);
  return reason;
}
