import { parseArgs } from 'node:util';
import type { RowMaker } from './rows.js';
import { compileBench } from './world.js';

/** What is to be measured, and how it is told. */
export interface Options {
  /** At least one. */
  readonly makers: readonly RowMaker[];
  /** Numbers of conns, each a power of two. */
  readonly sizes: readonly number[];
  /** Time in ms for one candidate in one round. */
  readonly roundMs: number;
  readonly isLong: boolean;
  readonly isJson: boolean;
  /** Another build of bench.wasm. */
  readonly against: WebAssembly.Module | undefined;
}

const SIZES = [1 << 14, 1 << 20];
const SIZES_LONG = [1 << 14, 1 << 18, 1 << 20, 1 << 22];
/** Spare conns and streams of keys lie in memory behind the conns. */
const MAX_CONNS = 1 << 23;
const MIN_CONNS = 1 << 14;
const ROUND_MS = 25;
const ROUND_MS_LONG = 150;
const MAX_ROUND_MS = 10_000;

/** Returns what the words of a command line ask for; ends the process with 2 if it is nonsense. */
export function parseOptions(words: readonly string[], makers: readonly RowMaker[]): Options {
  try {
    return read(words, makers);
  } catch (cause) {
    console.error(`bench: ${cause instanceof Error ? cause.message : String(cause)}`);
    process.exit(2);
  }
}

function read(words: readonly string[], makers: readonly RowMaker[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      filter: { type: 'string', default: '' },
      conns: { type: 'string' },
      time: { type: 'string' },
      json: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      against: { type: 'string' },
    },
  });
  const { filter, long: isLong, json: isJson } = values;
  const wanted = makers.filter(({ name }) => name.includes(filter));
  if (wanted.length === 0) {
    const names = makers.map(({ name }) => name).join(', ');
    throw new Error(`no row has ${filter} in its name; there are ${names}`);
  }
  const sizes = isLong ? SIZES_LONG : SIZES;
  return {
    makers: wanted,
    sizes: values.conns === undefined ? sizes : [connsOf(values.conns)],
    roundMs: values.time === undefined ? (isLong ? ROUND_MS_LONG : ROUND_MS) : timeOf(values.time),
    isLong,
    isJson,
    against: values.against === undefined ? undefined : compileBench(values.against),
  };
}

function connsOf(text: string): number {
  const conns = Number(text);
  const isPower = Number.isInteger(Math.log2(conns));
  if (!isPower || conns < MIN_CONNS || conns > MAX_CONNS)
    throw new Error(`conns ${text} is not a power of two in ${MIN_CONNS}..${MAX_CONNS}`);
  return conns;
}

function timeOf(text: string): number {
  const ms = Number(text);
  if (!Number.isInteger(ms) || ms < 1 || ms > MAX_ROUND_MS)
    throw new Error(`time ${text} is not in 1..${MAX_ROUND_MS} ms`);
  return ms;
}
