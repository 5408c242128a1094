// What several commands say of conns in the same words.
import type { ApiClient } from '../api/client.js';
import { CONNTRACK_CONF_GET } from '../api/conntrack.js';

const NS_PER_SEC = 1_000_000_000n;

/** Returns the id of a conn as it is shown. */
export function formatConnId(id: number): string {
  return `0x${id.toString(16).padStart(8, '0')}`;
}

/**
 * Returns the present on the clock that conns and packets are stamped with. A daemon that does not
 * tell it runs on this machine: its clock is close to this process's own.
 */
export async function daemonNowNs(api: ApiClient, monotonicNs: () => bigint): Promise<bigint> {
  const { nowNs } = await api.call(CONNTRACK_CONF_GET, {});
  return nowNs ?? monotonicNs();
}

/** Returns the whole seconds from `timeNs` to `nowNs`, 0 when it is still to come. */
export function ageSec(nowNs: bigint, timeNs: bigint): number {
  const ageNs = nowNs - timeNs;
  return ageNs > 0n ? Number(ageNs / NS_PER_SEC) : 0;
}
