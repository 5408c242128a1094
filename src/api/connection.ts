/*
 * A client's end of the API's socket: requests out, responses in.
 *
 * Every request has an inbox, found by its id, where its responses wait until they are taken; so
 * responses may come in any order. The daemon answers one client in the order of its requests: who
 * asks something in the midst of a stream has to take in the rest of that stream first, and it is
 * kept. Otherwise reading stops while much is waiting, so that the daemon feels a slow client.
 *
 * The time-out is of silence: it runs while an answer is due and reading is not stopped, and each
 * arrival starts it again. Whatever goes wrong ends the connection and every request on it with the
 * same ConnectionError, as nothing that comes later could be trusted.
 */

import { connect, type Socket } from 'node:net';
import { ConnectionError, ControlError } from './errors.js';
import { encodeFrame, type Frame, FrameParser } from './framing.js';

/** Reading stops while this much is waiting to be taken. */
const HIGH_WATER_BYTES = 1 << 18;

/** Where the responses of one request arrive. */
export interface Inbox {
  /** Returns the responses that arrived, at least one. @throws {ConnectionError} */
  take(): Promise<readonly Frame[]>;
  /** Declares that nobody takes any more; what still comes is dropped. */
  abandon(): void;
}

interface Pending {
  readonly isStream: boolean;
  frames: Frame[];
  isAbandoned: boolean;
  wake: () => void;
}

/** Returns a connection to the daemon at `path`. @throws {ConnectionError} */
export function openConnection(path: string, timeoutMs: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    // A bare string of digits would be a TCP port.
    const socket = connect({ path });
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = `cannot connect to ${path}: ${cause.code ?? cause.message}`;
      reject(new ConnectionError(reason, { cause }));
    });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(new Connection(socket, path, timeoutMs));
    });
  });
}

/** A connected socket. */
export class Connection {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #parser = new FrameParser();
  readonly #pending = new Map<number, Pending>();
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1;
  #waitingBytes = 0;
  #failure: ConnectionError | undefined;

  constructor(socket: Socket, path: string, timeoutMs: number) {
    this.#socket = socket;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (cause) => this.#fail(`${path}: ${cause.message}`, cause));
    socket.on('close', () => this.#fail(`${path} closed the connection`));
  }

  /** Sends a request; a stream's inbox stays open until its terminator. */
  send(type: number, payload: Buffer, isStream: boolean): Inbox {
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    const pending: Pending = { isStream, frames: [], isAbandoned: false, wake: () => {} };
    this.#pending.set(id, pending);
    this.#socket.write(encodeFrame(id, type, payload));
    this.#regulate();
    return {
      take: () => this.#take(pending),
      abandon: () => this.#abandon(pending),
    };
  }

  /** Closes the connection; requests under way fail. */
  close(): void {
    this.#fail(`the connection to ${this.#path} was closed here`);
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#parser.push(chunk)) this.#deliver(frame);
    } catch (cause) {
      if (!(cause instanceof ControlError)) throw cause;
      this.#fail(`${this.#path} makes no sense: ${cause.message}`, cause);
    }
    this.#regulate();
  }

  #deliver(frame: Frame): void {
    const pending = this.#pending.get(frame.id);
    if (pending === undefined) {
      this.#fail(`${this.#path} answered request ${frame.id}, which awaits no answer`);
      return;
    }
    const isLast = !pending.isStream || frame.payload.length === 0 || frame.kind !== 0;
    if (isLast) this.#pending.delete(frame.id);
    if (pending.isAbandoned) return;
    pending.frames.push(frame);
    this.#waitingBytes += frame.payload.length;
    pending.wake();
  }

  async #take(pending: Pending): Promise<readonly Frame[]> {
    while (pending.frames.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        pending.wake = resolve;
      });
    }
    return this.#empty(pending);
  }

  #abandon(pending: Pending): void {
    pending.isAbandoned = true;
    this.#empty(pending);
  }

  #empty(pending: Pending): readonly Frame[] {
    const { frames } = pending;
    pending.frames = [];
    for (const frame of frames) this.#waitingBytes -= frame.payload.length;
    this.#regulate();
    return frames;
  }

  /** Stops or resumes reading, and the clock with it. */
  #regulate(): void {
    clearTimeout(this.#timer);
    if (this.#failure !== undefined) return;
    // Behind what waits may be what somebody waits for: only a stream can be held back.
    const mayStop = Array.from(this.#pending.values()).every(({ isStream }) => isStream);
    if (mayStop && this.#waitingBytes > HIGH_WATER_BYTES) {
      this.#socket.pause();
      return;
    }
    this.#socket.resume();
    if (this.#pending.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#fail(`${this.#path} has been silent for ${this.#timeoutMs} ms`);
    }, this.#timeoutMs);
  }

  #fail(message: string, cause?: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = new ConnectionError(message, { cause });
    clearTimeout(this.#timer);
    this.#socket.destroy();
    for (const pending of this.#pending.values()) pending.wake();
    this.#pending.clear();
  }
}
