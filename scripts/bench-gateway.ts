/**
 * `npm run bench:gateway [-- --json] [--quick] [--rounds N] [--only WORDS] [--trials WORDS]`: a race
 * of routers.
 *
 * Each routes the same two hosts, in namespaces of their own. Rounds are interleaved, one candidate
 * after the other in each trial, as the machine's speed drifts; what counts is the median of the
 * rounds' ratios. It models bulk transfer, datagrams, round trips and short connections of one LAN
 * on one machine, where hosts and router share the cores.
 *
 * Standard output has the tables, or with --json an array of {measure, candidate, value, unit,
 * reference, ratio}; standard error tells each value of each round as it comes. WORDS are separated by
 * commas: parts of candidates' names, names of trials.
 */
import { parseArgs } from 'node:util';
import {
  COPY_LOOP,
  KERNEL,
  openCopyLoop,
  openKernel,
  openOurs,
  openSlirp,
  SLIRP,
} from './bench/candidates.js';
import { describeMachine } from './bench/machine.js';
import { buildNative } from './bench/native.js';
import { Results } from './bench/results.js';
import type { Router } from './bench/router.js';
import { printTables } from './bench/table.js';
import { TRIALS, type TrialOptions } from './bench/trials.js';
import { missingCommands } from './smoke-needs.js';

const COMMANDS = ['ip', 'nft', 'iperf3', 'ping', 'ss', 'taskset', 'unshare', 'nsenter', 'setpriv'];
const ROUNDS = 3;
/** Ours, by name: what each daemon is started with. */
const OURS: ReadonlyMap<string, readonly string[]> = new Map([
  ['ours-poll', ['--io', 'poll']],
  ['ours-uring', ['--io', 'uring']],
]);

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    trials: { type: 'string', default: [...TRIALS.keys()].join() },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 1 : ROUNDS));
if (!Number.isInteger(rounds) || rounds < 1) fail(2, `--rounds ${values.rounds} is not 1 or more`);
const trials = values.trials.split(',').map((name) => {
  const trial = TRIALS.get(name);
  return trial ?? fail(2, `--trials ${name} is not one of: ${[...TRIALS.keys()].join(', ')}`);
});
const missing = missingCommands(COMMANDS);
if (missing !== undefined) fail(1, missing);

const options: TrialOptions = {
  seconds: values.quick ? 1 : 3,
  pings: values.quick ? 500 : 3000,
  flood: buildNative('flood'),
  connections: buildNative('connections'),
};
const results = new Results();
const routers: Router[] = [];
try {
  await openCandidates();
  for (let round = 0; round < rounds; round++) await runRound(round);
} finally {
  for (const router of routers.reverse()) await router.close();
}
const comparisons = results.comparisons();
if (values.json)
  console.log(
    JSON.stringify(
      comparisons.map(({ ratios: _, ...row }) => row),
      null,
      2,
    ),
  );
else printTables(await describeMachine(), comparisons, [...OURS.keys()]);

/** Opens all candidates that are wanted and that this machine can run. */
async function openCandidates(): Promise<void> {
  const wanted = values.only?.split(',');
  const add = async (name: string, open: () => Promise<Router | undefined>) => {
    if (wanted !== undefined && !wanted.some((word) => name.includes(word))) return;
    const router = await open();
    if (router === undefined) console.error(`${name} is left out: there is no compiler`);
    else routers.push(router);
  };
  for (const [name, args] of OURS) await add(name, () => openOurs(name, args));
  await add(COPY_LOOP, openCopyLoop);
  await add(KERNEL, openKernel);
  const slirp = missingCommands([SLIRP]);
  if (slirp === undefined) await add(SLIRP, openSlirp);
  else console.error(`${SLIRP} is left out: ${slirp}`);
  if (routers.length === 0) fail(2, `--only ${values.only} leaves no candidate`);
}

async function runRound(round: number): Promise<void> {
  for (const trial of trials) {
    for (const router of routers) {
      const found = await trial(router, options);
      results.add(router.name, round, found);
      const words = Object.entries(found).map(([name, value]) => `${name} ${value.toFixed(3)}`);
      console.error(`round ${round + 1}/${rounds} ${router.name}: ${words.join(', ')}`);
    }
  }
}

function fail(code: number, why: string): never {
  console.error(`bench:gateway: ${why}`);
  process.exit(code);
}
