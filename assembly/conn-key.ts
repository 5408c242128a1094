// A key's hash: the multilinear family MLHM over the key's four u32 words with five random u64 of
// the index (Lemire and Kaser, "Strongly universal string hashing is fast", 2014), then a finaliser
// of one multiplication between two xorshifts. MLHM alone is only pairwise independent, and
// sequential addresses and ports pile up in some buckets under some secrets; the finaliser, a
// bijection, ends that. Its last xorshift costs a fraction of a nanosecond; without it one secret in
// some thousands still overfilled up to 1.8 times as many buckets as chance does.
//
// It is no pseudo-random function: who could time single lookups could in principle learn the
// secrets. Every index has its own, so a migration deals new ones.
import { INDEX_SECRET } from './layout';

/** 2^64 divided by the golden ratio: odd, its bits well mixed. */
const FINALISER: u64 = ((<u64>0x9e3779b9) << 32) | <u64>0x7f4a7c15;
const LOW_HALF: u64 = 0xffffffff;

/** The hash of a key of two u64 under the secret of five. */
export class KeyHash {
  @inline static of(a: u64, b: u64, c: u64, d: u64, e: u64, first: u64, second: u64): u32 {
    let mix =
      a +
      (b + (first & LOW_HALF)) * (c + (second & LOW_HALF)) +
      (d + (first >> 32)) * (e + (second >> 32));
    mix ^= mix >> 32;
    mix *= FINALISER;
    return <u32>(mix ^ (mix >> 32));
  }
}

/** Returns the hash of the 16-byte key under the secret of the index at `header`. */
export function hashKey(header: usize, key: usize): u32 {
  return KeyHash.of(
    load<u64>(header, INDEX_SECRET),
    load<u64>(header, INDEX_SECRET + 8),
    load<u64>(header, INDEX_SECRET + 16),
    load<u64>(header, INDEX_SECRET + 24),
    load<u64>(header, INDEX_SECRET + 32),
    load<u64>(key),
    load<u64>(key, 8),
  );
}

/** Returns whether two 16-byte keys are the same. */
export function isSameKey(a: usize, b: usize): bool {
  return load<u64>(a) === load<u64>(b) && load<u64>(a, 8) === load<u64>(b, 8);
}
