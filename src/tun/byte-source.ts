import { closeSync, openSync, readSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { ControlError, isErrnoName } from '../api/errors.js';

/** Bytes asked for at once, unless more are needed. */
const READ_BYTES = 1 << 17;
const STDIN = '-';

/** The bytes of a file or of a pipe, one after the other; no more than a window of them is held. */
export class ByteSource {
  /** What the user called it. */
  readonly path: string;
  readonly #fd: number;
  #buffer = Buffer.allocUnsafe(READ_BYTES);
  /** The window: what was read and not taken yet. */
  #start = 0;
  #end = 0;
  #isAtEnd = false;
  #isClosed = false;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** Opens a file, `-` for the standard input. @throws {ControlError} as open(2). */
  static open(path: string): ByteSource {
    try {
      return new ByteSource(path, openSync(path === STDIN ? '/dev/stdin' : path, 'r'));
    } catch (cause) {
      throw failure(`cannot open ${path}`, cause);
    }
  }

  /**
   * Returns the next `length` bytes, fewer only where the file ends; they are the caller's until the
   * next call.
   *
   * @throws {ControlError} as read(2).
   */
  take(length: number): Buffer {
    if (this.#end - this.#start < length) this.#readOn(length);
    const start = this.#start;
    this.#start = Math.min(start + length, this.#end);
    return this.#buffer.subarray(start, this.#start);
  }

  /** Closes the file. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }

  /** Reads until the window holds `length` bytes, or the file ends. */
  #readOn(length: number): void {
    const former = this.#buffer;
    if (length > former.length) this.#buffer = Buffer.allocUnsafe(length);
    former.copy(this.#buffer, 0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    while (this.#end < length && !this.#isAtEnd) {
      const count = this.#read();
      this.#isAtEnd = count === 0;
      this.#end += count;
    }
  }

  #read(): number {
    try {
      return readSync(this.#fd, this.#buffer, this.#end, this.#buffer.length - this.#end, null);
    } catch (cause) {
      throw failure(`cannot read ${this.path}`, cause);
    }
  }
}

/** Returns the error of a failed call of node:fs; any other is a bug and goes on as it is. */
function failure(what: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('errno' in cause) || typeof cause.errno !== 'number')
    return cause;
  const [name = '', words = ''] = getSystemErrorMap().get(cause.errno) ?? [];
  return new ControlError(isErrnoName(name) ? name : 'EIO', `${what}: ${words}`, { cause });
}
