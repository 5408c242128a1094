import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { instantiateSync } from '@assemblyscript/loader';
import { LAYOUT_VERSION } from '../../assembly/layout.js';
import type { DatapathSystem } from '../tun/sys.js';
import type { SharedMemory } from './memory.js';

/** What the WebAssembly module exports. All numbers are u32 unless said otherwise. */
export interface Datapath {
  layoutVersion(): number;
  /** Worker: decides the packets in `count` slots from `first` on, at the clock in its context. */
  burst(worker: number, first: number, count: number): void;
  /** Worker: moves packets by read, write and poll until its stop flag is set. Throws only on a bug. */
  runPoll(worker: number): void;
  /** The same through the io_uring that src/tun/uring.ts opened for it. */
  runUring(worker: number): void;
  /**
   * Calling thread: reads a packet from the queue `fd` through the io_uring that was opened for
   * `worker`, which must not run, and writes it back; 0, or a negative errno. The packet must be there.
   */
  probeUring(worker: number, fd: number): number;

  /**
   * Control plane: unlinks every live conn among slots [from, to) that idled for its
   * time-out at SCRATCH_NOW, less the share in SCRATCH_SHRINK; writes their slots to SCRATCH_LIST and returns how many.
   */
  ageConns(from: number, to: number): number;
  /** Control plane: unlinks every live conn among slots [from, to) that matches SCRATCH_FILTER_*. */
  removeConns(from: number, to: number): number;
  /** Control plane: frees the tran ids and slots of the `count` conns in SCRATCH_LIST. */
  reclaimConns(count: number): void;
  /** Control plane: lists the conns that workers dropped early in SCRATCH_LIST; returns how many. */
  takeRetiredConns(): number;
  /** Control plane: frees the `count` conns in SCRATCH_LIST that takeRetiredConns() listed. */
  reclaimRetiredConns(count: number): void;
  /**
   * Control plane: writes the live conns among slots [from, ...) to SCRATCH_LIST as API entries, at
   * most `limit`; returns how many, and the slot to go on from in SCRATCH_CURSOR (0 at the end).
   */
  exportConns(from: number, limit: number): number;
  /** Control plane, MODE_INSERT_BOTH: copies the entries of buckets [from, to); 0, or how many had no room. */
  copyIndex(from: number, to: number): number;
  /**
   * Control plane: frees every lock that a dead worker held, unlinks what it had half made; writes
   * those slots to SCRATCH_LIST and returns how many. They are to be reclaimed after a grace period.
   */
  recoverWorker(worker: number): number;

  /**
   * Worker: tracks the first packet of its ring without translating it, at the clock in its context.
   * `captured` bytes of it are in the slot; conns begin in the subnet of `insideBe` and `maskBe`.
   */
  track(worker: number, captured: number, insideBe: number, maskBe: number): void;
}

/** Where the compiled module is: `release` is shipped, `debug` asserts and has symbols. */
export type DatapathBuild = 'debug' | 'release';

/** Returns the build that the environment asks for with GROUT_WASM, `release` unless told. */
export function datapathBuild(env: NodeJS.ProcessEnv = process.env): DatapathBuild {
  return env['GROUT_WASM'] === 'debug' ? 'debug' : 'release';
}

/** Returns the compiled module; workers share it by message. */
export function compileDatapath(build: DatapathBuild = datapathBuild()): WebAssembly.Module {
  // dist/src/host/datapath.js is three folders below the package's root.
  const path = fileURLToPath(new URL(`../../../build/${build}.wasm`, import.meta.url));
  return new WebAssembly.Module(readFileSync(path));
}

/**
 * Returns an instance of the datapath over shared memory, for the calling thread alone.
 *
 * @throws {Error} when the module was built from another layout.
 */
export function instantiateDatapath(
  module: WebAssembly.Module,
  shared: SharedMemory,
  system: DatapathSystem,
): Datapath {
  const { exports } = instantiateSync<Record<string, unknown>>(module, {
    env: { memory: shared.memory },
    sys: { ...system },
  });
  // The module's signature is asserted here, once: its version stands for all of it.
  const datapath = exports as unknown as Datapath;
  const found = datapath.layoutVersion();
  if (found !== LAYOUT_VERSION)
    throw new Error(`datapath module has layout ${found}, this host needs ${LAYOUT_VERSION}`);
  return datapath;
}
