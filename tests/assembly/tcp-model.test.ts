import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printedSeed, seededRandom } from '../support/datapath.js';
import { randomStep } from '../support/tcp-fuzz.js';
import { TcpHarness } from '../support/tcp-harness.js';
import { TcpModel } from '../support/tcp-model.js';
import {
  describeSegment,
  type Flow,
  type Segment,
  type WindowMode,
} from '../support/tcp-segment.js';
import { isSameView } from '../support/tcp-view.js';

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

test.run();
