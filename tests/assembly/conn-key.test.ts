import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CTL_INDEX_HEADERS, INDEX_SECRET, KEY_SIZE, SCRATCH_LIST } from '../../assembly/layout.js';
import { indexBucketCount } from '../../src/host/index-region.js';
import { type TestKey, writeKey } from '../support/conns.js';
import { printedSeed, seededRandom, testDatapath } from '../support/datapath.js';

const test = suite('conn-key');

const WORD = (1n << 64n) - 1n;
const GOLDEN = 0x9e3779b97f4a7c15n;

/** The hash by its formula, in arithmetic of any width. */
function hashByFormula(secret: readonly bigint[], words: readonly bigint[]): number {
  const [k0 = 0n, k1 = 0n, k2 = 0n, k3 = 0n, k4 = 0n] = secret;
  const [a = 0n, b = 0n, c = 0n, d = 0n] = words;
  let mix = (k0 + (k1 + a) * (k2 + c) + (k3 + b) * (k4 + d)) & WORD;
  mix ^= mix >> 32n;
  mix = (mix * GOLDEN) & WORD;
  return Number((mix ^ (mix >> 32n)) & 0xffffffffn);
}

test('is the multilinear hash of the four words, finalised', () => {
  const random = seededRandom(printedSeed('conn-key formula'));
  const { shared, wasm } = testDatapath();
  for (let round = 0; round < 1000; round++) {
    const secret = Array.from({ length: 5 }, () => (BigInt(random()) << 32n) | BigInt(random()));
    const words = Array.from({ length: 4 }, () => BigInt(random()));
    for (const [n, word] of secret.entries())
      shared.u64[((CTL_INDEX_HEADERS + INDEX_SECRET) >>> 3) + n] = word;
    for (const [n, word] of words.entries()) shared.u32[(SCRATCH_LIST >>> 2) + n] = Number(word);
    const hash = wasm.hashKey(CTL_INDEX_HEADERS, SCRATCH_LIST) >>> 0;
    assert.is(hash, hashByFormula(secret, words), `round ${round}`);
  }
});

/** What traffic looks like: one thing varies, in sequence, then the next. */
const PORTS = 60000;
const PATTERNS: readonly [string, (n: number) => TestKey][] = [
  [
    'ports of a client',
    (n) => ({ src: 10 + Math.floor(n / PORTS), dst: 0x08080808, srcId: n % PORTS, dstId: 443 }),
  ],
  ['clients of one server', (n) => ({ src: 0x0a000000 + n, dst: 1, srcId: 5000, dstId: 443 })],
  ['servers of one client', (n) => ({ src: 0x0a000001, dst: n << 8, srcId: 5000, dstId: 443 })],
  [
    'scans of ports',
    (n) => ({ src: 10 + Math.floor(n / PORTS), dst: 0x08080808, srcId: 5000, dstId: n % PORTS }),
  ],
  [
    'a grid of clients and ports',
    (n) => ({ src: 0x0a000000 + (n >>> 8), dst: 7, srcId: 1024 + (n & 255), dstId: 80 }),
  ],
  [
    'replies to outside addresses',
    (n) => ({ src: 1, dst: 20 + Math.floor(n / PORTS), srcId: 443, dstId: n % PORTS }),
  ],
];

/** Returns the share of buckets with more than 12 of `hashes` when there are `count` buckets. */
function overfullShare(hashes: Uint32Array, count: number): number {
  const sizes = new Uint8Array(count);
  for (const hash of hashes) {
    const bucket = Math.floor((hash / 2 ** 32) * count);
    sizes[bucket] = Math.min((sizes[bucket] ?? 0) + 1, 255);
  }
  return sizes.reduce((sum, size) => sum + (size > 12 ? 1 : 0), 0) / count;
}

test('spreads patterned keys as well as random ones, whatever the secret', () => {
  const random = seededRandom(printedSeed('conn-key spread'));
  const { shared, view, wasm } = testDatapath();
  const keys = 240000;
  // 12 places a bucket, half of them taken: chance overfills 0.88 % of the buckets, with a standard
  // deviation of 0.05 %.
  const buckets = indexBucketCount((keys * 0.6) / 0.5 / 2);
  assert.ok(Math.abs(keys / (buckets * 12) - 0.5) < 0.001);
  const hashes = new Uint32Array(keys);
  for (const [name, pattern] of PATTERNS) {
    for (let n = 0; n < keys; n++) writeKey(view, SCRATCH_LIST + n * KEY_SIZE, pattern(n));
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 10; n++)
        shared.u32[((CTL_INDEX_HEADERS + INDEX_SECRET) >>> 2) + n] = random();
      for (let n = 0; n < keys; n++)
        hashes[n] = wasm.hashKey(CTL_INDEX_HEADERS, SCRATCH_LIST + n * KEY_SIZE);
      const share = overfullShare(hashes, buckets);
      assert.ok(share < 0.012, `${name}, secret ${round}: ${(share * 100).toFixed(2)} %`);
    }
  }
});

test.run();
