import { HEADER_SIZE, writeFrame } from '../api/framing.js';

/** A batch is written when the next frame could be beyond this. */
const BATCH_BYTES = 1 << 16;

/**
 * Collects the items of one stream so that they are written many at a time.
 *
 * `write` is awaited before anything more is collected, so no more than one batch is ever held.
 */
export class FrameBatch {
  readonly #id: number;
  readonly #itemSize: number;
  readonly #write: (bytes: Buffer) => Promise<void>;
  #bytes = Buffer.alloc(0);
  #length = 0;

  /** `itemSize` is the size of the items that come encoded. */
  constructor(id: number, itemSize: number, write: (bytes: Buffer) => Promise<void>) {
    this.#id = id;
    this.#itemSize = itemSize;
    this.#write = write;
  }

  /** Adds one encoded item. */
  async add(payload: Buffer): Promise<void> {
    if (!this.#hasRoom(payload)) await this.#renew(payload);
    this.#append(payload);
  }

  /** Adds any number of encoded items that lie one after the other. */
  async addEncoded(items: Buffer): Promise<void> {
    const size = this.#itemSize;
    if (size < 1 || items.length % size !== 0)
      throw new Error(`${items.length} bytes are no multiple of an item's ${size}`);
    for (let at = 0; at < items.length; at += size) {
      const payload = items.subarray(at, at + size);
      // Awaiting nothing would cost more than the item.
      if (!this.#hasRoom(payload)) await this.#renew(payload);
      this.#append(payload);
    }
  }

  /** Writes what was collected. */
  async flush(): Promise<void> {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    if (bytes.length > 0) await this.#write(bytes);
  }

  #hasRoom(payload: Buffer): boolean {
    return this.#length + HEADER_SIZE + payload.length <= this.#bytes.length;
  }

  /** Writes what was collected and starts anew; what was written may still be on its way. */
  async #renew(payload: Buffer): Promise<void> {
    await this.flush();
    this.#bytes = Buffer.allocUnsafe(Math.max(BATCH_BYTES, HEADER_SIZE + payload.length));
  }

  #append(payload: Buffer): void {
    this.#length = writeFrame(this.#bytes, this.#length, { id: this.#id, kind: 0, payload });
  }
}
