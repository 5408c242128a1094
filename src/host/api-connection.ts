/*
 * The daemon's end of one client's connection.
 *
 * Requests are answered strictly in their order, one at a time, pipelined ones too. Nothing is read
 * while a chunk's requests are being answered, and nothing is answered while the client has not
 * taken what was sent before; what a client sends meanwhile stays in the kernel and, once that is
 * full, with the client. So whatever a client does, it costs a chunk, a split message and a batch
 * of output. Between two answers, and between two batches of a stream, the event loop gets a turn,
 * and with it all the other clients.
 */

import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { ControlError, errnoNumber } from '../api/errors.js';
import { encodeFrame, type Frame, FrameParser } from '../api/framing.js';
import type { ApiPeer, Handler, Handlers, Items, StreamHandler } from './api-handler.js';
import { FrameBatch } from './frame-batch.js';
import type { Log } from './log.js';

const NO_BYTES = Buffer.alloc(0);

/** Serves a client until its connection ends. `id` counts the clients. */
export function serveConnection(socket: Socket, id: number, handlers: Handlers, log: Log): void {
  new ApiConnection(socket, id, handlers, log).start();
}

class ApiConnection implements ApiPeer {
  readonly id: number;
  readonly #socket: Socket;
  readonly #handlers: Handlers;
  readonly #log: Log;
  readonly #parser = new FrameParser();
  #isServing = false;
  /** The client sends nothing more; it may still be reading. */
  #hasEnded = false;
  #lastReason = '';

  constructor(socket: Socket, id: number, handlers: Handlers, log: Log) {
    this.id = id;
    this.#socket = socket;
    this.#handlers = handlers;
    this.#log = log;
  }

  start(): void {
    const socket = this.#socket;
    // Never rejects: every failure is answered, logged, or ends the connection.
    socket.on('data', (chunk) => void this.#receive(chunk));
    socket.on('end', () => {
      // Comes even while paused, once nothing is left to read.
      this.#hasEnded = true;
      if (!this.#isServing) socket.end();
    });
    socket.on('error', (error) => this.#log.debug(`client ${this.id}: ${error.message}`));
  }

  get lastReason(): string {
    return this.#lastReason;
  }

  async #receive(chunk: Buffer): Promise<void> {
    this.#socket.pause();
    this.#isServing = true;
    await this.#serve(chunk);
    this.#isServing = false;
    // What follows garbage is not looked at.
    if (this.#socket.writableEnded) return;
    if (this.#hasEnded) this.#socket.end();
    else this.#socket.resume();
  }

  async #serve(chunk: Buffer): Promise<void> {
    try {
      for (const frame of this.#parser.push(chunk)) {
        await this.#answer(frame);
        if (this.#socket.destroyed) return;
        await setImmediate();
      }
    } catch (error) {
      this.#log.warn(`client ${this.id}: ${messageOf(error)}: connection closed`);
      this.#socket.destroySoon();
    }
  }

  async #answer(frame: Frame): Promise<void> {
    try {
      await this.#handle(frame);
    } catch (error) {
      await this.#write(encodeFrame(frame.id, this.#statusOf(error, frame), NO_BYTES));
    }
  }

  async #handle(frame: Frame): Promise<void> {
    const handler = this.#handlers.get(frame.kind);
    if (handler === undefined)
      throw new ControlError('ENOTSUP', `there is no message ${hex(frame.kind)}`);
    const { message } = handler;
    const { length } = frame.payload;
    if (length < message.requestSize)
      throw new ControlError(
        'EMSGSIZE',
        `${message.name} has ${length} bytes, at least ${message.requestSize} are needed`,
      );
    const request = message.decodeRequest(frame.payload);
    if (isStreamHandler(handler)) {
      const items = await handler.handle(request, this);
      await this.#stream(frame.id, handler, items);
    } else {
      const response = await handler.handle(request, this);
      await this.#write(encodeFrame(frame.id, 0, message.encodeResponse(response)));
    }
  }

  /** Sends all items and the terminator; a client that goes away ends the iteration early. */
  async #stream(id: number, { message }: StreamHandler<unknown, unknown>, items: Items<unknown>) {
    const batch = new FrameBatch(id, message.responseSize, (bytes) => this.#writeBatch(bytes));
    try {
      for await (const item of items) {
        if (Buffer.isBuffer(item)) await batch.addEncoded(item);
        else await batch.add(message.encodeResponse(item));
        if (this.#socket.destroyed) return;
      }
    } finally {
      // Items that were produced before a failure are sent: the terminator tells of it.
      await batch.flush();
    }
    await this.#write(encodeFrame(id, 0, NO_BYTES));
  }

  async #writeBatch(bytes: Buffer): Promise<void> {
    await this.#write(bytes);
    await setImmediate();
  }

  /** Writes and waits until the client's socket has room again, or is gone. */
  async #write(bytes: Buffer): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }

  #statusOf(error: unknown, frame: Frame): number {
    if (error instanceof ControlError) {
      this.#lastReason = error.message;
      return errnoNumber(error.code);
    }
    const name = this.#handlers.get(frame.kind)?.message.name ?? hex(frame.kind);
    this.#log.error(`bug: ${name} failed: ${stackOf(error)}`);
    this.#lastReason = `internal error in ${name}, see the daemon's log`;
    return errnoNumber('EIO');
  }
}

function isStreamHandler(handler: Handler): handler is StreamHandler<unknown, unknown> {
  return handler.message.isStream;
}

function hex(type: number): string {
  return `0x${type.toString(16).padStart(8, '0')}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A log line has no line feed in it. */
function stackOf(error: unknown): string {
  const stack = error instanceof Error ? error.stack : undefined;
  return (stack ?? String(error)).replaceAll(/\s*\n\s*/g, ' | ');
}
