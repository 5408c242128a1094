// The conn index finds a conn's entry (slot << 1 | flow) by its key. It is an array of buckets of one
// cache line each: 12 one-byte tags, compared by one SIMD instruction, and 12 entry words; the key
// itself is compared in the conn's line, which the packet needs anyway. An entry that does not fit
// into its home bucket goes to one of the buckets behind it and is counted in every bucket passed.
// Readers take no lock and see no version; inserts of one key exclude each other by the lock of
// its home bucket.
//
// Why a reader never misses a live key, within one index
//   Entries never move. From the moment an insert returns until a removal begins, the key's entry
//   word and tag stay where they are, and every bucket before it on its way from home has a count
//   above zero: counts are raised before the entry is published and lowered after it is gone, each
//   entry by itself, and a count that once reached 255 stays there. A count may be too high (the
//   reader looks once more in vain), never too low. So the walk from home reaches the entry.
//   An insert that has not returned may be seen or not, likewise a removal; either is an order in
//   which they could have happened, as the worker that needs certainty inserts: insert-or-get.
//
// Why a reader never finds a wrong conn
//   Tags are only a filter: 16 of them are read at once and may be of different moments. The entry
//   word is read atomically, and the reader that got it sees the keys stored before it was
//   published. Keys are immutable until a grace period after the removal, and a reader holds an
//   entry for one burst at most. A place may become another conn's at any time; then the keys
//   differ, or the key is that other conn's and the answer is right.
//
// Insert
//   Both home buckets are locked, lower address first, once when they are one. The lock of a home
//   guards its keys, not its places: an overflow from elsewhere may take any place, so places are
//   claimed by cmpxchg. They are first all reserved (the entry with its top bit set, which readers
//   pass over), then published, the rev key before the fwd key: an insert that finds no room
//   leaves no trace that a reader could have followed, and who can send by the fwd key can already
//   receive the answer. The owner's number leaves the slot last, so that what a dead worker left
//   half done is found.
//
// Migration: current index A, next index B; a grace period lies between any two modes, therefore
// workers act on neighbouring modes at most, and each of them only moves forward
//     mode           readers  inserts  removals  duplicates are looked for in
//     NORMAL         A        A        A         A
//     DELETE_BOTH    A        A        A, B      A
//     INSERT_BOTH    A        A, B     A, B      A
//     READ_NEXT      B        A, B     A, B      B
//     NORMAL         B        B        B         B
//   Each operation loads the descriptor once, for itself. Home buckets are locked in A before B;
//   the next migration starts, with the names exchanged, when nobody locks A any more.
//   Readers: those of A (up to INSERT_BOTH) overlap with writers up to READ_NEXT, who all write A.
//     Those of B (from READ_NEXT on) overlap with writers from INSERT_BOTH on, who all write B;
//     what is older was copied before READ_NEXT. An insert writes B first, then A.
//   Duplicates: whoever inserts a key holds the lock of its home in the index where it looks. Up to
//     INSERT_BOTH all look in A and write A; READ_NEXT and the second NORMAL look in B and write B;
//     INSERT_BOTH (looks in A) and READ_NEXT (looks in B) each hold both locks and write both, so
//     the later one finds what the former wrote, the copy being complete by then.
//   Removals: DELETE_BOTH comes before INSERT_BOTH because an old removal would else take a key from
//     A alone after an insert or the copy had put it into B, and leave an entry there that nobody
//     removes. The same happens to A between READ_NEXT and NORMAL, and does not matter: nobody reads
//     A then, or looks for duplicates in it, and it is wiped before it is used again.
//   The copy (index-copy.ts) holds the key's lock in A while it looks at A and writes B.
import {
  entryAt,
  homeBucket,
  lockPair,
  nextBucket,
  overflowOf,
  probeLimit,
  publishPlace,
  reservePlace,
  unlinkEntry,
  unlockPair,
} from './bucket';
import { connAddr, connKey, setConnLife } from './conn';
import { hashKey, isSameKey } from './conn-key';
import {
  BUCKET_WAYS,
  CONN_OWNER,
  CTL_DESCRIPTOR,
  DESC_CURRENT,
  DESC_MODE,
  DESC_NEXT,
  FLOW_FWD,
  FLOW_REV,
  LIFE_LIVE,
  MODE_INSERT_BOTH,
  MODE_NORMAL,
  MODE_READ_NEXT,
} from './layout';

