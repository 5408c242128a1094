// The copy of a migration, by the control plane in MODE_INSERT_BOTH: every entry of the current index
// is entered into the next one. Conns do not move, so this copies words. An entry is looked at again
// under the lock of its key's home in the current index, which its removal needs: it is copied before
// the removal, which then unlinks it from both, or not at all. What an insert already put into both
// is found in the next index and left.
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
  for (let number = from; number < end; number++) {
    const bucket = buckets + <usize>number * <usize>BUCKET_SIZE;
    for (let way: usize = 0; way < <usize>BUCKET_WAYS; way++) {
      const entry = entryAt(bucket, way);
      // A reserved entry is negative: its insert writes both indexes.
      if (entry > 0 && !copyEntry(current, next, bucket, way, <u32>entry)) missing++;
    }
  }
  return missing;
}

function copyEntry(current: usize, next: usize, bucket: usize, way: usize, entry: u32): bool {
  const key = connKey(connAddr(entry >> 1), entry & 1);
  const home = homeBucket(current, hashKey(current, key));
  if (!lockHome(home, OWNER_CONTROL)) return false;
  const isCopied = <u32>entryAt(bucket, way) !== entry || enter(next, key, entry);
  unlockBucket(home);
  return isCopied;
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
