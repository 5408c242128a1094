// Places in one index: how a key's bucket is found, how an entry is reserved there, published and
// unlinked. conn-index.ts says what makes these steps safe and who may take them.
//
// A place is the address of an entry word. Its tag lies in the same bucket at the same way.
import {
  BUCKET_ENTRIES,
  BUCKET_LOCK,
  BUCKET_OVERFLOW,
  BUCKET_SIZE,
  BUCKET_WAYS,
  INDEX_BUCKET_COUNT,
  INDEX_BUCKETS,
  INDEX_MAX_PROBE,
} from './layout';
import { lockU16 } from './lock';

/** Set in the word of an entry that is not published yet; readers pass it over. */
const RESERVED: u32 = 0x80000000;
/** A count that reached this has lost track and stays: readers then always look further. */
const STICKY: u32 = 255;

/** Returns the home bucket of a hash in the index at `header`. */
export function homeBucket(header: usize, hash: u32): usize {
  const number = (<u64>hash * <u64>load<u32>(header, INDEX_BUCKET_COUNT)) >> 32;
  return <usize>load<u32>(header, INDEX_BUCKETS) + <usize>number * <usize>BUCKET_SIZE;
}

/** Returns the bucket after `bucket`; the first one follows the last. */
export function nextBucket(header: usize, bucket: usize): usize {
  const first: usize = load<u32>(header, INDEX_BUCKETS);
  const next = bucket + <usize>BUCKET_SIZE;
  const end = first + <usize>load<u32>(header, INDEX_BUCKET_COUNT) * <usize>BUCKET_SIZE;
  return next === end ? first : next;
}

/** Returns how many buckets, its home included, an entry of the index may lie in. */
export function probeLimit(header: usize): u32 {
  return min<u32>(load<u32>(header, INDEX_BUCKET_COUNT), INDEX_MAX_PROBE + 1);
}

/** Returns how many entries have their home at or before `bucket` and lie behind it. */
export function overflowOf(bucket: usize): u32 {
  return atomic.load<u8>(bucket, BUCKET_OVERFLOW);
}

/** Returns the entry word of `way`: an entry, 0, or a reserved one, which is negative. */
export function entryAt(bucket: usize, way: usize): i32 {
  return atomic.load<i32>(bucket + (way << 2), BUCKET_ENTRIES);
}

/**
 * Locks two home buckets of one index (they may be the same), the lower address first. False, with
 * neither locked, only for the control plane when a holder does not let go.
 */
export function lockPair(a: usize, b: usize, owner: u32): bool {
  const low = min(a, b);
  const high = max(a, b);
  if (!lockU16(low + BUCKET_LOCK, owner)) return false;
  if (low === high || lockU16(high + BUCKET_LOCK, owner)) return true;
  unlockBucket(low);
  return false;
}

/** Locks one home bucket; false as with {@link lockPair}. */
export function lockHome(bucket: usize, owner: u32): bool {
  return lockU16(bucket + BUCKET_LOCK, owner);
}

/** Returns the number of the owner that holds the bucket's lock, 0 for none. */
export function lockOwner(bucket: usize): u32 {
  return atomic.load<u16>(bucket, BUCKET_LOCK);
}

/** Unlocks what {@link lockPair} locked. */
export function unlockPair(a: usize, b: usize): void {
  unlockBucket(a);
  if (a !== b) unlockBucket(b);
}

/** Unlocks a bucket; the seq-cst store also publishes the tags stored under the lock. */
export function unlockBucket(bucket: usize): void {
  atomic.store<u16>(bucket, 0, BUCKET_LOCK);
}

/**
 * Reserves a place for `entry` under the lock of its home, and counts it in every bucket passed.
 * Returns the place, or 0 when there is none within reach; then nothing is counted.
 */
export function reservePlace(header: usize, hash: u32, entry: u32): usize {
  const home = homeBucket(header, hash);
  const limit = probeLimit(header);
  let bucket = home;
  for (let probe: u32 = 0; probe < limit; probe++) {
    for (let way: usize = 0; way < <usize>BUCKET_WAYS; way++) {
      const place = bucket + BUCKET_ENTRIES + (way << 2);
      if (atomic.load<u32>(place) !== 0) continue;
      if (atomic.cmpxchg<u32>(place, 0, RESERVED | entry) === 0) return place;
    }
    countPassed(bucket, 1);
    bucket = nextBucket(header, bucket);
  }
  uncountPassed(header, home, limit);
  return 0;
}

/** Publishes `entry` at the place reserved for it. */
export function publishPlace(place: usize, hash: u32, entry: u32): void {
  atomic.store<u32>(place, entry);
  store<u8>(tagOf(place), <u8>hash);
}

/** Returns whether the index holds `entry`, whose key has this hash. */
export function hasEntry(header: usize, hash: u32, entry: u32): bool {
  let bucket = homeBucket(header, hash);
  for (let probes = probeLimit(header); probes > 0; probes--) {
    for (let way: usize = 0; way < <usize>BUCKET_WAYS; way++)
      if (<u32>entryAt(bucket, way) === entry) return true;
    if (overflowOf(bucket) === 0) return false;
    bucket = nextBucket(header, bucket);
  }
  return false;
}

/**
 * Empties the place of `entry`, reserved or published, under the lock of its home: false when it
 * has none.
 */
export function unlinkEntry(header: usize, hash: u32, entry: u32): bool {
  const home = homeBucket(header, hash);
  const limit = probeLimit(header);
  let bucket = home;
  for (let passed: u32 = 0; passed < limit; passed++) {
    for (let way: usize = 0; way < <usize>BUCKET_WAYS; way++) {
      if ((<u32>entryAt(bucket, way) & ~RESERVED) !== entry) continue;
      // The tag goes first: once the word is 0 the place may be another's, and so its tag.
      store<u8>(bucket + way, 0);
      atomic.store<u32>(bucket + (way << 2), 0, BUCKET_ENTRIES);
      uncountPassed(header, home, passed);
      return true;
    }
    if (overflowOf(bucket) === 0) return false;
    bucket = nextBucket(header, bucket);
  }
  return false;
}

function tagOf(place: usize): usize {
  const bucket = place & ~(<usize>BUCKET_SIZE - 1);
  return bucket + ((place - bucket - BUCKET_ENTRIES) >> 2);
}

/** Takes an entry out of the counts of the `passed` buckets from its home on. */
function uncountPassed(header: usize, home: usize, passed: u32): void {
  let bucket = home;
  for (let probe: u32 = 0; probe < passed; probe++) {
    countPassed(bucket, -1);
    bucket = nextBucket(header, bucket);
  }
}

function countPassed(bucket: usize, by: i32): void {
  let count = overflowOf(bucket);
  while (count !== STICKY) {
    const found = <u32>(
      atomic.cmpxchg<u8>(bucket, <u8>count, <u8>(<i32>count + by), BUCKET_OVERFLOW)
    );
    if (found === count) return;
    count = found;
  }
}
