import { IFACE_STATS_GET, type IfaceStats } from '../api/stats.js';
import type { CliContext } from './context.js';
import { IfaceNames } from './iface-names.js';
import type { Field } from './output.js';

/** Prints the traffic of all interfaces. */
export async function showInterfaceStats({ connect, output }: CliContext): Promise<void> {
  const api = await connect();
  const stats = await api.call(IFACE_STATS_GET, {});
  const names = new IfaceNames();
  await names.learn(
    api,
    stats.map(({ ifaceId }) => ifaceId),
  );
  const fields: readonly Field<IfaceStats>[] = [
    { header: 'INTERFACE', align: 'left', value: ({ ifaceId }) => names.get(ifaceId) },
    { header: 'RX_PACKETS', align: 'right', value: ({ rxPackets }) => rxPackets },
    { header: 'RX_BYTES', align: 'right', value: ({ rxBytes }) => rxBytes },
    { header: 'RX_DROPS', align: 'right', value: ({ rxDrops }) => rxDrops },
    { header: 'TX_PACKETS', align: 'right', value: ({ txPackets }) => txPackets },
    { header: 'TX_BYTES', align: 'right', value: ({ txBytes }) => txBytes },
    { header: 'TX_ERRORS', align: 'right', value: ({ txErrors }) => txErrors },
    { header: 'CP_RX_PACKETS', align: 'right', value: ({ cpRxPackets }) => cpRxPackets },
    { header: 'CP_RX_BYTES', align: 'right', value: ({ cpRxBytes }) => cpRxBytes },
    { header: 'CP_TX_PACKETS', align: 'right', value: ({ cpTxPackets }) => cpTxPackets },
    { header: 'CP_TX_BYTES', align: 'right', value: ({ cpTxBytes }) => cpTxBytes },
  ];
  await output.list(fields, stats);
}
