import { CONNTRACK_LIST, type Conn } from '../api/conntrack.js';

/** Conns of a chunk: 64 KiB of them. */
const CHUNK_CONNS = 1365;

/**
 * A list of conns, packed as they are on the wire.
 *
 * A table's widths are known only after its last row, so `conntrack show` has to keep the whole list. A
 * million conns are 48 MB here, and half a gigabyte as objects.
 */
export class ConnBuffer implements Iterable<Conn> {
  readonly #chunks: Buffer[] = [];
  readonly #ifaceIds = new Set<number>();
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Appends a conn. */
  push(conn: Conn): void {
    const bytes = CONNTRACK_LIST.encodeResponse(conn);
    const at = this.#count % CHUNK_CONNS;
    if (at === 0) this.#chunks.push(Buffer.alloc(CHUNK_CONNS * CONNTRACK_LIST.responseSize));
    this.#chunks.at(-1)?.set(bytes, at * CONNTRACK_LIST.responseSize);
    this.#ifaceIds.add(conn.ifaceId);
    this.#count += 1;
  }

  /** Returns the distinct interfaces of the conns, in the order of their first conn. */
  ifaceIds(): Iterable<number> {
    return this.#ifaceIds;
  }

  *[Symbol.iterator](): Generator<Conn> {
    const size = CONNTRACK_LIST.responseSize;
    for (let index = 0; index < this.#count; index++) {
      const chunk = this.#chunks[Math.floor(index / CHUNK_CONNS)];
      const at = (index % CHUNK_CONNS) * size;
      if (chunk !== undefined) yield CONNTRACK_LIST.decodeResponse(chunk.subarray(at, at + size));
    }
  }
}
