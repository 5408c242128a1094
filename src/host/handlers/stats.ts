import {
  IFACE_STATS_GET,
  STATS_GET,
  STATS_RESET,
  STATS_SOFTWARE,
  STATS_ZERO,
} from '../../api/stats.js';
import { type Handler, plainHandler } from '../api-handler.js';
import type { Gateway } from '../gateway.js';
import { VRF_ID } from '../network.js';
import type { Stats } from '../stats.js';

/** Returns the handlers of the counters' messages. */
export function statsHandlers(gateway: Gateway, stats: Stats): Handler[] {
  return [
    plainHandler(IFACE_STATS_GET, () =>
      [VRF_ID, ...gateway.network.ifaces.map(({ id }) => id)].map((ifaceId) => ({
        ifaceId,
        ...stats.iface(ifaceId),
        // A TUN port has no control plane traffic of its own: the datapath answers by itself.
        cpRxPackets: 0n,
        cpRxBytes: 0n,
        cpTxPackets: 0n,
        cpTxBytes: 0n,
      })),
    ),
    plainHandler(STATS_GET, ({ flags, pattern }) => {
      if ((flags & STATS_SOFTWARE) === 0) return [];
      const isMatch = globMatcher(pattern);
      return stats
        .counters()
        .map(({ name, count }, order) => ({
          name,
          topoOrder: BigInt(order),
          packets: count,
          batches: 0n,
          cycles: 0n,
        }))
        .filter(({ name, packets }) => (packets > 0n || flags & STATS_ZERO) && isMatch(name));
    }),
    plainHandler(STATS_RESET, () => stats.reset()),
  ];
}

/** Returns a test for a glob of `*` and `?`, as in fnmatch(3); an empty one matches all. */
function globMatcher(pattern: string): (name: string) => boolean {
  if (pattern === '') return () => true;
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const regExp = new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
  return (name) => regExp.test(name);
}
