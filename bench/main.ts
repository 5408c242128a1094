/**
 * `npm run bench [-- --filter NAME] [--json] [--long] [--against FILE]`: the datapath in memory.
 *
 * Each row runs one operation of the datapath many times inside WebAssembly, in turn with its peers:
 * the same algorithm in C, DPDK's rte_hash, a JavaScript Map. What counts are medians, and ratios
 * within a round, as the machine's speed drifts. `--against` adds another build of bench.wasm over
 * the same memory, to see what a change of the datapath does.
 */
import { parseArgs } from 'node:util';
import { describeMachine } from '../scripts/bench/machine.js';
import { measure } from './harness.js';
import { nativePeers } from './native.js';
import { type Result, resultsOf, tableHead, tableLine } from './report.js';
import { ROW_MAKERS } from './rows.js';
import { Setting } from './setting.js';
import { compileBench, World } from './world.js';

const SIZES = [1 << 14, 1 << 20];
const SIZES_LONG = [1 << 14, 1 << 18, 1 << 20, 1 << 22];
/** Time for one candidate in one round. */
const ROUND_MS = 25;
const ROUND_MS_LONG = 150;
/** The default run measures these batches only, where there is a choice. */
const BATCH = 32;
const ALL_BATCHES_OF = new Set(['lookup-hit', 'packet']);

const { values } = parseArgs({
  options: {
    filter: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    against: { type: 'string' },
  },
});
const makers = ROW_MAKERS.filter(({ name }) => name.includes(values.filter));
if (makers.length === 0) {
  const names = ROW_MAKERS.map(({ name }) => name).join(', ');
  console.error(`bench: no row has ${values.filter} in its name; there are ${names}`);
  process.exit(2);
}

const warn = (text: string) => console.error(`bench: ${text}`);
const print = (text: string) => {
  if (!values.json) console.log(text);
};
const sizes = values.long ? SIZES_LONG : SIZES;
const module = compileBench(new URL('../../build/bench.wasm', import.meta.url));
const others = new Map(
  values.against === undefined ? [] : [['against', compileBench(values.against)]],
);
const peers = nativePeers(Math.max(...sizes), warn);

const { cpu, cores, kernel, node, commit } = await describeMachine();
print(`${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, commit ${commit}\n`);
print(tableHead());
const results: Result[] = [];
for (const conns of sizes) {
  const setting = new Setting(await World.create(conns, module), peers, others);
  for (const { name, batches, make } of makers) {
    const isFull = values.long || batches.length === 1 || ALL_BATCHES_OF.has(name);
    for (const batch of isFull ? batches : [BATCH]) {
      const row = { name, conns, batch, ...make(setting, batch) };
      const spreads = await measure(row, values.long ? ROUND_MS_LONG : ROUND_MS, warn);
      const found = resultsOf(row, spreads);
      print(tableLine(found));
      results.push(...found);
    }
  }
}
print('\nNanoseconds per operation: of a conn, a key or a packet. A ratio is ours by the peer’s.');
if (values.json) console.log(JSON.stringify(results, null, 2));
