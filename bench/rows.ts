// What is measured. Each row has a candidate of ours, `wasm`, and the peers that can do the same.
import { EXPORT_SIZE } from '../assembly/layout.js';
import type { Candidate, Row } from './harness.js';
import type { Setting } from './setting.js';
import { Traffic } from './traffic.js';
import type { Distribution, World } from './world.js';

/** Makes a row, in a setting, for one batch size. */
export interface RowMaker {
  readonly name: string;
  readonly batches: readonly number[];
  make(setting: Setting, batch: number): RowBody;
}

type RowBody = Omit<Row, 'name' | 'conns' | 'batch'>;

/** Keys looked up or hashed in a run; the next run takes those behind them. */
const RUN_KEYS = 2048;
/** Conns inserted or deleted in a run. */
const RUN_CONNS = 512;
/** A step that may be repeated is, so that a run is long for the clock. */
const REPEATS = 16;
const KEY_BYTES = 16;
const ALL_BATCHES = [1, 32, 64];

export const ROW_MAKERS: readonly RowMaker[] = [
  lookUps('lookup-hit', 'uniform', false),
  lookUps('lookup-zipf', 'zipf', false),
  lookUps('lookup-miss', 'uniform', true),
  { name: 'insert', batches: [1], make: inserts },
  { name: 'delete', batches: [1], make: deletes },
  { name: 'hash', batches: [1], make: hashes },
  { name: 'parse', batches: [64], make: (setting) => steps(setting, 'parseRing') },
  { name: 'checksum', batches: [64], make: (setting) => steps(setting, 'translateRing') },
  { name: 'tcp-track', batches: [64], make: tracks },
  { name: 'packet', batches: ALL_BATCHES, make: packets },
  { name: 'migration', batches: [1], make: migrations },
  { name: 'ageing', batches: [1], make: ageings },
  { name: 'listing', batches: [1], make: listings },
  { name: 'flush', batches: [1], make: flushes },
];

function lookUps(name: string, distribution: Distribution, isMissed: boolean): RowMaker {
  return {
    name,
    batches: ALL_BATCHES,
    make(setting, batch) {
      const { world, builds } = setting;
      const index = setting.nativeIndex();
      const { rte, map } = setting.filledPeers();
      const keys = world.keys(distribution, isMissed);
      const header = world.datapath.readIndex();
      const candidate = (peer: string, lookUp: (keys: number) => number): Candidate => {
        let from = 0;
        return {
          name: peer,
          run: () => {
            check(peer, lookUp(keys + from * KEY_BYTES), isMissed ? 0 : RUN_KEYS);
            from = (from + RUN_KEYS) % world.streamLength;
          },
        };
      };
      const candidates = builds.map(([peer, wasm]) =>
        candidate(peer, (at) => wasm.lookUpStream(at, RUN_KEYS, batch)),
      );
      if (index) candidates.push(candidate('c', (at) => index.lookUp(header, at, RUN_KEYS, batch)));
      if (rte) candidates.push(candidate('rte_hash', (at) => rte.lookUp(at, RUN_KEYS, batch)));
      candidates.push(candidate('js-map', (at) => map.lookUp(at, RUN_KEYS)));
      return { ops: RUN_KEYS, candidates };
    },
  };
}

function inserts(setting: Setting): RowBody {
  const candidates = setting.spareTables().map(({ name, spares }) => ({
    name,
    before: () => spares.makeRoom(RUN_CONNS),
    run: () => spares.enter(RUN_CONNS),
  }));
  return { ops: RUN_CONNS, candidates };
}

function deletes(setting: Setting): RowBody {
  const candidates = setting.spareTables().map(({ name, spares }) => ({
    name,
    before: () => spares.makeStock(RUN_CONNS),
    run: () => spares.drop(RUN_CONNS),
  }));
  return { ops: RUN_CONNS, candidates };
}

function hashes(setting: Setting): RowBody {
  const { world, builds } = setting;
  const index = setting.nativeIndex();
  const keys = world.keys('uniform', false);
  const header = world.datapath.readIndex();
  const expected = world.datapath.hashStream(keys, RUN_KEYS) >>> 0;
  const candidate = (name: string, hash: () => number): Candidate => ({
    name,
    run: () => check(name, hash() >>> 0, expected),
  });
  const candidates = builds.map(([name, wasm]) =>
    candidate(name, () => wasm.hashStream(keys, RUN_KEYS)),
  );
  if (index) candidates.push(candidate('c', () => index.hash(header, keys, RUN_KEYS)));
  return { ops: RUN_KEYS, candidates };
}

function steps({ world, builds }: Setting, step: 'parseRing' | 'translateRing'): RowBody {
  const batch = 64;
  const traffic = new Traffic(world, batch);
  const candidates = builds.map(([name, wasm]) => ({
    name,
    before: () => traffic.next(wasm.prepareRing),
    run: () => {
      for (let n = 0; n < REPEATS; n++) wasm[step](batch);
    },
  }));
  return { ops: REPEATS * batch, candidates };
}

function tracks({ world, builds, traffic }: Setting, batch: number): RowBody {
  const tracked = traffic(batch);
  const candidates: Candidate[] = builds.map(([name, wasm]) => ({
    name,
    before: () => tracked.next(wasm.prepareRing),
    run: () => check(name, wasm.trackRing(batch), 0),
  }));
  // Its packets reach no window, so that the streams must not count them.
  const untracked = new Traffic(world, batch);
  candidates.push({
    name: 'flags-only',
    before: () => untracked.next(world.datapath.prepareRing),
    run: () => check('flags-only', world.datapath.trackFlags(batch), 0),
  });
  return { ops: batch, candidates };
}

function packets({ world, builds, traffic }: Setting, batch: number): RowBody {
  const tracked = traffic(batch);
  let expected = world.forwarded;
  const candidates = builds.map(([name, wasm]) => ({
    name,
    before: () => {
      check('forwarded', world.forwarded, expected);
      expected += batch;
      tracked.next(wasm.fillRing);
    },
    run: () => wasm.burst(0, 0, batch),
  }));
  return { ops: batch, candidates };
}

function migrations(setting: Setting): RowBody {
  return sweep(setting, ({ index, conns }) => index.migrate(conns));
}

function ageings(setting: Setting): RowBody {
  return sweep(setting, async ({ table }) => check('aged', await table.age(0n), 0));
}

function listings(setting: Setting): RowBody {
  return sweep(setting, async ({ table, conns }) => {
    let bytes = 0;
    for await (const { length } of table.list()) bytes += length;
    check('listed', bytes / EXPORT_SIZE, conns);
  });
}

function flushes(setting: Setting): RowBody {
  return sweep(
    setting,
    async ({ table, conns }) => check('flushed', await table.remove({}), conns),
    (world) => world.refill(),
  );
}

/** Goes over all conns of the world, and over no others. */
function sweep(
  setting: Setting,
  run: (world: World) => Promise<void>,
  before: (world: World) => void = () => {},
): RowBody {
  const { world } = setting;
  setting.dropSpares();
  const candidate = { name: 'wasm', run: () => run(world), before: () => before(world) };
  return { ops: world.conns, isSweep: true, candidates: [candidate] };
}

/** Figures of what does not work are worth nothing. */
function check(what: string, result: number, expected: number): void {
  if (result !== expected) throw new Error(`${what}: ${result} instead of ${expected}`);
}
