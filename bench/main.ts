/**
 * `npm run bench [-- --filter NAME] [--conns N] [--time MS] [--json] [--long] [--against FILE]`: the
 * datapath in memory.
 *
 * Each row runs one operation of the datapath many times inside WebAssembly, in turn with its peers:
 * the same algorithm in C, DPDK's rte_hash, a JavaScript Map. What counts are medians, and ratios
 * within a round, as the machine's speed drifts. `--against` adds another build of bench.wasm over
 * the same memory, to see what a change of the datapath does.
 */
import { describeMachine } from '../scripts/bench/machine.js';
import { measure } from './harness.js';
import { nativePeers } from './native.js';
import { parseOptions } from './options.js';
import { type Result, resultsOf, tableHead, tableLine } from './report.js';
import { ROW_MAKERS } from './rows.js';
import { Setting } from './setting.js';
import { compileBench, World } from './world.js';

/** Without `--long` these batches only are measured, where there is a choice. */
const BATCH = 32;
const ALL_BATCHES_OF = new Set(['lookup-hit', 'packet']);

const options = parseOptions(process.argv.slice(2), ROW_MAKERS);
const { makers, sizes, roundMs } = options;
const warn = (text: string) => console.error(`bench: ${text}`);
const print = (text: string) => {
  if (!options.isJson) console.log(text);
};
const module = compileBench(new URL('../../build/bench.wasm', import.meta.url));
const others = new Map(options.against === undefined ? [] : [['against', options.against]]);
const peers = nativePeers(Math.max(...sizes), warn);

const { cpu, cores, kernel, node, commit } = await describeMachine();
print(`${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, commit ${commit}\n`);
print(tableHead());
const results: Result[] = [];
for (const conns of sizes) {
  const setting = new Setting(await World.create(conns, module), peers, others);
  for (const { name, batches, make } of makers) {
    const isFull = options.isLong || batches.length === 1 || ALL_BATCHES_OF.has(name);
    for (const batch of isFull ? batches : [BATCH]) {
      const row = { name, conns, batch, ...make(setting, batch) };
      const spreads = await measure(row, roundMs, warn);
      const found = resultsOf(row, spreads);
      print(tableLine(found));
      results.push(...found);
    }
  }
}
print('\nNanoseconds per operation: of a conn, a key or a packet. A ratio is ours by the peer’s.');
if (options.isJson) console.log(JSON.stringify(results, null, 2));
