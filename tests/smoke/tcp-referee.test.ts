import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printedSeed, seededRandom } from '../support/datapath.js';
import { GatewayBox } from '../support/gateway-box.js';
import { KernelBox } from '../support/kernel-box.js';
import { type Judged, Referee } from '../support/referee.js';
import { shrink } from '../support/shrink.js';
import { DEMONSTRATIONS } from '../support/tcp-demonstrations.js';
import { DIVERGENCES, findDivergences } from '../support/tcp-divergences.js';
import { describeSegment } from '../support/tcp-segment.js';
import { randomTalk, type Said } from '../support/tcp-talkers.js';

// Tests run from dist/.
const DOCUMENT = new URL('../../../docs/tcp-divergences.md', import.meta.url);
const TALKS = process.env['GROUT_LONG'] ? 50_000 : 2500;
const FIRST_PORT = 2000;

const test = suite<{ ours: GatewayBox; kernel: KernelBox; referee: Referee }>('tcp referee');

test.before(async (context) => {
  context.ours = await GatewayBox.open();
  context.kernel = await KernelBox.open();
  context.referee = new Referee(context.ours, context.kernel, FIRST_PORT);
});

test.after(async ({ ours, kernel }) => {
  await kernel?.close();
  await ours?.close();
});

test('each known divergence is described, and no other', () => {
  const headings = readFileSync(DOCUMENT, 'utf8').matchAll(/^### (.+)$/gm);
  const names = [...headings].map(([, name]) => name);
  assert.equal(names.toSorted(), DIVERGENCES.map(({ name }) => name).toSorted());
});

test('each known divergence from the kernel is one that can be shown', async ({ referee }) => {
  const names = [...DEMONSTRATIONS.keys()];
  assert.equal(names.toSorted(), DIVERGENCES.map(({ name }) => name).toSorted());
  const judged = await referee.judge([...DEMONSTRATIONS.values()]);
  for (const [number, talk] of judged.entries()) {
    assert.is(problemOf(talk), undefined, names[number]);
    const last = findDivergences(talk).at(-1);
    assert.equal(last, { at: talk.length - 1, name: names[number] }, tell(talk));
  }
});

test('random conversations go as the kernel has them, but for known divergences', async (context) => {
  const { referee } = context;
  const random = seededRandom(printedSeed('tcp referee'));
  const talks = Array.from({ length: TALKS }, () => randomTalk(random));
  const met = new Map<string, number>();
  let segments = 0;
  let same = 0;
  for (const [number, talk] of (await referee.judge(talks)).entries()) {
    const problem = problemOf(talk);
    if (problem !== undefined) assert.unreachable(await explain(referee, talks[number] ?? []));
    for (const { name = '' } of findDivergences(talk)) met.set(name, (met.get(name) ?? 0) + 1);
    segments += talk.length;
    same += talk.filter((one) => one.isForwardedByUs === one.isForwardedByKernel).length;
  }
  console.log(`${segments} segments in ${TALKS} conversations, ${same} verdicts are the same`);
  for (const [name, count] of met) console.log(`${String(count).padStart(6)} ${name}`);
  assert.ok(same / segments > 0.8, `only ${same} of ${segments} verdicts are the same`);
});

/** Returns what is wrong with a judged conversation, or undefined. */
function problemOf(talk: readonly Judged[]): string | undefined {
  for (const [at, one] of talk.entries()) {
    if ((one.verdict !== 'invalid') !== one.isForwardedByUs)
      return `segment ${at}: the tracker says ${one.verdict}, the gateway does not do that`;
    if (one.kernel.isForwarded !== one.isForwardedByKernel)
      return `segment ${at}: this kernel does not follow the rule "${one.kernel.rule}"`;
  }
  const unknown = findDivergences(talk).find(({ name }) => name === undefined);
  return unknown && `segment ${unknown.at}: an unknown divergence`;
}

/** Returns a shortest conversation that has a problem, with both lists of verdicts. */
async function explain(referee: Referee, talk: readonly Said[]): Promise<string> {
  const judge = async (items: readonly Said[]) => (await referee.judge([items]))[0] ?? [];
  const isBad = async (items: readonly Said[]) => problemOf(await judge(items)) !== undefined;
  const judged = await judge(await shrink(talk, isBad));
  return `${problemOf(judged)}\n${tell(judged)}`;
}

function tell(talk: readonly Judged[]): string {
  const lines = talk.map((one) => {
    const ours = `${one.isForwardedByUs ? 'forwarded' : 'dropped'} (${one.verdict} ${one.state})`;
    const kernels = `${one.isForwardedByKernel ? 'forwarded' : 'dropped'} (${one.kernel.rule})`;
    return `${describeSegment(one.flow, one.segment)}: we ${ours}, the kernel ${kernels}`;
  });
  return lines.join('\n');
}

test.run();
