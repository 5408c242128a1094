import type { Command } from 'commander';
import { CONNTRACK_FLUSH, CONNTRACK_LIST } from '../api/conntrack.js';
import { CONN_COLUMNS, connRows, type ShownConn, shownConn } from '../api/shown-conn.js';
import { ConnBuffer } from './conn-buffer.js';
import { conntrackConfigCommand } from './conntrack-config.js';
import { conntrackInvalidCommand } from './conntrack-invalid.js';
import type { CliContext } from './context.js';
import { daemonNowNs } from './daemon-clock.js';
import { groupCommand, keywordCommand } from './grammar/command.js';
import { IfaceNames } from './iface-names.js';

/** `conntrack`: what is tracked, and how. */
export function conntrackCommand(context: CliContext): Command {
  return groupCommand('conntrack', 'Connection tracking', [
    keywordCommand({
      name: 'flush',
      summary: 'Remove all tracked connections',
      keywords: {},
      run: () => flush(context),
    }),
    conntrackConfigCommand(context),
    conntrackInvalidCommand(context),
    keywordCommand({
      name: 'show',
      summary: 'Show the tracked connections, a line for each direction',
      keywords: {},
      run: () => show(context),
    }),
  ]);
}

async function flush({ connect }: CliContext): Promise<void> {
  const api = await connect();
  await api.call(CONNTRACK_FLUSH, {});
}

async function show({ connect, output, monotonicNs }: CliContext): Promise<void> {
  const api = await connect();
  const conns = new ConnBuffer();
  for await (const conn of api.stream(CONNTRACK_LIST, {})) conns.push(conn);
  const names = new IfaceNames();
  await names.learn(api, conns.ifaceIds());
  // After the list: a packet that comes in between makes a conn look fresh, never from the future.
  const nowNs = conns.isEmpty ? 0n : await daemonNowNs(api, monotonicNs);
  const shown = function* (): Generator<ShownConn> {
    for (const conn of conns) yield shownConn(conn, names.get(conn.ifaceId), nowNs);
  };
  if (output.isJson) return output.jsonArray(shown());
  return output.table(CONN_COLUMNS, () => connRows(shown()));
}
