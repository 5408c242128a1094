import {
  CONNTRACK_CONF_GET,
  CONNTRACK_CONF_SET,
  CONNTRACK_FLUSH,
  CONNTRACK_LIST,
} from '../../api/conntrack.js';
import { type Handler, plainHandler, streamHandler } from '../api-handler.js';
import type { ConnTable } from '../conn-table.js';
import type { Conntrack } from '../conntrack.js';
import type { Log } from '../log.js';

/** Returns the handlers of the CONNTRACK_* messages. */
export function conntrackHandlers(
  conntrack: Conntrack,
  table: ConnTable,
  nowNs: () => bigint,
  log: Log,
): Handler[] {
  return [
    streamHandler(CONNTRACK_LIST, () => table.list()),
    plainHandler(CONNTRACK_FLUSH, async () => {
      const count = await table.remove({});
      log.info(`flush: ${count} conns removed`);
    }),
    plainHandler(CONNTRACK_CONF_GET, () => ({
      ...conntrack.config,
      used: table.used,
      nowNs: nowNs(),
      migratedPercent: conntrack.migratedPercent,
    })),
    plainHandler(CONNTRACK_CONF_SET, (change) => conntrack.set(change)),
  ];
}
