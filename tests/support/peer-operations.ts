// What a host of a test can be asked to do: open real sockets and use them, step by step. Runs in the
// host's network namespace (peer-agent.ts). Sockets are numbers. Every TCP socket stays half open
// until told otherwise, so that a test decides when each side sends its FIN.
import { createHash } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Where a datagram or a connection came from, and what it said. */
export interface Arrival {
  readonly address: string;
  readonly port: number;
  readonly text: string;
}

/** What went through a connection. */
export interface Transfer {
  readonly bytes: number;
  readonly sha256: string;
}

interface Udp {
  readonly socket: UdpSocket;
  readonly queue: Arrival[];
}

interface Tcp {
  readonly socket: Socket;
  /** Received and not yet asked for. */
  text: string;
  hasEnded: boolean;
  error: string;
}

interface Pump {
  stop: boolean;
  readonly done: Promise<Transfer>;
}

const udps: Udp[] = [];
const tcps: Tcp[] = [];
const servers: { readonly server: Server; readonly accepted: number[] }[] = [];
const pumps = new Map<number, Pump>();
/** How long anything that waits for the other end does so. */
const PATIENCE_MS = 10_000;
const CHUNK_BYTES = 65536;

/** What a host can be asked to do; arguments and results are JSON. */
export const OPERATIONS = {
  /** Binds a UDP socket (port 0: any); with `echo` it answers by itself and keeps a record. */
  async udpBind(port: number, echo = false): Promise<{ id: number; port: number }> {
    const udp: Udp = { socket: createSocket('udp4'), queue: [] };
    udp.socket.on('message', (data, { address, port: from }: RemoteInfo) => {
      udp.queue.push({ address, port: from, text: data.toString() });
      if (echo) udp.socket.send(data, from, address);
    });
    // An ICMP error for an unconnected socket ends nothing.
    udp.socket.on('error', () => undefined);
    udp.socket.bind(port);
    await once(udp.socket, 'listening');
    return { id: udps.push(udp) - 1, port: udp.socket.address().port };
  },

  async udpSend(id: number, address: string, port: number, text: string): Promise<void> {
    const { socket } = at(udps, id);
    await new Promise<void>((resolve, reject) =>
      socket.send(text, port, address, (error) => (error ? reject(error) : resolve())),
    );
  },

  /** Returns the next datagram that arrived, or null when none comes in time. */
  udpReceive(id: number, timeoutMs = PATIENCE_MS): Promise<Arrival | null> {
    const { queue } = at(udps, id);
    return until(() => queue.shift() ?? null, timeoutMs);
  },

  /** Listens on a TCP port; with `echo` each connection gets back what it sends. */
  async tcpListen(port: number, echo = false): Promise<number> {
    const accepted: number[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      if (echo) socket.pipe(socket).on('error', () => undefined);
      else accepted.push(adopt(socket));
    });
    server.listen(port, '0.0.0.0', 511);
    await once(server, 'listening');
    return servers.push({ server, accepted }) - 1;
  },

  /** Returns the next connection that was accepted, and whom it came from. */
  async tcpAccept(server: number, timeoutMs = PATIENCE_MS): Promise<TcpInfo> {
    const { accepted } = at(servers, server);
    const id = await until(() => accepted.shift() ?? null, timeoutMs);
    if (id === null) throw new Error(`nobody connected in ${timeoutMs} ms`);
    return describe(id);
  },

  /** Connects; rejects with the errno when that fails. */
  async tcpConnect(
    address: string,
    port: number,
    timeoutMs = PATIENCE_MS,
    localPort = 0,
  ): Promise<TcpInfo> {
    const socket = new Socket({ allowHalfOpen: true });
    const id = adopt(socket);
    socket.connect({ host: address, port, ...(localPort === 0 ? {} : { localPort }) });
    const isOpen = await until(
      () => (socket.readyState === 'open' ? true : null),
      timeoutMs,
      () => {
        if (at(tcps, id).error !== '') throw new Error(at(tcps, id).error);
      },
    );
    if (isOpen === null) {
      socket.destroy();
      throw new Error(`no answer from ${address}:${port} in ${timeoutMs} ms`);
    }
    return describe(id);
  },

  async tcpSend(id: number, text: string): Promise<void> {
    await write(at(tcps, id).socket, Buffer.from(text));
  },

  /** Returns what was received once it is `length` characters, or what there is after the wait. */
  async tcpReceive(id: number, length: number, timeoutMs = PATIENCE_MS): Promise<string> {
    const tcp = at(tcps, id);
    await until(() => (tcp.text.length >= length ? true : null), timeoutMs);
    const text = tcp.text.slice(0, length);
    tcp.text = tcp.text.slice(length);
    return text;
  },

  /** Sends a FIN; the other direction stays open. */
  async tcpFinish(id: number): Promise<void> {
    at(tcps, id).socket.end();
  },

  /** Sends a RST. */
  async tcpReset(id: number): Promise<void> {
    at(tcps, id).socket.resetAndDestroy();
  },

  /** Waits until the other end has closed: `end` by FIN, `error CODE` by RST, null neither. */
  async tcpEnding(id: number, timeoutMs = PATIENCE_MS): Promise<string | null> {
    const tcp = at(tcps, id);
    return until(
      () => (tcp.error !== '' ? `error ${tcp.error}` : tcp.hasEnded ? 'end' : null),
      timeoutMs,
    );
  },

  /** Begins to send numbered blocks until pumpStop(), which sends a FIN and tells how much it was. */
  async pumpStart(id: number): Promise<void> {
    const { socket } = at(tcps, id);
    const pump = { stop: false, done: Promise.resolve({ bytes: 0, sha256: '' }) };
    pump.done = pour(socket, pump);
    pumps.set(id, pump);
  },

  async pumpStop(id: number): Promise<Transfer> {
    const pump = pumps.get(id);
    if (pump === undefined) throw new Error(`socket ${id} pumps nothing`);
    pump.stop = true;
    return pump.done;
  },

  /** Listens on `port`, takes one connection and digests it to its end, without storing it. */
  async sinkOpen(port: number): Promise<number> {
    const hash = createHash('sha256');
    let bytes = 0;
    const server = createServer({ allowHalfOpen: false });
    server.listen(port);
    await once(server, 'listening');
    const connection = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const done = connection.then(async (socket) => {
      server.close();
      for await (const chunk of socket) {
        hash.update(chunk);
        bytes += chunk.length;
        sinkBytes.set(sink, bytes);
      }
      return { bytes, sha256: hash.digest('hex') };
    });
    // A failure is told by sinkResult(); until it is asked for, nobody listens.
    done.catch(() => undefined);
    const sink = sinks.push(done) - 1;
    sinkBytes.set(sink, 0);
    return sink;
  },

  /** Bytes a sink has taken so far. */
  async sinkProgress(sink: number): Promise<number> {
    return sinkBytes.get(sink) ?? 0;
  },

  /** What a sink took, once its connection has ended. */
  async sinkResult(sink: number): Promise<Transfer> {
    return at(sinks, sink);
  },

  /** Serves `bytes` of generated content to any HTTP request; returns its checksum. */
  async httpServe(port: number, bytes: number): Promise<string> {
    const blocks = Math.ceil(bytes / CHUNK_BYTES);
    const blockAt = (number: number) =>
      block(number).subarray(0, Math.min(CHUNK_BYTES, bytes - number * CHUNK_BYTES));
    const hash = createHash('sha256');
    for (let number = 0; number < blocks; number++) hash.update(blockAt(number));
    const server = createHttpServer((_, response) => {
      response.writeHead(200, { 'content-length': bytes });
      void (async () => {
        for (let number = 0; number < blocks && !response.destroyed; number++) {
          if (!response.write(blockAt(number)))
            await Promise.race([once(response, 'drain'), once(response, 'close')]);
        }
        response.end();
      })();
    });
    server.listen(port);
    await once(server, 'listening');
    return hash.digest('hex');
  },
};