/** What an insert returns when a key found no place. */
export const INDEX_NO_ROOM: u32 = 0xffffffff;

const WAYS_MASK: i32 = (1 << BUCKET_WAYS) - 1;

/** Returns the header of the index that readers use now; called once per burst. */
export function readIndex(): usize {
  const descriptor: usize = atomic.load<u32>(CTL_DESCRIPTOR);
  return load<u32>(descriptor, DESC_MODE) === <u32>MODE_READ_NEXT
    ? load<u32>(descriptor, DESC_NEXT)
    : load<u32>(descriptor, DESC_CURRENT);
}

/**
 * Returns the first entry of a bucket whose tag is that of `hash`, or 0. Its key may be another, and
 * what has the key may be behind it: only a candidate for {@link indexLookup}.
 */
export function candidateIn(bucket: usize, hash: u32): u32 {
  const matches = i8x16.bitmask(i8x16.eq(v128.load(bucket), i8x16.splat(<i8>hash))) & WAYS_MASK;
  if (matches === 0) return 0;
  return <u32>max<i32>(entryAt(bucket, <usize>ctz<i32>(matches)), 0);
}

/** Returns the entry (slot << 1 | flow) of a key, or 0. Takes no lock. */
export function indexLookup(header: usize, key: usize, hash: u32): u32 {
  const tags = i8x16.splat(<i8>hash);
  let bucket = homeBucket(header, hash);
  let probes = probeLimit(header);
  while (true) {
    let matches = i8x16.bitmask(i8x16.eq(v128.load(bucket), tags)) & WAYS_MASK;
    for (; matches !== 0; matches &= matches - 1) {
      const entry = entryAt(bucket, <usize>ctz<i32>(matches));
      if (entry > 0 && isSameKey(keyOf(<u32>entry), key)) return <u32>entry;
    }
    if (overflowOf(bucket) === 0 || --probes === 0) return 0;
    bucket = nextBucket(header, bucket);
  }
}

/**
 * Publishes both keys of a filled conn, or none: returns 0 when it did (the conn is then LIFE_LIVE),
 * the entry that holds the fwd key already, or INDEX_NO_ROOM. May wait for another insert.
 */
export function indexInsert(slot: u32, owner: u32): u32 {
  const descriptor: usize = atomic.load<u32>(CTL_DESCRIPTOR);
  const current: usize = load<u32>(descriptor, DESC_CURRENT);
  const mode = load<u32>(descriptor, DESC_MODE);
  if (mode < <u32>MODE_INSERT_BOTH) return insertInOne(current, slot, owner);
  const next: usize = load<u32>(descriptor, DESC_NEXT);
  return insertInBoth(current, next, mode === <u32>MODE_READ_NEXT ? next : current, slot, owner);
}

/**
 * Unlinks both keys of a conn, from both indexes when the mode asks for it; what is not there is
 * passed over. False, with nothing done, only for the control plane when a dead worker's lock is
 * in the way.
 */
export function indexRemove(slot: u32, owner: u32): bool {
  const descriptor: usize = atomic.load<u32>(CTL_DESCRIPTOR);
  const current: usize = load<u32>(descriptor, DESC_CURRENT);
  const hashes = hashKeys(current, slot);
  if (!lockHomes(current, hashes, owner)) return false;
  let isLocked = true;
  if (load<u32>(descriptor, DESC_MODE) !== <u32>MODE_NORMAL)
    isLocked = removeFromNext(load<u32>(descriptor, DESC_NEXT), slot, owner);
  if (isLocked) unlinkKeys(current, hashes, slot);
  unlockHomes(current, hashes);
  return isLocked;
}

/**
 * Loads the home buckets of both keys of a conn into the cache, for a removal that follows; an atomic
 * load is never left out. Conns of neighbouring slots have theirs far apart: touched some conns
 * ahead, their cache misses overlap.
 */
export function indexTouchHomes(slot: u32): void {
  const header: usize = load<u32>(<usize>atomic.load<u32>(CTL_DESCRIPTOR), DESC_CURRENT);
  const hashes = hashKeys(header, slot);
  atomic.load<u32>(homeBucket(header, <u32>hashes));
  atomic.load<u32>(homeBucket(header, <u32>(hashes >> 32)));
}

