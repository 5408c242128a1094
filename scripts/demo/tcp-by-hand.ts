import { createHash } from 'node:crypto';
import type { PairPeer } from '../../src/tun/pair.js';
import { buildTcp, type TcpFields } from '../../tests/support/packets.js';
import { type ParsedIpv4, type ParsedTcp, parseTcp } from '../../tests/support/parse-packets.js';

/** A transfer through the gateway, built segment by segment at both ends. */
export interface TransferOptions {
  readonly lan: PairPeer;
  readonly wan: PairPeer;
  readonly client: string;
  readonly server: string;
  /** The transfer goes on at least until this has happened. */
  readonly until: Promise<void>;
}

/** What one end counted. */
export interface Count {
  readonly bytes: number;
  readonly sha256: string;
}

const CLIENT_PORT = 40001;
const SERVER_PORT = 5001;
const SEGMENT_BYTES = 1400;
/** Segments in flight: less than a window of 65535 bytes. */
const FLIGHT = 32;
/** The transfer has at least this many flights. */
const FLIGHTS_MIN = 40;
const ARRIVAL_MS = 3000;

/** Opens a connection, sends numbered segments in flights that are acknowledged, and closes it. */
export async function transfer(
  options: TransferOptions,
): Promise<{ sent: Count; received: Count }> {
  const { lan, wan, client, server, until } = options;
  const sent = new Counter();
  const received = new Counter();
  let isReached = false;
  const reached = until.then(() => {
    isReached = true;
  });

  const fromClient = { src: client, dst: server, sport: CLIENT_PORT, dport: SERVER_PORT };
  let clientSeq = 1000;
  lan.send(buildTcp({ ...fromClient, seq: clientSeq++, flags: 'S', win: 65535 }));
  const syn = await arrival(wan);
  // The server answers to whom it sees: the gateway's outside address and port.
  const fromServer = { src: server, dst: syn.src, sport: SERVER_PORT, dport: syn.l4.sport };
  let serverSeq = 9000;
  const serverSays = (flags: string) =>
    segment(fromServer, { seq: serverSeq, ack: clientSeq, flags });
  wan.send(serverSays('SA'));
  serverSeq++;
  await arrival(lan);
  const clientSays = (flags: string, payload?: Buffer) =>
    segment(fromClient, { seq: clientSeq, ack: serverSeq, flags }, payload);
  lan.send(clientSays('A'));
  await arrival(wan);

  for (let flight = 0; flight < FLIGHTS_MIN || !isReached; flight++) {
    for (let number = 0; number < FLIGHT; number++) {
      const payload = Buffer.alloc(SEGMENT_BYTES, `${flight}.${number} `);
      lan.send(clientSays('PA', payload));
      sent.add(payload);
      clientSeq += payload.length;
    }
    for (let number = 0; number < FLIGHT; number++) received.add((await arrival(wan)).payload);
    wan.send(serverSays('A'));
    await arrival(lan);
  }
  await reached;

  lan.send(clientSays('FA'));
  clientSeq++;
  await arrival(wan);
  wan.send(serverSays('FA'));
  serverSeq++;
  await arrival(lan);
  lan.send(clientSays('A'));
  await arrival(wan);
  return { sent: sent.result(), received: received.result() };
}

/** Counts and digests a stream. */
class Counter {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  add(data: Uint8Array): void {
    this.#hash.update(data);
    this.#bytes += data.length;
  }

  result(): Count {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

function segment(
  flow: Pick<TcpFields, 'src' | 'dst' | 'sport' | 'dport'>,
  fields: Pick<TcpFields, 'seq' | 'ack' | 'flags'>,
  payload?: Buffer,
): Buffer {
  return buildTcp({ ...flow, ...fields, win: 65535 }, payload);
}

/** Returns the segment that arrives next, whose checksums must be right. */
async function arrival(end: PairPeer): Promise<ParsedIpv4<ParsedTcp>> {
  const received = await end.next(ARRIVAL_MS);
  if (received === undefined) throw new Error(`no segment arrived in ${ARRIVAL_MS} ms`);
  const parsed = parseTcp(received.packet);
  if (!parsed.checksumOk || !parsed.l4ChecksumOk) throw new Error('a segment arrived damaged');
  return parsed;
}
