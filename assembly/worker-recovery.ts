// What a worker leaves behind that died in the middle of a burst: locks with its number, and conns
// that its number is still noted in, because an insert erases it last. Such a conn is unlinked, even
// if it was about to be whole. What stays lost is a slot or a tran id when it died between taking it
// and noting it, or a conn when it died between dropping it early and retiring it; no instruction
// there can trap, so only a killed thread does that.
import { lockOwner, unlockBucket } from './bucket';
import { connAddr, connLife, connLockOwner, connOwner, connUnlock, setConnLife } from './conn';
import { indexRemove } from './conn-index';
import { list } from './conn-removal';
import {
  BUCKET_SIZE,
  CTL_DESCRIPTOR,
  CTL_POOL_NEXT,
  DESC_CURRENT,
  DESC_MODE,
  DESC_NEXT,
  INDEX_BUCKET_COUNT,
  INDEX_BUCKETS,
  LIFE_DEAD,
  LIFE_FILLING,
  LIFE_LIVE,
  MODE_NORMAL,
  OWNER_CONTROL,
} from './layout';

/**
 * Control plane, after the thread of `worker` ended: releases its locks and unlinks the conns it had
 * half made. Returns how many; their slots are in SCRATCH_LIST, to be reclaimed after a grace period.
 */
export function recoverWorker(worker: u32): u32 {
  const owner = worker + 1;
  const descriptor: usize = atomic.load<u32>(CTL_DESCRIPTOR);
  releaseBuckets(load<u32>(descriptor, DESC_CURRENT), owner);
  if (load<u32>(descriptor, DESC_MODE) !== <u32>MODE_NORMAL)
    releaseBuckets(load<u32>(descriptor, DESC_NEXT), owner);
  const end = atomic.load<u32>(CTL_POOL_NEXT);
  for (let slot: u32 = 1; slot < end; slot++) {
    const conn = connAddr(slot);
    if (connLockOwner(conn) === owner) connUnlock(conn);
  }
  let count: u32 = 0;
  for (let slot: u32 = 1; slot < end; slot++) {
    const conn = connAddr(slot);
    if (connOwner(conn) !== owner || !isHalfMade(connLife(conn))) continue;
    if (!indexRemove(slot, OWNER_CONTROL)) continue;
    setConnLife(conn, LIFE_DEAD);
    count = list(slot, count);
  }
  return count;
}

function isHalfMade(life: u32): bool {
  return life === LIFE_FILLING || life === LIFE_LIVE;
}

function releaseBuckets(header: usize, owner: u32): void {
  let bucket: usize = load<u32>(header, INDEX_BUCKETS);
  for (let left = load<u32>(header, INDEX_BUCKET_COUNT); left > 0; left--) {
    if (lockOwner(bucket) === owner) unlockBucket(bucket);
    bucket += <usize>BUCKET_SIZE;
  }
}
