import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ROUTE_IFACE, ROUTE_SIZE, TRIE_NODE, TRIE_NODE_SIZE } from '../../assembly/layout.js';
import { type RouteRecord, writeRoutes } from '../../src/host/route-trie.js';

const test = suite('route-trie');

const REGION = { root: 0, start: 262144, end: 4 << 20 };

/** Walks the trie as the datapath does: the interface of the longest match, 0 for none. */
function lookUp(words: Uint32Array, at: { nodes: number; routes: number }, addr: number): number {
  let entry = words[addr >>> 16] ?? 0;
  for (const byte of [(addr >>> 8) & 0xff, addr & 0xff]) {
    if (!(entry & TRIE_NODE)) break;
    const node = at.nodes + (entry & ~TRIE_NODE) * TRIE_NODE_SIZE;
    entry = words[(node >>> 2) + byte] ?? 0;
  }
  if (entry === 0) return 0;
  return words[(at.routes + entry * ROUTE_SIZE + ROUTE_IFACE) >>> 2] ?? 0;
}

function longestMatch(routes: readonly RouteRecord[], addr: number): number {
  let best: RouteRecord | undefined;
  for (const route of routes) {
    const shift = 2 ** (32 - route.prefixLength);
    if (Math.floor(addr / shift) !== Math.floor(route.network / shift)) continue;
    if (best === undefined || route.prefixLength >= best.prefixLength) best = route;
  }
  return best?.ifaceId ?? 0;
}

function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
}

test('finds what a linear search for the longest prefix finds', () => {
  const seed = (Date.now() & 0xffffffff) >>> 0;
  const random = randomSource(seed);
  const words = new Uint32Array(REGION.end >>> 2).fill(0xa5a5a5a5);
  for (let round = 0; round < 20; round++) {
    const routes: RouteRecord[] = [];
    for (let n = 0; n < 40; n++) {
      const prefixLength = (random() >>> 8) % 33;
      // Few distinct leading bits, so that prefixes nest.
      const addr = ((random() >>> 5) & 0x03030303) >>> 0;
      const network = Math.floor(addr / 2 ** (32 - prefixLength)) * 2 ** (32 - prefixLength);
      routes.push({ network, prefixLength, flags: 0, ifaceId: n + 1 });
    }
    const at = writeRoutes(words, REGION, routes);
    for (let n = 0; n < 2000; n++) {
      const addr = ((random() >>> 3) & 0x07070707) >>> 0;
      assert.is(lookUp(words, at, addr), longestMatch(routes, addr), `seed ${seed} addr ${addr}`);
    }
  }
});

test('refuses more routes than its region holds, naming how many', () => {
  const words = new Uint32Array(REGION.end >>> 2);
  const routes = Array.from({ length: 5000 }, (_, n) => ({
    network: (n << 16) >>> 0,
    prefixLength: 32,
    flags: 0,
    ifaceId: 1,
  }));
  assert.throws(() => writeRoutes(words, REGION, routes), /5000 routes/);
});

test.run();
