// One burst: up to 64 packets of a worker's ring, decided in passes over all of them.
//
//   classify   header checks, route, path, key           classify.ts
//   look up    hash all keys, touch their buckets, find   conn-index.ts
//   decide     may it go, conn, rewriting, verdict        decide.ts
//   count      verdicts and reasons                       stats.ts
//
// A pass does one thing to every packet, so that the cache misses of its packets overlap instead of
// standing in line. What passes hand on lies in the descriptors. Everything that is published under
// a grace period - the snapshot, the conn index - is loaded once, at the start.
import { classify } from './classify';
import { readIndex } from './conn-index';
import { decide } from './decide';
import {
  COUNT_BURSTS,
  COUNT_FORWARDED,
  COUNT_LOCAL,
  CTL_SNAPSHOT,
  CTX_BASE,
  CTX_NOW,
  CTX_SIZE,
  MAX_BURST,
  MAX_WORKERS,
  PATH_NONE,
  PKT_IN_IFACE,
  PKT_LEN,
  PKT_PATH,
  PKT_REASON,
  PKT_SIZE,
  PKT_VERDICT,
  PKTS_OFFSET,
  REASON_MASK,
  REASON_NONE,
  RING_SIZE,
  RINGS_BASE,
  SLOT_COUNT,
  SLOT_PACKET,
  SLOT_SIZE,
  VERDICT_DROP,
  VERDICT_FORWARD,
} from './layout';
import { lookUpBurst } from './lookup';
import { count, countersOf, countRx, countRxDrop } from './stats';

/**
 * Decides the packets in `packetCount` (at most MAX_BURST) slots of a worker's ring, from `first` on,
 * at the clock in its context. Each descriptor then has a verdict, and the slot holds what is to be
 * sent.
 */
export function burst(worker: u32, first: u32, packetCount: u32): void {
  assert(worker < <u32>MAX_WORKERS && packetCount <= <u32>MAX_BURST);
  assert(first + packetCount <= <u32>SLOT_COUNT);
  const ring = <usize>RINGS_BASE + <usize>worker * <usize>RING_SIZE;
  const pkts = ring + PKTS_OFFSET + <usize>first * <usize>PKT_SIZE;
  const end = pkts + <usize>packetCount * <usize>PKT_SIZE;
  const ips = ring + SLOT_PACKET + <usize>first * <usize>SLOT_SIZE;
  const context = <usize>CTX_BASE + <usize>worker * <usize>CTX_SIZE;
  const snapshot: usize = atomic.load<u32>(CTL_SNAPSHOT);
  const header = readIndex();
  classifyBurst(pkts, end, ips, snapshot, countersOf(worker));
  lookUpBurst(pkts, end, header, context);
  decideAll(pkts, end, ips, snapshot, header, worker, load<i64>(context, CTX_NOW));
  countAll(pkts, end, countersOf(worker));
}

/** Fills the descriptors [pkts, end) of the packets in slots from `ips` on: reason and path. */
export function classifyBurst(
  pkts: usize,
  end: usize,
  ips: usize,
  snapshot: usize,
  counters: usize,
): void {
  for (let pkt = pkts, ip = ips; pkt < end; pkt += PKT_SIZE, ip += SLOT_SIZE) {
    countRx(counters, load<u16>(pkt, PKT_IN_IFACE), load<u32>(pkt, PKT_LEN));
    store<u8>(pkt, VERDICT_DROP, PKT_VERDICT);
    const reason = classify(pkt, ip, snapshot);
    store<u8>(pkt, <u8>reason, PKT_REASON);
    if (reason !== REASON_NONE) store<u8>(pkt, PATH_NONE, PKT_PATH);
  }
}

function decideAll(
  pkts: usize,
  end: usize,
  ips: usize,
  snapshot: usize,
  header: usize,
  worker: u32,
  now: i64,
): void {
  for (let pkt = pkts, ip = ips; pkt < end; pkt += PKT_SIZE, ip += SLOT_SIZE) {
    if (load<u8>(pkt, PKT_PATH) === PATH_NONE) continue;
    store<u8>(pkt, <u8>decide(pkt, ip, snapshot, header, worker, now), PKT_REASON);
  }
}

/** A packet about which an error was sent counts as dropped: the answer is not what it wanted. */
function countAll(pkts: usize, end: usize, counters: usize): void {
  let forwarded: u64 = 0;
  let local: u64 = 0;
  for (let pkt = pkts; pkt < end; pkt += PKT_SIZE) {
    const reason: u32 = load<u8>(pkt, PKT_REASON);
    if (reason !== REASON_NONE) count(counters, reason & REASON_MASK, 1);
    if (load<u8>(pkt, PKT_VERDICT) === VERDICT_FORWARD) forwarded++;
    else if (reason === REASON_NONE) local++;
    else countRxDrop(counters, load<u16>(pkt, PKT_IN_IFACE));
  }
  count(counters, COUNT_BURSTS, 1);
  count(counters, COUNT_FORWARDED, forwarded);
  count(counters, COUNT_LOCAL, local);
}
