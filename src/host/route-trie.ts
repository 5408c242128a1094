import {
  ROUTE_FLAGS,
  ROUTE_IFACE,
  ROUTE_SIZE,
  TRIE_NODE,
  TRIE_NODE_SIZE,
  TRIE_ROOT_SIZE,
} from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';

/** A route as the datapath sees it; the network is a u32 in host order. */
export interface RouteRecord {
  readonly network: number;
  readonly prefixLength: number;
  /** ROUTE_F_* of the layout; 0 for a plain route through `ifaceId`. */
  readonly flags: number;
  readonly ifaceId: number;
}

/** Byte addresses of the memory a trie may use: its root, and [start, end) for nodes and routes. */
interface TrieRegion {
  readonly root: number;
  readonly start: number;
  readonly end: number;
}

const NODE_WORDS = TRIE_NODE_SIZE / 4;

/**
 * Writes a longest-prefix-match trie of 16, 8 and 8 bits (Gupta, Lin and McKeown, "Routing lookups
 * in hardware at memory access speeds", with a third level instead of a 24-bit root) and the route
 * records. Returns the byte addresses of both.
 *
 * Routes are entered shortest prefix first, so that a longer one simply overwrites its range; of
 * two with the same prefix the later wins.
 *
 * @throws {ControlError} ENOSPC when the region is too small.
 */
export function writeRoutes(
  words: Uint32Array,
  region: TrieRegion,
  routes: readonly RouteRecord[],
): { nodes: number; routes: number } {
  const recordsSize = (routes.length + 1) * ROUTE_SIZE;
  const maxNodes = Math.floor((region.end - region.start - recordsSize) / TRIE_NODE_SIZE);
  const root = region.root >>> 2;
  const nodes = region.start >>> 2;
  let nodeCount = 0;

  /** Returns the word index of the node that the entry at `slot` leads to, made if needed. */
  const descend = (slot: number): number => {
    const entry = words[slot] ?? 0;
    if (entry & TRIE_NODE) return nodes + (entry & ~TRIE_NODE) * NODE_WORDS;
    if (nodeCount >= maxNodes)
      throw new ControlError('ENOSPC', `${routes.length} routes do not fit the routing table`);
    const node = nodes + nodeCount * NODE_WORDS;
    words.fill(entry, node, node + NODE_WORDS);
    words[slot] = TRIE_NODE | nodeCount++;
    return node;
  };

  words.fill(0, root, root + TRIE_ROOT_SIZE / 4);
  const order = routes
    .map((route, row) => ({ ...route, number: row + 1 }))
    .sort((a, b) => a.prefixLength - b.prefixLength);
  for (const { network, prefixLength, number } of order) {
    const level16 = root + (network >>> 16);
    if (prefixLength <= 16) {
      words.fill(number, level16, level16 + (1 << (16 - prefixLength)));
      continue;
    }
    const level24 = descend(level16) + ((network >>> 8) & 0xff);
    if (prefixLength <= 24) {
      words.fill(number, level24, level24 + (1 << (24 - prefixLength)));
      continue;
    }
    const level32 = descend(level24) + (network & 0xff);
    words.fill(number, level32, level32 + (1 << (32 - prefixLength)));
  }

  // Record 0 stands for "no route" and is never read.
  const records = region.start + nodeCount * TRIE_NODE_SIZE;
  for (const [row, { flags, ifaceId }] of routes.entries()) {
    const record = records + (row + 1) * ROUTE_SIZE;
    words[(record + ROUTE_FLAGS) >>> 2] = flags;
    words[(record + ROUTE_IFACE) >>> 2] = ifaceId;
  }
  return { nodes: region.start, routes: records };
}
