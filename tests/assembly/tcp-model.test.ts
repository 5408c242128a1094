import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printedSeed, seededRandom } from '../support/datapath.js';
import { randomStep } from '../support/tcp-fuzz.js';
import { TcpHarness } from '../support/tcp-harness.js';
import { TcpModel } from '../support/tcp-model.js';
import {
  type ConnView,
  describeSegment,
  type Flow,
  type Segment,
  type WindowMode,
} from '../support/tcp-segment.js';

const MODES: readonly WindowMode[] = ['strict', 'liberal', 'off'];
/** Over all modes together. */
const SEQUENCES = process.env['GROUT_LONG'] ? 1_000_000 : 100_000;
const LONGEST = 24;

const test = suite('tcp model');
const harness = new TcpHarness();
const seed = printedSeed('tcp model');

for (const [number, mode] of MODES.entries())
  test(`random connections go as the model has them, ${mode}`, () => {
    const random = seededRandom(seed + number);
    for (let sequence = 0; sequence < SEQUENCES / MODES.length; sequence++) {
      const loose = sequence % 4 === 0;
      const model = new TcpModel(mode, loose);
      const sent: [Flow, Segment][] = [];
      harness.reset(mode, loose);
      for (let left = (random() % LONGEST) + 1; left > 0; left--) {
        const [flow, segment] = randomStep(random, model.view);
        sent.push([flow, segment]);
        const expected = model.send(flow, segment);
        const { verdict, state } = harness.send(flow, segment);
        const isSame = verdict === expected.verdict && state === expected.state;
        if (!isSame || !isSameView(harness.view, model.view)) {
          const steps = sent.map((step) => describeSegment(...step)).join('\n');
          const found = JSON.stringify({ verdict, state, view: harness.view }, null, 1);
          const wanted = JSON.stringify({ ...expected, view: model.view }, null, 1);
          assert.unreachable(`${steps}\nfound ${found}\nwanted ${wanted}`);
        }
      }
    }
  });

test('random connections meet every verdict in every state', () => {
  const random = seededRandom(seed);
  const met = new Set<string>();
  for (let sequence = 0; sequence < 20_000; sequence++) {
    const model = new TcpModel('strict', true);
    for (let left = LONGEST; left > 0; left--) {
      const before = model.view?.state ?? '-';
      const { verdict } = model.send(...randomStep(random, model.view));
      met.add(`${before} ${verdict}`);
    }
  }
  // Without an entry nothing is ignored.
  assert.is(met.size, 12 * 3 + 2, [...met].sort().join(', '));
});

/** A side's initial number gives way to its FIN's end, and a picked-up side never had one. */
function isSameView(found: ConnView | undefined, wanted: ConnView | undefined): boolean {
  if (found === undefined || wanted === undefined) return found === wanted;
  const { fwd, rev, ...rest } = wanted;
  const { fwd: foundFwd, rev: foundRev, ...foundRest } = found;
  return isSame(foundRest, rest) && isSameSide(foundFwd, fwd) && isSameSide(foundRev, rev);
}

function isSameSide(found: ConnView['fwd'], wanted: ConnView['fwd']): boolean {
  const hidesIsn = wanted.finEnd !== undefined || wanted.isn === undefined;
  return isSame(hidesIsn ? { ...found, isn: wanted.isn } : found, wanted);
}

function isSame<T extends object>(found: T, wanted: T): boolean {
  for (const field in wanted) if (found[field] !== wanted[field]) return false;
  return true;
}

test.run();
