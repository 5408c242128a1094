import { randomFillSync } from 'node:crypto';
import {
  BUCKET_SIZE,
  BUCKET_WAYS,
  CTL_DESCRIPTOR,
  CTL_DESCRIPTORS,
  CTL_INDEX_HEADERS,
  DESC_CURRENT,
  DESC_MODE,
  DESC_NEXT,
  DESCRIPTOR_COUNT,
  DESCRIPTOR_SIZE,
  INDEX_BASE,
  INDEX_BUCKET_COUNT,
  INDEX_BUCKETS,
  INDEX_HALF,
  INDEX_HEADER_SIZE,
  INDEX_SECRET,
} from '../../assembly/layout.js';
import type { SharedMemory } from './memory.js';

/** A half of the index region; a migration goes from one to the other. */
export type IndexHalf = 0 | 1;

/** The five u64 of the multilinear hash. */
export type IndexSecret = readonly [bigint, bigint, bigint, bigint, bigint];

/** Above this share of places taken, buckets overflow so often that misses become dear. */
const MAX_LOAD = 0.6;
const MIN_BUCKETS = 4;

/** Returns the address of the index header of a half. */
export function indexHeader(half: IndexHalf): number {
  return CTL_INDEX_HEADERS + half * INDEX_HEADER_SIZE;
}

/** Returns how many buckets the index of `maxConns` conns (two keys each) has. */
export function indexBucketCount(maxConns: number): number {
  return Math.max(MIN_BUCKETS, Math.ceil((2 * maxConns) / (BUCKET_WAYS * MAX_LOAD)));
}

/**
 * Builds an empty index for `maxConns` conns in a half that no worker uses, all at once: for a table
 * that is small, or new.
 *
 * Its secret is random unless a test gives one.
 */
export function buildIndexHeader(
  shared: SharedMemory,
  half: IndexHalf,
  maxConns: number,
  secret: IndexSecret = randomSecret(),
): void {
  wipeBuckets(shared, half, 0, indexBucketCount(maxConns));
  writeIndexHeader(shared, half, maxConns, secret);
}

/** Empties buckets [from, to) of a half that no worker uses. */
export function wipeBuckets(shared: SharedMemory, half: IndexHalf, from: number, to: number): void {
  const buckets = INDEX_BASE + half * INDEX_HALF;
  shared.bytes.fill(0, buckets + from * BUCKET_SIZE, buckets + to * BUCKET_SIZE);
}

/** Writes the header of an index for `maxConns` conns whose buckets are wiped. */
export function writeIndexHeader(
  shared: SharedMemory,
  half: IndexHalf,
  maxConns: number,
  secret: IndexSecret = randomSecret(),
): void {
  const header = indexHeader(half);
  const count = indexBucketCount(maxConns);
  if (count * BUCKET_SIZE > INDEX_HALF)
    throw new Error(`an index of ${count} buckets does not fit into its half`);
  shared.u32[(header + INDEX_BUCKETS) >>> 2] = INDEX_BASE + half * INDEX_HALF;
  shared.u32[(header + INDEX_BUCKET_COUNT) >>> 2] = count;
  for (const [n, word] of secret.entries()) shared.u64[((header + INDEX_SECRET) >>> 3) + n] = word;
}

/**
 * Writes the next index descriptor and publishes it with a seq-cst store.
 *
 * Descriptors are used in turn. One is written again after all others were, each of them followed
 * by a grace period, so that no worker reads it any more.
 */
export function publishDescriptor(
  shared: SharedMemory,
  mode: number,
  currentHalf: IndexHalf,
  nextHalf?: IndexHalf,
): void {
  const published = Atomics.load(shared.u32, CTL_DESCRIPTOR >>> 2);
  const turn = published === 0 ? 0 : (published - CTL_DESCRIPTORS) / DESCRIPTOR_SIZE + 1;
  const descriptor = CTL_DESCRIPTORS + (turn % DESCRIPTOR_COUNT) * DESCRIPTOR_SIZE;
  shared.u32[(descriptor + DESC_MODE) >>> 2] = mode;
  shared.u32[(descriptor + DESC_CURRENT) >>> 2] = indexHeader(currentHalf);
  shared.u32[(descriptor + DESC_NEXT) >>> 2] = nextHalf === undefined ? 0 : indexHeader(nextHalf);
  Atomics.store(shared.u32, CTL_DESCRIPTOR >>> 2, descriptor);
}

function randomSecret(): IndexSecret {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n] = randomFillSync(new BigUint64Array(5));
  return [a, b, c, d, e];
}
