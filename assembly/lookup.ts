// The keys of a whole burst are looked up in passes, because the index and the conns are far larger
// than the caches and a single lookup would wait for memory twice: for the key's bucket, then for
// the conn's lines.
//
//   hash    every key, its bucket's address into the descriptor
//   touch   every bucket
//   match   the tags of every bucket: a candidate, its conn's address into the descriptor
//   touch   both lines of every candidate
//   decide  is the key the candidate's? What is not so simple takes the whole lookup.
//
// WebAssembly has no prefetch, so that a touch is a load, which holds up the processor's queue until
// its line is there. The queue has room for many loads and little else: hence the touching passes are
// apart from the computing ones, and do several descriptors in a row without a branch between them.
// A packet without a key goes along with whatever key was there before it, for want of a branch.
//
// Candidates are only hints: a place may have been another conn's when its word was read.
import { homeBucket } from './bucket';
import { connAddr, connKey } from './conn';
import { candidateIn, indexLookup } from './conn-index';
import { isSameKey, KeyHash } from './conn-key';
import {
  CTX_SINK,
  FLOW_FWD,
  FLOW_REV,
  INDEX_SECRET,
  PATH_FWD,
  PATH_REV,
  PKT_BUCKET,
  PKT_CONN,
  PKT_ENTRY,
  PKT_HASH,
  PKT_KEY,
  PKT_PATH,
  PKT_SIZE,
  TCP_END,
} from './layout';

/** Descriptors touched between two branches. */
const STRIDE: usize = 8 * PKT_SIZE;

/**
 * Finds the entries of the descriptors [pkts, end) that have a key, 0 where there is none.
 *
 * An entry of the other flow is a miss: a request that looks like a reply, or the reverse.
 */
export function lookUpBurst(pkts: usize, end: usize, header: usize, context: usize): void {
  hashAll(pkts, end, header);
  const touched = touchBuckets(pkts, end);
  matchAll(pkts, end);
  store<u32>(context, touched + touchConns(pkts, end), CTX_SINK);
  decideAll(pkts, end, header);
}

/** The secret goes through locals: memory might have changed, and would be read for each key. */
function hashAll(pkts: usize, end: usize, header: usize): void {
  const a = load<u64>(header, INDEX_SECRET);
  const b = load<u64>(header, INDEX_SECRET + 8);
  const c = load<u64>(header, INDEX_SECRET + 16);
  const d = load<u64>(header, INDEX_SECRET + 24);
  const e = load<u64>(header, INDEX_SECRET + 32);
  for (let pkt = pkts; pkt < end; pkt += PKT_SIZE) {
    const first = load<u64>(pkt, PKT_KEY);
    const hash = KeyHash.of(a, b, c, d, e, first, load<u64>(pkt, PKT_KEY + 8));
    store<u32>(pkt, hash, PKT_HASH);
    store<u32>(pkt, <u32>homeBucket(header, hash), PKT_BUCKET);
  }
}

function touchBuckets(pkts: usize, end: usize): u32 {
  let sum: u32 = 0;
  let pkt = pkts;
  for (; pkt + STRIDE <= end; pkt += STRIDE)
    sum +=
      load<u32>(load<u32>(pkt, PKT_BUCKET)) +
      load<u32>(load<u32>(pkt, PKT_BUCKET + PKT_SIZE)) +
      load<u32>(load<u32>(pkt, PKT_BUCKET + PKT_SIZE * 2)) +
      load<u32>(load<u32>(pkt, PKT_BUCKET + PKT_SIZE * 3)) +
      load<u32>(load<u32>(pkt, PKT_BUCKET + PKT_SIZE * 4)) +
      load<u32>(load<u32>(pkt, PKT_BUCKET + PKT_SIZE * 5)) +
      load<u32>(load<u32>(pkt, PKT_BUCKET + PKT_SIZE * 6)) +
      load<u32>(load<u32>(pkt, PKT_BUCKET + PKT_SIZE * 7));
  for (; pkt < end; pkt += PKT_SIZE) sum += load<u32>(load<u32>(pkt, PKT_BUCKET));
  return sum;
}

function matchAll(pkts: usize, end: usize): void {
  for (let pkt = pkts; pkt < end; pkt += PKT_SIZE) {
    const candidate = candidateIn(load<u32>(pkt, PKT_BUCKET), load<u32>(pkt, PKT_HASH));
    store<u32>(pkt, candidate, PKT_ENTRY);
    store<u32>(pkt, <u32>connAddr(candidate >> 1), PKT_CONN);
  }
}

/** The second line is the tracker's. */
function touchConns(pkts: usize, end: usize): u32 {
  let sum: u32 = 0;
  let pkt = pkts;
  for (; pkt + STRIDE <= end; pkt += STRIDE)
    sum +=
      load<u32>(load<u32>(pkt, PKT_CONN)) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE)) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 2)) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 3)) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 4)) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 5)) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 6)) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 7)) +
      load<u32>(load<u32>(pkt, PKT_CONN), TCP_END) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE), TCP_END) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 2), TCP_END) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 3), TCP_END) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 4), TCP_END) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 5), TCP_END) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 6), TCP_END) +
      load<u32>(load<u32>(pkt, PKT_CONN + PKT_SIZE * 7), TCP_END);
  for (; pkt < end; pkt += PKT_SIZE)
    sum += load<u32>(load<u32>(pkt, PKT_CONN)) + load<u32>(load<u32>(pkt, PKT_CONN), TCP_END);
  return sum;
}

function decideAll(pkts: usize, end: usize, header: usize): void {
  for (let pkt = pkts; pkt < end; pkt += PKT_SIZE) {
    const path: i32 = load<u8>(pkt, PKT_PATH);
    if (path !== PATH_FWD && path !== PATH_REV) continue;
    let entry = load<u32>(pkt, PKT_ENTRY);
    if (!isSameKey(connKey(load<u32>(pkt, PKT_CONN), entry & 1), pkt + PKT_KEY))
      entry = indexLookup(header, pkt + PKT_KEY, load<u32>(pkt, PKT_HASH));
    const flow: u32 = path === PATH_REV ? FLOW_REV : FLOW_FWD;
    store<u32>(pkt, (entry & 1) === flow ? entry : 0, PKT_ENTRY);
  }
}
