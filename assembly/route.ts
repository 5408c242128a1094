// Routing: the longest prefix of a destination in the trie of the tables' snapshot, 16, 8 and 8 bits
// deep, and what its route leads to. src/host/route-trie.ts writes the trie.
import {
  IFACE_F_UP,
  IFACE_FLAGS,
  IFACE_MTU,
  IFACE_SIZE,
  ROUTE_FLAGS,
  ROUTE_IFACE,
  ROUTE_SIZE,
  SNAP_IFACES,
  SNAP_NODES,
  SNAP_ROOT,
  SNAP_ROUTES,
  TRIE_NODE,
  TRIE_NODE_SIZE,
} from './layout';

/** Returns the route record of the longest prefix of `addr` (host order), 0 for none. */
export function routeLookup(snapshot: usize, addr: u32): usize {
  let entry = load<u32>(snapshot + ((addr >> 16) << 2), SNAP_ROOT);
  if (entry & TRIE_NODE) {
    entry = load<u32>(nodeOf(snapshot, entry) + (((addr >> 8) & 0xff) << 2));
    if (entry & TRIE_NODE) entry = load<u32>(nodeOf(snapshot, entry) + ((addr & 0xff) << 2));
  }
  if (entry === 0) return 0;
  return <usize>load<u32>(snapshot, SNAP_ROUTES) + <usize>entry * <usize>ROUTE_SIZE;
}

/** Returns the ROUTE_F_* of a route, 0 for a plain one and for none. */
export function routeFlags(route: usize): u32 {
  return route === 0 ? 0 : load<u32>(route, ROUTE_FLAGS);
}

/** Returns whether packets can leave by `route`: it exists and leads to no address of our own. */
export function routeLeadsOut(route: usize): bool {
  return route !== 0 && load<u32>(route, ROUTE_FLAGS) === 0;
}

/** Returns the id of the interface that a route leads out through. */
export function routeIface(route: usize): u32 {
  return load<u32>(route, ROUTE_IFACE);
}

/** Returns the record of an interface. */
export function ifaceOf(snapshot: usize, id: u32): usize {
  return snapshot + SNAP_IFACES + <usize>id * <usize>IFACE_SIZE;
}

/** Returns whether an interface takes packets. */
export function ifaceIsUp(iface: usize): bool {
  return (load<u32>(iface, IFACE_FLAGS) & IFACE_F_UP) !== 0;
}

/** Returns the largest packet in bytes that fits an interface. */
export function ifaceMtu(iface: usize): u32 {
  return load<u32>(iface, IFACE_MTU);
}

function nodeOf(snapshot: usize, entry: u32): usize {
  return (
    <usize>load<u32>(snapshot, SNAP_NODES) + <usize>(entry & ~TRIE_NODE) * <usize>TRIE_NODE_SIZE
  );
}
