import { CONNTRACK_FLUSH, CONNTRACK_LIST } from '../api/conntrack.js';
import { CONN_COLUMNS, connRows, type ShownConn, shownConn } from '../api/shown-conn.js';
import { ConnBuffer } from './conn-buffer.js';
import { CONNTRACK_SETTINGS } from './conntrack-config.js';
import { CONNTRACK_INVALID } from './conntrack-invalid.js';
import type { CliContext } from './context.js';
import { daemonNowNs } from './daemon-clock.js';
import { type CommandGroup, keywordCommand } from './grammar/command.js';
import { IfaceNames } from './iface-names.js';

/** `conntrack`: what is tracked, and how. */
export const CONNTRACK: CommandGroup = {
  name: 'conntrack',
  summary: 'Connection tracking',
  members: [
    keywordCommand({
      name: 'flush',
      summary: 'Remove all tracked connections',
      keywords: {},
      run: flush,
    }),
    CONNTRACK_SETTINGS,
    CONNTRACK_INVALID,
    keywordCommand({
      name: 'show',
      summary: 'Show the tracked connections, a line for each direction',
      keywords: {},
      run: show,
    }),
  ],
};

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
