import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packetBench } from '../support/packet-steps.js';

const SECOND_NS = 1_000_000_000n;
const START_NS = 5n * SECOND_NS;

const { wasm } = packetBench();
const test = suite('rate limit');

test('gives 50 tokens at once, then one every 10 ms', () => {
  const taken = (nowNs: bigint, tries: number) => {
    let count = 0;
    for (let n = 0; n < tries; n++) count += wasm.takeIcmpToken(nowNs);
    return count;
  };
  assert.is(taken(START_NS, 100), 50);
  assert.is(taken(START_NS + 9_999_999n, 100), 0);
  assert.is(taken(START_NS + 10_000_000n, 100), 1);
  assert.is(taken(START_NS + 35_000_000n, 100), 2);
  assert.is(taken(START_NS + 10n * SECOND_NS, 100), 50);
});

test('keeps to 100 a second under a steady load', () => {
  const from = START_NS + 100n * SECOND_NS;
  let count = 0;
  for (let ms = 0n; ms < 10_000n; ms++)
    for (let n = 0; n < 5; n++) count += wasm.takeIcmpToken(from + ms * 1_000_000n);
  assert.is(count, 50 + 999);
});

test.run();
