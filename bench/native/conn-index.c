// The lookup of the conn index in C, over the datapath's own memory: the same buckets, keys and
// conns, found by the same passes over bursts. What differs is the compiler.
#include <emmintrin.h>
#include <stdint.h>
#include <string.h>

// Offsets as in assembly/layout.ts; the benchmark compares its results with the datapath's.
enum {
  INDEX_BUCKETS = 0,
  INDEX_BUCKET_COUNT = 4,
  INDEX_SECRET = 8,
  BUCKET_SIZE = 64,
  BUCKET_OVERFLOW = 12,
  BUCKET_ENTRIES = 16,
  MAX_PROBES = 33,
  POOL_BASE = 0x40000000,
  CONN_SIZE = 128,
  KEY_SIZE = 16,
  MAX_BURST = 64,
};

static uint32_t u32(const uint8_t *at) { return *(const volatile uint32_t *)at; }
static uint64_t u64(const uint8_t *at) { return *(const uint64_t *)at; }

static uint32_t hash_key(const uint8_t *header, const uint8_t *key) {
  const uint8_t *k = header + INDEX_SECRET;
  uint64_t first = u64(key), second = u64(key + 8);
  uint64_t mix = u64(k) + (u64(k + 8) + (uint32_t)first) * (u64(k + 16) + (uint32_t)second) +
                 (u64(k + 24) + (first >> 32)) * (u64(k + 32) + (second >> 32));
  mix ^= mix >> 32;
  mix *= 0x9e3779b97f4a7c15u;
  return (uint32_t)(mix ^ (mix >> 32));
}

static const uint8_t *home_bucket(const uint8_t *base, const uint8_t *header, uint32_t hash) {
  uint64_t number = ((uint64_t)hash * u32(header + INDEX_BUCKET_COUNT)) >> 32;
  return base + u32(header + INDEX_BUCKETS) + number * BUCKET_SIZE;
}

static const uint8_t *key_of(const uint8_t *base, uint32_t entry) {
  return base + POOL_BASE + (uint64_t)(entry >> 1) * CONN_SIZE + (entry & 1) * KEY_SIZE;
}

static int is_same(const uint8_t *a, const uint8_t *b) {
  return u64(a) == u64(b) && u64(a + 8) == u64(b + 8);
}

static uint32_t matches_in(const uint8_t *bucket, uint32_t hash) {
  __m128i tags = _mm_load_si128((const __m128i *)bucket);
  return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)hash))) & 0xfff;
}

static uint32_t look_up(const uint8_t *base, const uint8_t *header, const uint8_t *key,
                        uint32_t hash) {
  const uint8_t *bucket = home_bucket(base, header, hash);
  const uint8_t *first = base + u32(header + INDEX_BUCKETS);
  const uint8_t *end = first + (uint64_t)u32(header + INDEX_BUCKET_COUNT) * BUCKET_SIZE;
  for (int probes = 0; probes < MAX_PROBES; probes++) {
    for (uint32_t left = matches_in(bucket, hash); left != 0; left &= left - 1) {
      uint32_t entry = u32(bucket + BUCKET_ENTRIES + 4 * __builtin_ctz(left));
      if ((int32_t)entry > 0 && is_same(key_of(base, entry), key)) return entry;
    }
    if (bucket[BUCKET_OVERFLOW] == 0) return 0;
    bucket += BUCKET_SIZE;
    if (bucket == end) bucket = first;
  }
  return 0;
}

// One batch; `touch` is a load, as WebAssembly has no other way to ask for a line.
static uint32_t look_up_batch(const uint8_t *base, const uint8_t *header, const uint8_t *keys,
                              uint32_t size) {
  static uint32_t sink;
  uint8_t copies[MAX_BURST][KEY_SIZE];
  uint32_t hashes[MAX_BURST];
  uint32_t candidates[MAX_BURST];
  const uint8_t *lines[MAX_BURST];
  uint32_t found = 0, sum = 0;
  memcpy(copies, keys, (size_t)size * KEY_SIZE);
  for (uint32_t n = 0; n < size; n++) {
    hashes[n] = hash_key(header, copies[n]);
    lines[n] = home_bucket(base, header, hashes[n]);
  }
  for (uint32_t n = 0; n < size; n++) sum += u32(lines[n]);
  for (uint32_t n = 0; n < size; n++) {
    uint32_t matches = matches_in(lines[n], hashes[n]);
    candidates[n] =
        matches == 0 ? 0 : u32(lines[n] + BUCKET_ENTRIES + 4 * __builtin_ctz(matches)) & ~(1u << 31);
  }
  for (uint32_t n = 0; n < size; n++) sum += u32(key_of(base, candidates[n]));
  *(volatile uint32_t *)&sink = sum;
  for (uint32_t n = 0; n < size; n++) {
    uint32_t entry = candidates[n];
    if (entry == 0 || !is_same(key_of(base, entry), copies[n]))
      entry = look_up(base, header, copies[n], hashes[n]);
    found += entry != 0;
  }
  return found;
}

// Returns how many of `count` keys the index at `header` holds.
uint32_t index_look_up(uintptr_t memory, uint32_t header, uint32_t keys, uint32_t count,
                       uint32_t batch) {
  const uint8_t *base = (const uint8_t *)memory;
  uint32_t found = 0;
  for (uint32_t done = 0; done < count; done += batch) {
    uint32_t size = count - done < batch ? count - done : batch;
    const uint8_t *at = base + keys + (uint64_t)done * KEY_SIZE;
    if (size > 1) found += look_up_batch(base, base + header, at, size);
    else found += look_up(base, base + header, at, hash_key(base + header, at)) != 0;
  }
  return found;
}

// Returns the sum of the hashes of `count` keys.
uint32_t index_hash(uintptr_t memory, uint32_t header, uint32_t keys, uint32_t count) {
  const uint8_t *base = (const uint8_t *)memory;
  uint32_t sum = 0;
  for (uint32_t n = 0; n < count; n++)
    sum += hash_key(base + header, base + keys + (uint64_t)n * KEY_SIZE);
  return sum;
}
