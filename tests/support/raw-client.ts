import { connect, type Socket } from 'node:net';

/** Bytes spelt in hexadecimal; blanks are for the eye. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

/** A client that knows nothing of messages: it sends bytes and waits for bytes. */
export interface RawClient {
  readonly socket: Socket;
  /** Sends bytes. */
  send(bytes: Buffer): void;
  /** Returns the next `length` bytes; fails after two seconds, or when fewer are to come. */
  read(length: number): Promise<Buffer>;
  /** Returns the next message: its header of 12 bytes and its payload. */
  readMessage(): Promise<{ id: number; status: number; payload: Buffer }>;
  /** Returns all bytes until the server closes; fails after two seconds. */
  readToEnd(): Promise<Buffer>;
  close(): void;
}

/** Returns a raw client connected to `path`. */
export async function connectRaw(path: string): Promise<RawClient> {
  const socket = connect({ path, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  let chunks: Buffer[] = [];
  let receivedBytes = 0;
  let hasEnded = false;
  let wake = () => {};
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    receivedBytes += chunk.length;
    wake();
  });
  const end = () => {
    hasEnded = true;
    wake();
  };
  socket.on('end', end);
  socket.on('close', end);
  // A reset shows as an end: what was expected is then missing.
  socket.on('error', end);

  async function until(isDone: () => boolean): Promise<void> {
    const deadline = Date.now() + 2000;
    while (!isDone()) {
      if (Date.now() > deadline) throw new Error(`time-out after ${receivedBytes} bytes`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  function all(): Buffer {
    const [only] = chunks;
    return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  }

  async function read(length: number): Promise<Buffer> {
    await until(() => receivedBytes >= length || hasEnded);
    if (receivedBytes < length) throw new Error(`closed after ${receivedBytes} of ${length} bytes`);
    const bytes = all();
    chunks = [bytes.subarray(length)];
    receivedBytes -= length;
    return bytes.subarray(0, length);
  }

  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    read,
    async readMessage() {
      const header = await read(12);
      const payload = await read(header.readUInt32LE(8));
      return { id: header.readUInt32LE(0), status: header.readUInt32LE(4), payload };
    },
    async readToEnd() {
      await until(() => hasEnded);
      return all();
    },
    close: () => socket.destroy(),
  };
}
