import type { Command } from 'commander';
import { CONN_STATES, CONNTRACK_FLUSH, CONNTRACK_LIST, type Conn } from '../api/conntrack.js';
import { ConnBuffer } from './conn-buffer.js';
import { ageSec, daemonNowNs, formatConnId } from './conn-words.js';
import { conntrackConfigCommand } from './conntrack-config.js';
import { conntrackInvalidCommand } from './conntrack-invalid.js';
import type { CliContext } from './context.js';
import { groupCommand, keywordCommand } from './grammar/command.js';
import { IfaceNames } from './iface-names.js';
import type { Column, Row } from './table.js';

const COLUMNS: readonly Column[] = [
  { header: 'IFACE', align: 'left' },
  { header: 'ID', align: 'right' },
  { header: 'STATE', align: 'left' },
  { header: 'FLOW', align: 'left' },
  { header: 'SRC', align: 'left' },
  { header: 'DST', align: 'left' },
  { header: 'PROTO', align: 'left' },
  { header: 'SPORT', align: 'right' },
  { header: 'DPORT', align: 'right' },
  { header: 'LAST_UPDATE', align: 'right' },
];

/** Names of the tracked protocols; others are told by number. */
const PROTO_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'ICMP'],
  [6, 'TCP'],
  [17, 'UDP'],
]);

/** A conn in the words that it is shown in. */
interface ShownConn {
  readonly iface: string;
  readonly id: string;
  readonly state: string;
  readonly proto: string;
  /** Whole seconds since the latest packet. */
  readonly last_update: number;
  readonly fwd: Conn['fwd'];
  readonly rev: Conn['rev'];
}

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
    for (const conn of conns) yield shownConn(conn, names, nowNs);
  };
  if (output.isJson) return output.jsonArray(shown());
  return output.table(COLUMNS, () => rowsOf(shown()));
}

function shownConn(conn: Conn, names: IfaceNames, nowNs: bigint): ShownConn {
  return {
    iface: names.get(conn.ifaceId),
    id: formatConnId(conn.id),
    state: CONN_STATES[conn.state] ?? '?',
    proto: PROTO_NAMES.get(conn.proto) ?? String(conn.proto),
    last_update: ageSec(nowNs, conn.lastUpdateNs),
    fwd: conn.fwd,
    rev: conn.rev,
  };
}

function* rowsOf(conns: Iterable<ShownConn>): Generator<Row> {
  for (const { iface, id, state, proto, last_update, fwd, rev } of conns) {
    const fwdPorts = [String(fwd.sport), String(fwd.dport)];
    const revPorts = [String(rev.sport), String(rev.dport)];
    yield [iface, id, state, 'fwd', fwd.src, fwd.dst, proto, ...fwdPorts, String(last_update)];
    yield ['', '', '', 'rev', rev.src, rev.dst, '', ...revPorts];
  }
}
