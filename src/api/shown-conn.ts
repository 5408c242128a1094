import { CONN_STATES, type Conn } from './conntrack.js';
import type { Column, Row } from './table.js';

/** A conn in the words that it is shown in: as JSON it is this object. */
export interface ShownConn {
  readonly iface: string;
  readonly id: string;
  readonly state: string;
  readonly proto: string;
  /** Whole seconds since the latest packet. */
  readonly last_update: number;
  readonly fwd: Conn['fwd'];
  readonly rev: Conn['rev'];
}

/** Columns of the table of conns, which has a line for each flow. */
export const CONN_COLUMNS: readonly Column[] = [
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

const NS_PER_SEC = 1_000_000_000n;

/** Returns the id of a conn as it is shown. */
export function formatConnId(id: number): string {
  return `0x${id.toString(16).padStart(8, '0')}`;
}

/** Returns the whole seconds from `timeNs` to `nowNs`, 0 when it is still to come. */
export function ageSec(nowNs: bigint, timeNs: bigint): number {
  const ageNs = nowNs - timeNs;
  return ageNs > 0n ? Number(ageNs / NS_PER_SEC) : 0;
}

/** Returns the name of a state by its number. */
export function shownState(state: number): string {
  return CONN_STATES[state] ?? '?';
}

/** Returns a conn of the interface named `iface` as it is shown at `nowNs` on the conns' clock. */
export function shownConn(conn: Conn, iface: string, nowNs: bigint): ShownConn {
  return {
    iface,
    id: formatConnId(conn.id),
    state: shownState(conn.state),
    proto: PROTO_NAMES.get(conn.proto) ?? String(conn.proto),
    last_update: ageSec(nowNs, conn.lastUpdateNs),
    fwd: conn.fwd,
    rev: conn.rev,
  };
}

/** Yields the two lines of each conn. */
export function* connRows(conns: Iterable<ShownConn>): Generator<Row> {
  for (const { iface, id, state, proto, last_update, fwd, rev } of conns) {
    const fwdPorts = [String(fwd.sport), String(fwd.dport)];
    const revPorts = [String(rev.sport), String(rev.dport)];
    yield [iface, id, state, 'fwd', fwd.src, fwd.dst, proto, ...fwdPorts, String(last_update)];
    yield ['', '', '', 'rev', rev.src, rev.dst, '', ...revPorts];
  }
}
