import type { Row, Spread } from './harness.js';

/** A figure of ours, beside that of one peer. */
export interface Result {
  readonly name: string;
  readonly conns: number;
  readonly batch: number;
  /** The median, and what one run in a hundred exceeds. */
  readonly nsPerOp: number;
  readonly nsPerOpP99: number;
  readonly opsPerSec: number;
  readonly peer: string | null;
  /** Ours by the peer's nsPerOp: below 1 we are faster. The median of the rounds' ratios. */
  readonly ratio: number | null;
  readonly peerNsPerOp: number | null;
}

const NS_PER_SEC = 1e9;

/** Returns one result per peer of a row, or one without a peer. */
export function resultsOf(row: Row, [ours, ...peers]: readonly Spread[]): readonly Result[] {
  if (ours === undefined) throw new Error(`${row.name} has no candidate`);
  const figures = {
    name: row.name,
    conns: row.conns,
    batch: row.batch,
    nsPerOp: rounded(ours.p50),
    nsPerOpP99: rounded(ours.p99),
    opsPerSec: Math.round(NS_PER_SEC / ours.p50),
  };
  if (peers.length === 0) return [{ ...figures, peer: null, ratio: null, peerNsPerOp: null }];
  return peers.map((peer) => ({
    ...figures,
    peer: peer.name,
    ratio: rounded(median(ours.rounds.map((ns, round) => ns / (peer.rounds[round] ?? Number.NaN)))),
    peerNsPerOp: rounded(peer.p50),
  }));
}

/** Returns the line above a table's rows. */
export function tableHead(): string {
  return line('', 'conns', 'batch', 'p50 ns', 'p99 ns', 'Mop/s', 'beside peers: their ns (ratio)');
}

/** Returns a row's results as a line. */
export function tableLine(results: readonly Result[]): string {
  const [first] = results;
  if (first === undefined) return '';
  const { name, conns, batch, nsPerOp, nsPerOpP99, opsPerSec } = first;
  const peers = results.flatMap(({ peer, ratio, peerNsPerOp }) =>
    peer === null ? [] : [`${peer} ${peerNsPerOp} (${ratio?.toFixed(2)})`],
  );
  const size = conns >= 1 << 20 ? `${conns >> 20} Mi` : `${conns >> 10} Ki`;
  const mega = (opsPerSec / 1e6).toFixed(2);
  return line(name, size, `${batch}`, `${nsPerOp}`, `${nsPerOpP99}`, mega, peers.join(', '));
}

function line(name: string, ...cells: readonly string[]): string {
  const last = cells.at(-1) ?? '';
  const columns = cells.slice(0, -1).map((cell) => cell.padStart(8));
  return [name.padEnd(12), ...columns, ` ${last}`].join(' ').trimEnd();
}

/** Returns three digits' worth of a figure. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