function removeFromNext(next: usize, slot: u32, owner: u32): bool {
  const hashes = hashKeys(next, slot);
  if (!lockHomes(next, hashes, owner)) return false;
  unlinkKeys(next, hashes, slot);
  unlockHomes(next, hashes);
  return true;
}

function insertInOne(header: usize, slot: u32, owner: u32): u32 {
  const hashes = hashKeys(header, slot);
  lockHomes(header, hashes, owner);
  let result = indexLookup(header, connKey(connAddr(slot), FLOW_FWD), <u32>hashes);
  if (result === 0) {
    const places = reserveKeys(header, hashes, slot);
    if (places !== 0) {
      setConnLife(connAddr(slot), LIFE_LIVE);
      publishKeys(places, hashes, slot);
      store<u8>(connAddr(slot), 0, CONN_OWNER);
    } else result = INDEX_NO_ROOM;
  }
  unlockHomes(header, hashes);
  return result;
}

function insertInBoth(current: usize, next: usize, lookIn: usize, slot: u32, owner: u32): u32 {
  const hashes = hashKeys(current, slot);
  const nextHashes = hashKeys(next, slot);
  lockHomes(current, hashes, owner);
  lockHomes(next, nextHashes, owner);
  const key = connKey(connAddr(slot), FLOW_FWD);
  let result = indexLookup(lookIn, key, <u32>(lookIn === next ? nextHashes : hashes));
  if (result === 0) {
    const nextPlaces = reserveKeys(next, nextHashes, slot);
    const places = nextPlaces !== 0 ? reserveKeys(current, hashes, slot) : 0;
    if (places !== 0) {
      setConnLife(connAddr(slot), LIFE_LIVE);
      publishKeys(nextPlaces, nextHashes, slot);
      publishKeys(places, hashes, slot);
      store<u8>(connAddr(slot), 0, CONN_OWNER);
    } else {
      if (nextPlaces !== 0) unlinkKeys(next, nextHashes, slot);
      result = INDEX_NO_ROOM;
    }
  }
  unlockHomes(next, nextHashes);
  unlockHomes(current, hashes);
  return result;
}

function keyOf(entry: u32): usize {
  return connKey(connAddr(entry >> 1), entry & 1);
}

// What belongs to the two keys of a conn - hashes, places - goes about as one u64: that of the fwd
// key in the low half, that of the rev key in the high half.

function pair(fwd: u32, rev: u32): u64 {
  return ((<u64>rev) << 32) | <u64>fwd;
}

function hashKeys(header: usize, slot: u32): u64 {
  const conn = connAddr(slot);
  const fwdHash = hashKey(header, connKey(conn, FLOW_FWD));
  return pair(fwdHash, hashKey(header, connKey(conn, FLOW_REV)));
}

function lockHomes(header: usize, hashes: u64, owner: u32): bool {
  const fwdHome = homeBucket(header, <u32>hashes);
  return lockPair(fwdHome, homeBucket(header, <u32>(hashes >> 32)), owner);
}

function unlockHomes(header: usize, hashes: u64): void {
  unlockPair(homeBucket(header, <u32>hashes), homeBucket(header, <u32>(hashes >> 32)));
}

/** Returns the places of both keys, or 0 when one of them found none; then neither is reserved. */
function reserveKeys(header: usize, hashes: u64, slot: u32): u64 {
  const fwdEntry = (slot << 1) | FLOW_FWD;
  const fwdPlace = reservePlace(header, <u32>hashes, fwdEntry);
  if (fwdPlace === 0) return 0;
  const revPlace = reservePlace(header, <u32>(hashes >> 32), (slot << 1) | FLOW_REV);
  if (revPlace !== 0) return pair(<u32>fwdPlace, <u32>revPlace);
  unlinkEntry(header, <u32>hashes, fwdEntry);
  return 0;
}

function publishKeys(places: u64, hashes: u64, slot: u32): void {
  publishPlace(<usize>(places >> 32), <u32>(hashes >> 32), (slot << 1) | FLOW_REV);
  publishPlace(<usize>(<u32>places), <u32>hashes, (slot << 1) | FLOW_FWD);
}

function unlinkKeys(header: usize, hashes: u64, slot: u32): void {
  unlinkEntry(header, <u32>hashes, (slot << 1) | FLOW_FWD);
  unlinkEntry(header, <u32>(hashes >> 32), (slot << 1) | FLOW_REV);
}
