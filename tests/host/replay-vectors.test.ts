import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ethernetFrame,
  type Frame,
  INSIDE_HOST,
  LINK_ETHERNET,
  LINK_RAW,
  OUTSIDE_HOST,
} from '../support/captures.js';
import { buildTcp } from '../support/packets.js';
import { type PacketLine, Replayer } from '../support/replays.js';
import { type Decision, describeSegment, type Flow, type Segment } from '../support/tcp-segment.js';

interface Packet extends Segment {
  readonly dir: Flow;
  readonly expect: Decision;
}

interface Scenario {
  readonly name: string;
  readonly packets: readonly Packet[];
}

/** A packet of a scenario on its way through a capture. */
interface Step {
  readonly label: string;
  readonly expect: Decision;
  readonly flow: Flow;
  readonly port: number;
  readonly bytes: Buffer;
}

// Tests run from dist/, vectors stay beside their sources.
const VECTORS = new URL('../../../tests/vectors/tcp-tracking.json', import.meta.url);
// A file of the repository, written in this shape.
const SCENARIOS: readonly Scenario[] = JSON.parse(readFileSync(VECTORS, 'utf8'));
const FIRST_PORT = 20_000;
const STEP_NS = 10_000n;

const test = suite('replay vectors');
const replayer = new Replayer();

test.after(() => replayer.folder.remove());

/** The steps of each scenario, from a port of its own. The packet that creates the conn is fwd. */
const SCRIPTS: readonly (readonly Step[])[] = SCENARIOS.map(({ name, packets }, number) => {
  const opener = packets.find(({ expect }) => expect.state !== '-')?.dir ?? 'fwd';
  const port = FIRST_PORT + number;
  return packets.map((packet, at) => {
    const flow = packet.dir === opener ? 'fwd' : 'rev';
    const ends =
      flow === 'fwd'
        ? { src: INSIDE_HOST, dst: OUTSIDE_HOST, sport: port, dport: 443 }
        : { src: OUTSIDE_HOST, dst: INSIDE_HOST, sport: 443, dport: port };
    const { flags, seq, ack, win, len } = packet;
    const opts = packet.opts === undefined ? {} : { opts: packet.opts };
    const bytes = buildTcp({ ...ends, flags, seq, ack, win, ...opts }, Buffer.alloc(len, 0x78));
    const label = `${name}, packet ${at}: ${describeSegment(packet.dir, packet)}`;
    return { label, expect: packet.expect, flow, port, bytes };
  });
});

/** All steps, those of one scenario after those of another, or each scenario's next one in turn. */
function arrange(isInterleaved: boolean): readonly Step[] {
  if (!isInterleaved) return SCRIPTS.flat();
  const longest = Math.max(...SCRIPTS.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) =>
    SCRIPTS.flatMap((script) => script[at] ?? []),
  ).flat();
}

function expectSteps(steps: readonly Step[], lines: readonly PacketLine[]): void {
  assert.is(lines.length, steps.length);
  const ids = new Map<number, string>();
  for (const [at, step] of steps.entries()) {
    const line = lines[at];
    const { verdict, state } = step.expect;
    const found = { n: line?.n, flow: line?.flow, verdict: line?.verdict, state: line?.state };
    assert.equal(found, { n: at + 1, flow: step.flow, verdict, state }, step.label);
    const conn = line?.conn ?? '';
    if (state === '-') assert.is(conn, '-', step.label);
    else {
      assert.match(conn, /^0x[0-9a-f]{8}$/, step.label);
      assert.is(ids.get(step.port) ?? conn, conn, step.label);
      ids.set(step.port, conn);
    }
    assert.is(line?.reason === '-', verdict === 'pass', step.label);
  }
  assert.is(new Set(ids.values()).size, ids.size, 'each connection has an id of its own');
}

const KINDS = [
  ['Ethernet', LINK_ETHERNET, (packet: Buffer) => ethernetFrame(packet)],
  ['tagged Ethernet', LINK_ETHERNET, (packet: Buffer) => ethernetFrame(packet, [0x8100])],
  ['raw IP', LINK_RAW, (packet: Buffer) => packet],
] as const;

for (const [name, linkType, frameOf] of KINDS) {
  for (const isInterleaved of [false, true]) {
    for (const snapBytes of [Number.POSITIVE_INFINITY, 14 + 4 + 20 + 60]) {
      const order = isInterleaved ? 'in turns' : 'in a row';
      const cut = snapBytes === Number.POSITIVE_INFINITY ? 'whole' : `cut at ${snapBytes} bytes`;
      test(`the forty scenarios, ${name}, ${order}, ${cut}`, async () => {
        assert.is(SCENARIOS.length, 40);
        const steps = arrange(isInterleaved);
        const frames: readonly Frame[] = steps.map(({ bytes }, at) => {
          const frame = frameOf(bytes);
          const timeNs = BigInt(at) * STEP_NS;
          return { bytes: frame.subarray(0, snapBytes), wireBytes: frame.length, timeNs };
        });
        const { packets, end, error } = await replayer.run(
          frames,
          { linkType, isNanoseconds: true },
          { tcpLoose: 'on' },
        );
        assert.is(error, undefined);
        expectSteps(steps, packets);

        // What is left is what the last packets of each scenario say.
        const last = new Map(steps.map(({ port, expect }) => [port, expect.state]));
        const wanted = [...last].filter(([, state]) => state !== '-').sort();
        const left = end.conns.map(({ fwd, state }) => [fwd.sport, state]).sort();
        assert.equal(left, wanted);
      });
    }
  }
}

test.run();