/** The operations by name: what the other side of the pipe calls. */
export type Operations = typeof OPERATIONS;

/** A TCP connection as its host sees it. */
export interface TcpInfo {
  readonly id: number;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

const sinks: Promise<Transfer>[] = [];
const sinkBytes = new Map<number, number>();

function adopt(socket: Socket): number {
  const tcp: Tcp = { socket, text: '', hasEnded: false, error: '' };
  socket.setNoDelay(true);
  socket.on('data', (data) => {
    tcp.text += data.toString();
  });
  socket.on('end', () => {
    tcp.hasEnded = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    tcp.error = error.code ?? error.message;
  });
  return tcps.push(tcp) - 1;
}

function describe(id: number): TcpInfo {
  const { localPort = 0, remoteAddress = '', remotePort = 0 } = at(tcps, id).socket;
  return { id, localPort, remoteAddress, remotePort };
}

async function pour(socket: Socket, pump: { readonly stop: boolean }): Promise<Transfer> {
  const hash = createHash('sha256');
  let bytes = 0;
  for (let number = 0; !pump.stop; number++) {
    const chunk = block(number);
    hash.update(chunk);
    bytes += chunk.length;
    await write(socket, chunk);
  }
  socket.end();
  return { bytes, sha256: hash.digest('hex') };
}

/** A block that no other resembles: its number in every word. */
function block(number: number): Buffer {
  const words = new Uint32Array(CHUNK_BYTES / 4);
  for (let i = 0; i < words.length; i++)
    words[i] = Math.imul(number * words.length + i, 0x9e3779b1);
  return Buffer.from(words.buffer);
}

async function write(socket: Socket, data: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) =>
    socket.write(data, (error) => (error ? reject(error) : resolve())),
  );
}

/** Polls until `probe` has an answer; null when the time is over. */
async function until<T>(
  probe: () => T | null,
  timeoutMs: number,
  check: () => void = () => undefined,
): Promise<T | null> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const found = probe();
    if (found !== null) return found;
    check();
    if (performance.now() >= endMs) return null;
    await delay(2);
  }
}

function at<T>(list: readonly T[], id: number): T {
  const item = list[id];
  if (item === undefined) throw new Error(`there is no number ${id}`);
  return item;
}
