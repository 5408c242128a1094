/*
 * Frames on the API's socket.
 *
 * Each message is a header of three u32 and a payload, one right after the other and without any
 * alignment. A request's header is {id, type, payload length}, a response's {id of the request,
 * status, payload length}; both are called {id, kind} here. The socket is a byte stream: a message
 * may arrive in any number of pieces, and a piece may hold any number of messages.
 */

import { ControlError } from './errors.js';

/** Bytes of a frame's header. */
export const HEADER_SIZE = 12;
/** Most bytes of a payload, in either direction. */
export const MAX_PAYLOAD = 131072;

/** One message. */
export interface Frame {
  /** The client's number of the request. */
  readonly id: number;
  /** A request's type, a response's status. */
  readonly kind: number;
  /** A view that is valid as long as it is held. */
  readonly payload: Buffer;
}

/** Returns the bytes of one frame. Its payload has at most MAX_PAYLOAD bytes. */
export function encodeFrame(id: number, kind: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_SIZE + payload.length);
  writeFrame(frame, 0, { id, kind, payload });
  return frame;
}

/** Writes a frame at `offset`; returns the offset behind it. */
export function writeFrame(to: Buffer, offset: number, frame: Frame): number {
  const { id, kind, payload } = frame;
  if (payload.length > MAX_PAYLOAD)
    throw new Error(`payload of ${payload.length} bytes exceeds ${MAX_PAYLOAD}`);
  to.writeUInt32LE(id, offset);
  to.writeUInt32LE(kind, offset + 4);
  to.writeUInt32LE(payload.length, offset + 8);
  to.set(payload, offset + HEADER_SIZE);
  return offset + HEADER_SIZE + payload.length;
}

/**
 * Cuts a byte stream into frames.
 *
 * A frame that lies whole in a chunk is a view of it. Only a frame that is split gets a buffer of
 * its own, and each of its bytes is copied once, however small the pieces are.
 */
export class FrameParser {
  readonly #header = Buffer.alloc(HEADER_SIZE);
  #headerLength = 0;
  /** Undefined while the header is incomplete. */
  #payload: Buffer | undefined;
  #payloadLength = 0;

  /**
   * Yields the frames that `chunk` completes. The iteration must be finished before the next push.
   *
   * @throws {ControlError} EMSGSIZE when a header announces more than MAX_PAYLOAD: what follows
   * cannot be told from garbage, so the connection is to be closed.
   */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    let at = 0;
    if (this.#headerLength > 0) {
      at = this.#fill(chunk);
      const frame = this.#takeSplit();
      if (frame === undefined) return;
      yield frame;
    }
    while (chunk.length - at >= HEADER_SIZE) {
      const end = at + HEADER_SIZE + payloadLength(chunk, at);
      if (end > chunk.length) break;
      const payload = chunk.subarray(at + HEADER_SIZE, end);
      yield { id: chunk.readUInt32LE(at), kind: chunk.readUInt32LE(at + 4), payload };
      at = end;
    }
    this.#fill(chunk.subarray(at));
  }

  /** Returns whether the stream ends within a message. */
  get isWithinFrame(): boolean {
    return this.#headerLength > 0;
  }

  /** Copies what the split frame lacks; returns how many bytes of `chunk` it took. */
  #fill(chunk: Buffer): number {
    const headerBytes = chunk.copy(this.#header, this.#headerLength);
    this.#headerLength += headerBytes;
    if (this.#headerLength < HEADER_SIZE) return headerBytes;
    this.#payload ??= Buffer.allocUnsafe(payloadLength(this.#header, 0));
    const payloadBytes = chunk.copy(this.#payload, this.#payloadLength, headerBytes);
    this.#payloadLength += payloadBytes;
    return headerBytes + payloadBytes;
  }

  #takeSplit(): Frame | undefined {
    const payload = this.#payload;
    if (payload === undefined || this.#payloadLength < payload.length) return undefined;
    this.#headerLength = 0;
    this.#payloadLength = 0;
    this.#payload = undefined;
    return {
      id: this.#header.readUInt32LE(0),
      kind: this.#header.readUInt32LE(4),
      payload,
    };
  }
}

function payloadLength(from: Buffer, offset: number): number {
  const length = from.readUInt32LE(offset + 8);
  if (length > MAX_PAYLOAD)
    throw new ControlError('EMSGSIZE', `payload of ${length} bytes exceeds ${MAX_PAYLOAD}`);
  return length;
}
