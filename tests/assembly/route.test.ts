import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CTL_SNAPSHOT, ROUTE_IFACE, SNAP_ROUTES } from '../../assembly/layout.js';
import { maskOf } from '../../src/api/ipv4.js';
import { Qsbr } from '../../src/host/qsbr.js';
import type { RouteRecord } from '../../src/host/route-trie.js';
import { Tables } from '../../src/host/tables.js';
import { printedSeed, seededRandom, testDatapath } from '../support/datapath.js';
import type { PacketSteps } from '../support/packet-steps.js';

const test = suite('route');

const { shared, view, wasm } = testDatapath({ ceiling: 1 });
// The module exports the packet path's steps too; asc checked their types.
const { routeLookup } = wasm as unknown as PacketSteps;
const tables = new Tables(shared, new Qsbr(shared));

/** Publishes routes and returns a lookup of the interface, 0 for no route. */
async function publish(routes: readonly RouteRecord[]): Promise<(addr: number) => number> {
  await tables.publish({ ifaces: [], policies: [], routes }, () => undefined);
  const snapshot = Atomics.load(shared.u32, CTL_SNAPSHOT >>> 2);
  return (addr) => {
    const route = routeLookup(snapshot, addr) >>> 0;
    if (route === 0) return 0;
    assert.ok(route > view.getUint32(snapshot + SNAP_ROUTES, true));
    return view.getUint32(route + ROUTE_IFACE, true);
  };
}

test('finds nothing in an empty table', async () => {
  const lookup = await publish([]);
  for (const addr of [0, 1, 0x0a000001, 0xffffffff]) assert.is(lookup(addr), 0);
});

test('finds the longest prefix at every length', async () => {
  const addr = 0xac10ff81;
  const routes = Array.from({ length: 33 }, (_, prefixLength) => ({
    network: (addr & maskOf(prefixLength)) >>> 0,
    prefixLength,
    flags: 0,
    ifaceId: prefixLength + 1,
  }));
  const lookup = await publish(routes);
  assert.is(lookup(addr), 33);
  for (let bit = 0; bit < 32; bit++)
    assert.is(lookup((addr ^ (1 << bit)) >>> 0), 32 - bit, `bit ${bit} differs`);
});

test('agrees with a search through all routes', async () => {
  const random = seededRandom(printedSeed('route'));
  // Few bits vary, so that prefixes lie in each other.
  const address = () => (random() & 0xc003c183) >>> 0;
  const routes = Array.from({ length: 400 }, (_, n) => {
    const prefixLength = random() % 33;
    const network = (address() & maskOf(prefixLength)) >>> 0;
    return { network, prefixLength, flags: 0, ifaceId: n + 1 };
  });
  const lookup = await publish(routes);
  for (let round = 0; round < 20_000; round++) {
    const addr = address();
    let best: RouteRecord | undefined;
    for (const route of routes) {
      if ((addr & maskOf(route.prefixLength)) >>> 0 !== route.network) continue;
      if (best === undefined || route.prefixLength >= best.prefixLength) best = route;
    }
    assert.is(lookup(addr), best?.ifaceId ?? 0, `address ${addr}`);
  }
});

test.run();
