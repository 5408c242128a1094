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
  /** Something to happen in the middle of the transfer: begun after some flights, awaited. */
  readonly meanwhile: () => Promise<void>;
}

/** What one end counted. */
export interface Count {
  readonly bytes: number;
  readonly sha256: string;
}

/** How a transfer went. */
export interface Transfer {
  readonly sent: Count;
  readonly received: Count;
  /** Bytes that had arrived when the event in the middle began, and when it was over. */
  readonly bytesBefore: number;
  readonly bytesUntil: number;
}

const CLIENT_PORT = 40001;
const SERVER_PORT = 5001;
const SEGMENT_BYTES = 1400;
/** Segments in flight: less than a window of 65535 bytes. */
const FLIGHT = 32;
/** Flights before something happens in the middle, and after it has happened. */
const FLIGHTS_AROUND = 20;
const ARRIVAL_MS = 3000;

/** Opens a connection, sends numbered segments in flights that are acknowledged, and closes it. */
export async function transfer(options: TransferOptions): Promise<Transfer> {
  const { lan, wan, client, server, meanwhile } = options;
  const sent = new Counter();
  const received = new Counter();
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

  let event = Promise.resolve();
  let bytesBefore = 0;
  let bytesUntil = 0;
  let flightsLeft = Number.POSITIVE_INFINITY;
  for (let flight = 0; flightsLeft > 0; flight++, flightsLeft--) {
    if (flight === FLIGHTS_AROUND) {
      bytesBefore = received.bytes;
      event = meanwhile().then(() => {
        bytesUntil = received.bytes;
        flightsLeft = FLIGHTS_AROUND;
      });
      // A failure ends the transfer below; nobody listens before.
      event.catch(() => {
        flightsLeft = 0;
      });
    }
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
  await event;

  lan.send(clientSays('FA'));
  clientSeq++;
  await arrival(wan);
  wan.send(serverSays('FA'));
  serverSeq++;
  await arrival(lan);
  lan.send(clientSays('A'));
  await arrival(wan);
  return { sent: sent.result(), received: received.result(), bytesBefore, bytesUntil };
}

/** Counts and digests a stream. */
class Counter {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

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
