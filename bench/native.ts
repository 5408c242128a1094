// Peers in C, loaded into this process: they run over the very memory that the datapath runs over,
// and are measured by the same harness in turn with it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import type { SharedMemory } from '../src/host/memory.js';

/** bench/native/conn-index.c over one memory. */
export interface NativeIndex {
  hash(header: number, keys: number, count: number): number;
  lookUp(header: number, keys: number, count: number, batch: number): number;
}

/** bench/native/rte-hash.c over one memory. */
export interface RteHash {
  /** Makes the table, for twice as many keys as `conns` have. */
  make(conns: number): void;
  enter(slot: number, count: number): number;
  drop(slot: number, count: number): number;
  lookUp(keys: number, count: number, batch: number): number;
}

/** Peers that this machine can build; undefined is one that it cannot. Built when first asked for. */
export interface NativePeers {
  index(): ((shared: SharedMemory) => NativeIndex) | undefined;
  rte(): ((shared: SharedMemory) => RteHash) | undefined;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COMPILE = ['-O3', '-march=native', '-shared', '-fPIC'];
/** For the largest table: 4 Mi conns have 8 Mi keys, at most 100 bytes each. */
const RTE_MEBIBYTES = 1536;

/** Returns the peers for tables of up to `maxConns` conns; `warn` is told why one is missing. */
export function nativePeers(maxConns: number, warn: (text: string) => void): NativePeers {
  return { index: once(loadIndex, warn), rte: once(() => loadRte(maxConns), warn) };
}

function once<T>(load: () => T, warn: (text: string) => void): () => T | undefined {
  let loaded: { readonly peer: T | undefined } | undefined;
  return () => {
    try {
      loaded ??= { peer: load() };
    } catch (cause) {
      loaded = { peer: undefined };
      warn(cause instanceof Error ? cause.message : String(cause));
    }
    return loaded.peer;
  };
}

function loadIndex(): (shared: SharedMemory) => NativeIndex {
  const library = build('conn-index', []);
  const hash = library.func('uint32_t index_hash(uintptr_t, uint32_t, uint32_t, uint32_t)');
  const lookUp = library.func(
    'uint32_t index_look_up(uintptr_t, uint32_t, uint32_t, uint32_t, uint32_t)',
  );
  return (shared) => {
    const base = addressOf(shared);
    return {
      hash: (header, keys, count) => hash(base, header, keys, count),
      lookUp: (header, keys, count, batch) => lookUp(base, header, keys, count, batch),
    };
  };
}

function loadRte(maxConns: number): (shared: SharedMemory) => RteHash {
  const { status, stdout } = spawnSync('pkg-config', ['--cflags', 'libdpdk'], { encoding: 'utf8' });
  if (status !== 0) throw new Error('no rte_hash: libdpdk-dev is not installed');
  const libraries = ['-Wl,--as-needed', '-lrte_hash', '-lrte_eal'];
  const library = build('rte-hash', [...stdout.trim().split(/\s+/), ...libraries]);
  const mebibytes = Math.max(64, Math.ceil((RTE_MEBIBYTES * maxConns) / (1 << 22)));
  if (library.func('int rte_start(uint32_t)')(mebibytes) !== 0)
    throw new Error("no rte_hash: DPDK's environment does not start");
  const make = library.func('int rte_make(uint32_t)');
  const enter = library.func('uint32_t rte_enter(uintptr_t, uint32_t, uint32_t)');
  const drop = library.func('uint32_t rte_drop(uintptr_t, uint32_t, uint32_t)');
  const lookUp = library.func('uint32_t rte_look_up(uintptr_t, uint32_t, uint32_t, uint32_t)');
  return (shared) => {
    const base = addressOf(shared);
    return {
      make: (conns) => {
        if (make(4 * conns) !== 0) throw new Error(`rte_hash has no memory for ${conns} conns`);
      },
      enter: (slot, count) => enter(base, slot, count),
      drop: (slot, count) => drop(base, slot, count),
      lookUp: (keys, count, batch) => lookUp(base, keys, count, batch),
    };
  };
}

function build(name: string, words: readonly string[]): ReturnType<typeof koffi.load> {
  const output = `${ROOT}/build/bench-${name}.so`;
  const source = `${ROOT}/bench/native/${name}.c`;
  const { error, status, stderr } = spawnSync('cc', [...COMPILE, '-o', output, source, ...words], {
    encoding: 'utf8',
  });
  if (error !== undefined) throw new Error(`no ${name} in C: there is no compiler`);
  if (status !== 0) throw new Error(`no ${name} in C: ${stderr.trim()}`);
  return koffi.load(output);
}

/** User space ends at 2^47, so that a Number holds every address. */
function addressOf({ bytes }: SharedMemory): number {
  return Number(koffi.address(bytes));
}
