import { CONN_COLUMNS, connRows, type ShownConn } from '../api/shown-conn.js';
import { type Column, tableLines } from '../api/table.js';
import type { ExpiredConn, ReplayedPacket } from './replay-tracker.js';
import { type Judgement, NOTHING } from './replay-verdict.js';

/** Takes text; settled when the receiver has it, so that a slow one is waited for. */
export type Write = (text: string) => Promise<void>;

/** How a replay tells what it finds. */
export interface ReplayReport {
  /** Tells of the conns that expired since the packet before, and of a packet. */
  packet(packet: ReplayedPacket, expired: readonly ExpiredConn[], timeSec: number): Promise<void>;
  /** Tells what all was about, and the conns that are left. */
  end(conns: AsyncIterable<readonly ShownConn[]>): Promise<void>;
}

/** How many packets got a verdict for a reason. */
interface VerdictCount extends Judgement {
  readonly packets: number;
}

/** Characters that are gathered before a write: a write per line would be a system call per line. */
const CHUNK_CHARS = 65536;

/** Gathers text, and counts verdicts. */
class Sheet {
  readonly #write: Write;
  readonly #counts = new Map<string, VerdictCount>();
  #text = '';

  constructor(write: Write) {
    this.#write = write;
  }

  /** Appends text, and waits when there is much of it. */
  async add(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length >= CHUNK_CHARS) await this.flush();
  }

  /** Hands over what was gathered. */
  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '') await this.#write(text);
  }

  count({ verdict, reason }: Judgement): void {
    const key = `${verdict} ${reason}`;
    const packets = (this.#counts.get(key)?.packets ?? 0) + 1;
    this.#counts.set(key, { verdict, reason, packets });
  }

  /** The verdicts and their reasons, the most frequent first. */
  get counts(): readonly VerdictCount[] {
    return [...this.#counts.values()].sort((a, b) => b.packets - a.packets);
  }
}

/** Widths of the packets' columns: a stream of lines cannot know its widest cell. */
const PACKET_COLUMNS = [
  { header: 'N', width: 8, align: 'right' },
  { header: 'FLOW', width: 4, align: 'left' },
  { header: 'VERDICT', width: 9, align: 'left' },
  { header: 'REASON', width: 27, align: 'left' },
  { header: 'STATE', width: 11, align: 'left' },
  { header: 'CONN', width: 10, align: 'left' },
  { header: 'TIME', width: 12, align: 'right' },
  { header: 'WHY', width: 0, align: 'left' },
] as const;

const COUNT_COLUMNS: readonly Column[] = [
  { header: 'VERDICT', align: 'left' },
  { header: 'REASON', align: 'left' },
  { header: 'PACKETS', align: 'right' },
];

/** Returns a report for people: a line for each packet, and tables behind them. */
export function textReport(write: Write): ReplayReport {
  const sheet = new Sheet(write);
  let isBegun = false;
  const begin = async () => {
    if (!isBegun) await sheet.add(packetLine(PACKET_COLUMNS.map(({ header }) => header)));
    isBegun = true;
  };
  const table = async (lines: Iterable<string>) => {
    let isFirst = true;
    for (const line of lines) {
      await sheet.add(isFirst ? `\n${line}\n` : `${line}\n`);
      isFirst = false;
    }
  };
  return {
    async packet(packet, expired, timeSec) {
      await begin();
      for (const { conn, state, reason, time } of expired) {
        const cells = [NOTHING, NOTHING, 'expired', reason, state, conn, time.toFixed(6)];
        await sheet.add(packetLine(cells));
      }
      const { n, flow, verdict, reason, state, conn, why = '' } = packet;
      const cells = [String(n), flow, verdict, reason, state, conn, timeSec.toFixed(6), why];
      await sheet.add(packetLine(cells));
      sheet.count(packet);
    },
    async end(chunks) {
      await begin();
      const rows = sheet.counts.map((each) => [each.verdict, each.reason, String(each.packets)]);
      await table(tableLines(COUNT_COLUMNS, () => rows));
      const conns: ShownConn[] = [];
      for await (const chunk of chunks) conns.push(...chunk);
      await table(tableLines(CONN_COLUMNS, () => connRows(conns)));
      await sheet.flush();
    },
  };
}

function packetLine(cells: readonly string[]): string {
  const padded = PACKET_COLUMNS.map(({ width, align }, at) =>
    align === 'left' ? (cells[at] ?? '').padEnd(width) : (cells[at] ?? '').padStart(width),
  );
  return `${padded.join('  ').trimEnd()}\n`;
}

/** Returns a report for programs: an object for each packet, and one for the end, each on a line. */
export function jsonReport(write: Write): ReplayReport {
  const sheet = new Sheet(write);
  return {
    async packet(packet, expired) {
      const line = expired.length === 0 ? packet : { ...packet, expired };
      await sheet.add(`${JSON.stringify(line)}\n`);
      sheet.count(packet);
    },
    async end(chunks) {
      await sheet.add('{"conns":[');
      let separator = '';
      for await (const chunk of chunks)
        for (const conn of chunk) {
          await sheet.add(`${separator}${JSON.stringify(conn)}`);
          separator = ',';
        }
      await sheet.add(`],"verdicts":${JSON.stringify(sheet.counts)}}\n`);
      await sheet.flush();
    },
  };
}
