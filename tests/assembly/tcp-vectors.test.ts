import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as layout from '../../assembly/layout.js';
import { TcpHarness } from '../support/tcp-harness.js';
import { TcpModel } from '../support/tcp-model.js';
import { openerOf, type VectorPacket as Packet, readScenarios } from '../support/tcp-scenarios.js';
import { describeSegment, type Flow, type Segment } from '../support/tcp-segment.js';

const SCENARIOS = readScenarios();

/** Reasons that only the window test gives. */
const WINDOW_REASONS: ReadonlySet<number> = new Set([
  layout.TCP_ABOVE_WINDOW,
  layout.TCP_ACK_OF_UNSEEN,
  layout.TCP_IGNORED_ABOVE_WINDOW,
  layout.TCP_IGNORED_OLD_DATA,
  layout.TCP_IGNORED_OLD_ACK,
]);

const test = suite('tcp vectors');
const harness = new TcpHarness();
const strictHarness = new TcpHarness();

test('there are forty scenarios', () => {
  assert.is(SCENARIOS.length, 40);
});

for (const scenario of SCENARIOS) {
  const { name, packets } = scenario;
  const opener = openerOf(scenario);

  test(name, () => {
    harness.reset('strict', true);
    for (const [at, packet] of packets.entries()) {
      const { verdict, state } = harness.send(flowOf(packet, opener), packet);
      assert.equal({ verdict, state }, packet.expect, label(at, packet));
    }
  });

  test(`${name}: the model agrees`, () => {
    const model = new TcpModel('strict', true);
    for (const [at, packet] of packets.entries())
      assert.equal(model.send(flowOf(packet, opener), packet), packet.expect, label(at, packet));
  });

  test(`${name}: wherever sequence numbers wrap`, () => {
    // Each side's numbers are moved so that its first ones lie around the wrap.
    for (const before of [0, 1, 2, 50, 5000, 70000, 0x7fffffff]) {
      harness.reset('strict', true);
      const shift = { fwd: -before, rev: -5000 - before };
      for (const [at, packet] of packets.entries()) {
        const { verdict, state } = harness.send(flowOf(packet, opener), moved(packet, shift));
        assert.equal({ verdict, state }, packet.expect, `${label(at, packet)}, ${before} before`);
      }
    }
  });

  test(`${name}: with the window test off`, () => {
    const strict = strictHarness.reset('strict', true);
    harness.reset('off', true);
    for (const [at, packet] of packets.entries()) {
      const { reason } = strict.send(flowOf(packet, opener), packet);
      const { verdict, state } = harness.send(flowOf(packet, opener), packet);
      if (WINDOW_REASONS.has(reason & layout.REASON_MASK)) {
        assert.is(verdict, 'pass', label(at, packet));
        return; // What follows depends on what passed.
      }
      assert.equal({ verdict, state }, packet.expect, label(at, packet));
    }
  });
}

/** The packet that creates the conn is fwd, whoever the scenario takes for the client. */
function flowOf({ dir }: Packet, opener: Flow): Flow {
  return dir === opener ? 'fwd' : 'rev';
}

function label(at: number, packet: Packet): string {
  return `packet ${at}: ${describeSegment(packet.dir, packet)}`;
}

function moved(packet: Packet, shift: Readonly<Record<Flow, number>>): Segment {
  const { dir, flags, win, len, opts } = packet;
  const peer = dir === 'fwd' ? shift.rev : shift.fwd;
  const seq = (packet.seq + shift[dir]) >>> 0;
  const ack = flags.includes('A') ? (packet.ack + peer) >>> 0 : 0;
  const sack = opts?.sack?.map(([l, r]) => [(l + peer) >>> 0, (r + peer) >>> 0] as const);
  const base = { flags, seq, ack, win, len };
  if (opts === undefined) return base;
  return { ...base, opts: sack === undefined ? opts : { ...opts, sack } };
}

test.run();
