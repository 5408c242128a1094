/**
 * `npm run bench:gateway [-- --json] [--quick]`: the gateway beside the kernel's own router.
 *
 * Both route the same two hosts, each in its own namespaces, with the same addresses and source
 * translation: ours through TUN devices, the kernel through veth pairs with nft masquerade. Rounds
 * are interleaved, ours and the kernel's in turn, as the machine's speed drifts; what counts is the
 * median of the rounds' ratios. It models bulk transfer, small datagrams and round trips of one LAN
 * on one machine, where hosts and gateway share the cores.
 */
import { parseArgs } from 'node:util';
import { runCommand } from '../tests/support/netns.js';
import { describeMachine } from './bench/machine.js';
import { MEASURES, type Measure } from './bench/measures.js';
import { openKernel, openOurs, type Router } from './bench/routers.js';
import { printTable } from './bench/table.js';

const COMMANDS = ['ip', 'nft', 'iperf3', 'ping', 'unshare', 'nsenter', 'setpriv'];
const ROUNDS = 3;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});

for (const command of COMMANDS) {
  const { status } = await runCommand('sh', ['-c', `command -v ${command}`]);
  if (status !== 0) {
    console.error(`bench:gateway needs ${command}, which is not installed`);
    process.exit(1);
  }
}

/** Values of each measure, a row per round. */
const results = new Map<Measure, { ours: number; kernel: number }[]>(
  MEASURES.map((measure) => [measure, []]),
);
const ours = await openOurs();
try {
  const kernel = await openKernel();
  try {
    for (let round = 1; round <= ROUNDS; round++) await runRound(round, ours, kernel);
  } finally {
    await kernel.close();
  }
} finally {
  await ours.close();
}

const machine = await describeMachine();
if (values.json) console.log(JSON.stringify({ machine, measures: summaries() }, null, 2));
else printTable(machine, summaries());

async function runRound(round: number, ours: Router, kernel: Router): Promise<void> {
  for (const [measure, rows] of results) {
    const row = {
      ours: await measure.take(ours, values.quick),
      kernel: await measure.take(kernel, values.quick),
    };
    rows.push(row);
    const shown = `${row.ours.toFixed(measure.digits)} / ${row.kernel.toFixed(measure.digits)}`;
    console.error(`round ${round}/${ROUNDS} ${measure.name}: ${shown} ${measure.unit}`);
  }
}

function summaries() {
  return [...results].map(([{ name, unit, digits }, rows]) => ({
    name,
    unit,
    digits,
    ours: median(rows.map((row) => row.ours)),
    kernel: median(rows.map((row) => row.kernel)),
    ratio: median(rows.map((row) => row.ours / row.kernel)),
    ratios: rows.map((row) => row.ours / row.kernel),
    rows,
  }));
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
