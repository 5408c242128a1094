import type { ApiClient } from '../api/client.js';
import { CONNTRACK_CONF_GET } from '../api/conntrack.js';

/**
 * Returns the present on the clock that conns and packets are stamped with. A daemon that does not
 * tell it runs on this machine: its clock is close to this process's own.
 */
export async function daemonNowNs(api: ApiClient, monotonicNs: () => bigint): Promise<bigint> {
  const { nowNs } = await api.call(CONNTRACK_CONF_GET, {});
  return nowNs ?? monotonicNs();
}
