import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GatewayBox } from '../support/gateway-box.js';
import { openerOf, readScenarios, type Scenario } from '../support/tcp-scenarios.js';
import { describeSegment } from '../support/tcp-segment.js';

const FIRST_PORT = 20_000;
const scenarios = readScenarios();
const test = suite<{ box: GatewayBox }>('tcp vectors through the daemon');

test.before(async (context) => {
  context.box = await GatewayBox.open('tcp-loose on');
});

test.after(async ({ box }) => {
  await box.close();
});

test('all scenarios go packet by packet as they are written', async ({ box }) => {
  // One round sends the next packet of every scenario.
  const wrong: string[] = [];
  let before: Awaited<ReturnType<GatewayBox['conns']>> = new Map();
  for (let at = 0; ; at++) {
    const round = scenarios.flatMap((scenario, number) =>
      stepOf(scenario, FIRST_PORT + number, at),
    );
    if (round.length === 0) break;
    const isForwarded = await box.pass(round.map(({ step }) => step));
    const after = await box.conns();
    for (const [number, { name, step, expect }] of round.entries()) {
      const conn = after.get(step.port);
      const isRefreshed = conn?.lastUpdateNs !== before.get(step.port)?.lastUpdateNs;
      const verdict = verdictOf(isForwarded[number] === true, isRefreshed);
      const found = { verdict, state: conn?.state ?? '-' };
      if (found.verdict === expect.verdict && found.state === expect.state) continue;
      const what = describeSegment(step.flow, step.segment);
      wrong.push(`${name}, packet ${at}: ${what}: ${JSON.stringify({ found, expect })}`);
    }
    before = after;
  }
  assert.equal(wrong, []);
});

/** What is only ignored refreshes nothing, and what is invalid neither. */
function verdictOf(isForwarded: boolean, isRefreshed: boolean): string {
  if (isForwarded) return isRefreshed ? 'pass' : 'ignore';
  return isRefreshed ? 'invalid, but refreshed' : 'invalid';
}

function stepOf(scenario: Scenario, port: number, at: number) {
  const packet = scenario.packets[at];
  if (packet === undefined) return [];
  const { dir, flags, seq, ack, win, len, opts, expect } = packet;
  const segment = { flags, seq, ack, win, len, ...(opts === undefined ? {} : { opts }) };
  const flow = dir === openerOf(scenario) ? ('fwd' as const) : ('rev' as const);
  return [{ name: scenario.name, step: { port, flow, segment }, expect }];
}

test.run();
