import { JsMap } from './js-map.js';
import type { NativeIndex, NativePeers, RteHash } from './native.js';
import { Traffic } from './traffic.js';
import { type BenchDatapath, instantiateBench, type World } from './world.js';

/** Makes a change to `count` spare conns from the `from`-th on; returns how many were refused. */
type Change = (from: number, count: number) => number;

/** A table that some of the spare conns are in: the first so many. */
export class Spares {
  readonly #enter: Change;
  readonly #drop: Change;
  readonly #total: number;
  #count = 0;

  constructor(total: number, enter: Change, drop: Change) {
    this.#total = total;
    this.#enter = enter;
    this.#drop = drop;
  }

  /** Makes room for `count` to be entered: takes all out if they are too many. */
  makeRoom(count: number): void {
    if (this.#count + count > this.#total) this.drop(this.#count);
  }

  /** Makes sure that there are `count` to be dropped: enters all if they are too few. */
  makeStock(count: number): void {
    if (this.#count < count) this.enter(this.#total - this.#count);
  }

  enter(count: number): void {
    this.#check(this.#enter(this.#count, count));
    this.#count += count;
  }

  drop(count = this.#count): void {
    this.#count -= count;
    this.#check(this.#drop(this.#count, count));
  }

  #check(refused: number): void {
    if (refused !== 0) throw new Error(`${refused} of the spare conns were refused`);
  }
}

/** One world, and what stands beside ours in it. */
export class Setting {
  readonly world: World;
  /** Ours is the first, `wasm`; others are builds to compare it with, over the same memory. */
  readonly builds: readonly (readonly [name: string, datapath: BenchDatapath])[];
  readonly #peers: NativePeers;
  #rte: RteHash | undefined;
  readonly #map: JsMap;
  #isFilled = false;
  #traffic: Traffic | undefined;
  #spares: readonly { readonly name: string; readonly spares: Spares }[] | undefined;

  constructor(world: World, peers: NativePeers, others: ReadonlyMap<string, WebAssembly.Module>) {
    this.world = world;
    const instances = [...others].map(
      ([name, module]) => [name, instantiateBench(module, world.shared)] as const,
    );
    this.builds = [['wasm', world.datapath], ...instances];
    this.#peers = peers;
    this.#map = new JsMap(world.shared);
  }

  /** Returns the peer in C that uses the world's own index. */
  nativeIndex(): NativeIndex | undefined {
    return this.#peers.index()?.(this.world.shared);
  }

  /** Returns the peers that have tables of their own, with the world's conns in them. */
  filledPeers(): { readonly rte: RteHash | undefined; readonly map: JsMap } {
    if (!this.#isFilled) {
      this.#isFilled = true;
      const { conns, shared } = this.world;
      this.#rte = this.#peers.rte()?.(shared);
      this.#rte?.make(conns);
      const refused = (this.#rte?.enter(1, conns) ?? 0) + this.#map.enter(1, conns);
      if (refused > 0) throw new Error(`${refused} keys were refused by the peers`);
    }
    return { rte: this.#rte, map: this.#map };
  }

  /** Returns packets that go on where the last ones ended. */
  readonly traffic = (batch: number): Traffic => {
    this.#traffic = new Traffic(this.world, batch, this.#traffic);
    return this.#traffic;
  };

  /** Takes the spare conns out of every table, so that the world's index holds its conns alone. */
  dropSpares(): void {
    for (const { spares } of this.#spares ?? []) spares.drop();
  }

  /** Returns every table that conns are inserted into and deleted from. Builds share one. */
  spareTables(): readonly { readonly name: string; readonly spares: Spares }[] {
    this.#spares ??= this.#makeSpares();
    return this.#spares;
  }

  #makeSpares(): readonly { readonly name: string; readonly spares: Spares }[] {
    const { spareCount, spareSlot } = this.world;
    const { rte, map } = this.filledPeers();
    const wasm = this.world.datapath;
    const tables = [
      { name: 'wasm', of: { enter: wasm.enterSpares, drop: wasm.dropSpares } },
      ...(rte ? [{ name: 'rte_hash', of: rte }] : []),
      {
        name: 'js-map',
        of: {
          enter: (from: number, count: number) => map.enter(from, count),
          drop: (from: number, count: number) => map.drop(from, count),
        },
      },
    ];
    return tables.map(({ name, of }) => ({
      name,
      spares: new Spares(
        spareCount,
        (from, count) => of.enter(spareSlot + from, count),
        (from, count) => of.drop(spareSlot + from, count),
      ),
    }));
  }
}
