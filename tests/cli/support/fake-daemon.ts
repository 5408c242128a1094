import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a fake daemon answers a message with; hexadecimal, blanks are ignored. */
export type Canned =
  | { readonly status: number }
  | { readonly payload: string }
  /** A stream: the items, then a terminator. */
  | { readonly items: readonly string[] };

/** One may depend on the request's payload in hexadecimal. */
export type Answer = Canned | ((payload: string) => Canned);

/** Answers by message type. */
export type Answers = ReadonlyMap<number, Answer>;

export interface FakeDaemon {
  readonly path: string;
  /** What was asked but HELLO: the type and the payload, as in `c0c00004 400000...`. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

const HELLO = 0xcafe1981;
const ENOTSUP = 95;

/**
 * Starts a daemon that answers from a table and notes what it is asked.
 *
 * It shares no code with the program: bytes are compared with bytes. It answers one request at a time and
 * drops the connection of a client that sends another one before its answer, as some daemons stall then.
 */
export async function startFakeDaemon(answers: Answers): Promise<FakeDaemon> {
  const folder = mkdtempSync(join(tmpdir(), 'grcli-'));
  const path = join(folder, 'grout.sock');
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    let buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      if (buffer.length < 12 || buffer.length < 12 + buffer.readUInt32LE(8)) return;
      const end = 12 + buffer.readUInt32LE(8);
      if (buffer.length > end) socket.destroy(new Error('pipelined'));
      const [id, type] = [buffer.readUInt32LE(0), buffer.readUInt32LE(4)];
      const payload = buffer.toString('hex', 12, end);
      buffer = Buffer.alloc(0);
      if (type !== HELLO) requests.push(`${type.toString(16).padStart(8, '0')} ${payload}`.trim());
      socket.write(answer(id, type === HELLO ? { payload: '4000' } : find(answers, type, payload)));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    requests,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => {
          rmSync(folder, { recursive: true });
          resolve();
        });
      }),
  };
}

/** Returns little-endian bytes of a number in hexadecimal. */
export function le(value: number | bigint, size: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes.toString('hex', 0, size);
}

/** Returns NUL-padded text in hexadecimal. */
export function text(value: string, size: number): string {
  const bytes = Buffer.alloc(size);
  bytes.write(value);
  return bytes.toString('hex');
}

/** Answer to a message whose answer is defined empty. */
export const DONE: Canned = { payload: '' };

function find(answers: Answers, type: number, payload: string): Canned {
  const found = answers.get(type) ?? { status: ENOTSUP };
  return typeof found === 'function' ? found(payload) : found;
}

function answer(id: number, canned: Canned): Buffer {
  if ('status' in canned) return frame(id, canned.status, '');
  if ('payload' in canned) return frame(id, 0, canned.payload);
  return Buffer.concat([...canned.items.map((item) => frame(id, 0, item)), frame(id, 0, '')]);
}

function frame(id: number, status: number, payload: string): Buffer {
  const body = Buffer.from(payload.replaceAll(' ', ''), 'hex');
  const header = Buffer.alloc(12);
  header.writeUInt32LE(id, 0);
  header.writeUInt32LE(status, 4);
  header.writeUInt32LE(body.length, 8);
  return Buffer.concat([header, body]);
}
