import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  MAX_TRAN_POOLS,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST,
} from '../../assembly/layout.js';
import { createMemory } from '../../src/host/memory.js';
import { TranPools } from '../../src/host/tran-pools.js';

const test = suite('tran-pools');

test('all users of one address share its pools, other addresses have their own', () => {
  const pools = new TranPools(createMemory(1));
  const first = pools.acquire(1);
  assert.equal(pools.acquire(1), first);
  const second = pools.acquire(2);
  const numbers = new Set([...Object.values(first), ...Object.values(second)]);
  assert.is(numbers.size, 6);
});

test('ports start at 1024 and ICMP identifiers at 1', () => {
  const shared = createMemory(1);
  const { tcp, udp, icmp } = new TranPools(shared).acquire(1);
  const lowest = (pool: number) =>
    shared.u32[(TRAN_HEADERS_BASE + pool * TRAN_HEADER_SIZE + TRAN_LOWEST) >>> 2];
  assert.equal([lowest(tcp), lowest(udp), lowest(icmp)], [1024, 1024, 1]);
});

test('pools are used again only after the last user of their address is gone', () => {
  const pools = new TranPools(createMemory(1));
  const first = pools.acquire(1);
  pools.acquire(1);
  pools.release(1);
  assert.is.not(pools.acquire(2).tcp, first.tcp);
  pools.release(1);
  assert.is(pools.acquire(3).tcp, first.tcp);
});

test('when all pools are taken the next address is refused and known ones still work', () => {
  const pools = new TranPools(createMemory(1));
  const most = Math.floor(MAX_TRAN_POOLS / 3);
  for (let addr = 1; addr <= most; addr++) pools.acquire(addr);
  assert.throws(() => pools.acquire(most + 1), /more than 1365 replacement addresses/);
  assert.is(pools.acquire(1).tcp, 0);
});

test.run();
