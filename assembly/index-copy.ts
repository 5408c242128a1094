// The copy of a migration, by the control plane in MODE_INSERT_BOTH: every entry of the current index
// is entered into the next one. Conns do not move, so this copies words. An entry is looked at again
// under the lock of its key's home in the current index, which its removal needs: it is copied before
// the removal, which then unlinks it from both, or not at all. What an insert already put into both
// is found in the next index and left.
//
// Entries lie in the order of a hash, so that each leads to a conn and a bucket somewhere else: two
// cache misses. They are touched for a few buckets ahead, all conns and then all buckets, so that the
// misses overlap instead of standing in line; the copy is twice as fast for it.
//
// The keys of an entry are safe to read, although nothing is locked yet: only the control plane
// reclaims conns, and it is busy here.
import {
  entryAt,
  hasEntry,
  homeBucket,
  lockHome,
  publishPlace,
  reservePlace,
  unlockBucket,
} from './bucket';
import { connAddr, connKey } from './conn';
import { hashKey } from './conn-key';
import {
  BUCKET_SIZE,
  BUCKET_WAYS,
  CTL_DESCRIPTOR,
  DESC_CURRENT,
  DESC_NEXT,
  INDEX_BUCKET_COUNT,
  INDEX_BUCKETS,
  OWNER_CONTROL,
} from './layout';

/** Buckets whose entries are touched together, some 30 of them in a full index. */
const AHEAD: u32 = 4;

/**
 * Copies the entries of buckets [from, to) of the current index into the next one. Returns 0, or how
 * many are missing there: they found no room, or a dead worker's lock was in the way.
 */
export function copyIndex(from: u32, to: u32): u32 {
  const descriptor: usize = atomic.load<u32>(CTL_DESCRIPTOR);
  const current: usize = load<u32>(descriptor, DESC_CURRENT);
  const next: usize = load<u32>(descriptor, DESC_NEXT);
  const buckets: usize = load<u32>(current, INDEX_BUCKETS);
  const end = min(to, load<u32>(current, INDEX_BUCKET_COUNT));
  let missing: u32 = 0;
  for (let number = from; number < end; number += AHEAD) {
    const first = buckets + <usize>number * <usize>BUCKET_SIZE;
    const last = buckets + <usize>min(number + AHEAD, end) * <usize>BUCKET_SIZE;
    touchConns(first, last);
    touchHomes(next, first, last);
    for (let bucket = first; bucket < last; bucket += BUCKET_SIZE)
      missing += copyBucket(current, next, bucket);
  }
  return missing;
}

/** Loads the conns of the entries of buckets [first, last); an atomic load is never left out. */
function touchConns(first: usize, last: usize): void {
  for (let bucket = first; bucket < last; bucket += BUCKET_SIZE)
    for (let way: usize = 0; way < <usize>BUCKET_WAYS; way++) {
      const entry = entryAt(bucket, way);
      if (entry > 0) atomic.load<u32>(connAddr(<u32>entry >> 1));
    }
}

/** Loads the buckets of the next index that the entries of buckets [first, last) belong to. */
function touchHomes(next: usize, first: usize, last: usize): void {
  for (let bucket = first; bucket < last; bucket += BUCKET_SIZE)
    for (let way: usize = 0; way < <usize>BUCKET_WAYS; way++) {
      const entry = entryAt(bucket, way);
      if (entry > 0) atomic.load<u32>(homeBucket(next, hashKey(next, keyOf(<u32>entry))));
    }
}

/** Copies the entries of one bucket; returns how many found no room. */
function copyBucket(current: usize, next: usize, bucket: usize): u32 {
  let missing: u32 = 0;
  for (let way: usize = 0; way < <usize>BUCKET_WAYS; way++) {
    const entry = entryAt(bucket, way);
    // A reserved entry is negative: its insert writes both indexes.
    if (entry > 0 && !copyEntry(current, next, bucket, way, <u32>entry)) missing++;
  }
  return missing;
}

function copyEntry(current: usize, next: usize, bucket: usize, way: usize, entry: u32): bool {
  const key = keyOf(entry);
  const home = homeBucket(current, hashKey(current, key));
  if (!lockHome(home, OWNER_CONTROL)) return false;
  const isCopied = <u32>entryAt(bucket, way) !== entry || enter(next, key, entry);
  unlockBucket(home);
  return isCopied;
}

function keyOf(entry: u32): usize {
  return connKey(connAddr(entry >> 1), entry & 1);
}

function enter(next: usize, key: usize, entry: u32): bool {
  const hash = hashKey(next, key);
  const home = homeBucket(next, hash);
  if (!lockHome(home, OWNER_CONTROL)) return false;
  let isEntered = hasEntry(next, hash, entry);
  if (!isEntered) {
    const place = reservePlace(next, hash, entry);
    if (place !== 0) publishPlace(place, hash, entry);
    isEntered = place !== 0;
  }
  unlockBucket(home);
  return isEntered;
}
