import type { World } from './world.js';

/** Fills the ring from the names at `order`; see bench/assembly/packets.ts. */
type Fill = (order: number, count: number, pass: number, acked: number) => void;

/**
 * Packets of all flows of a world in turn, a burst at a time.
 *
 * Every pass over the flows advances each stream by a segment and acks what is surely seen: the
 * data of the last pass that reached all of them.
 */
export class Traffic {
  readonly #world: World;
  readonly #batch: number;
  readonly #order: number;
  #from = 0;
  #pass: number;
  #acked: number;

  /** Goes on where `before` left off, or starts all streams. */
  constructor(world: World, batch: number, before?: Traffic) {
    this.#world = world;
    this.#batch = batch;
    this.#order = world.packets();
    this.#pass = before === undefined ? 0 : before.#pass + 1;
    this.#acked = before === undefined ? 0 : before.#acked;
  }

  /** Fills the ring with the next burst. */
  next(fill: Fill): void {
    fill(this.#order + 4 * this.#from, this.#batch, this.#pass, this.#acked);
    this.#from += this.#batch;
    if (this.#from < this.#world.streamLength) return;
    this.#from = 0;
    this.#pass++;
    this.#acked = this.#pass;
  }
}
