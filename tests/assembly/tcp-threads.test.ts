import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONN_LAST_UPDATE,
  CONN_SIZE,
  CTL_TCP_WINDOW,
  TCP_WINDOW_STRICT,
} from '../../assembly/layout.js';
import { printedSeed, seededRandom, testDatapath } from '../support/datapath.js';
import { linearize, type Operation, type Specification } from '../support/linearize.js';
import { randomStep } from '../support/tcp-fuzz.js';
import { segmentBytes, TcpHarness, verdictOf } from '../support/tcp-harness.js';
import { TcpModel } from '../support/tcp-model.js';
import {
  type RaceMemory,
  RESULT_WORDS,
  raceMemory,
  SEGMENT_BYTES,
  SEGMENTS,
} from '../support/tcp-race.js';
import type { RacerData } from '../support/tcp-racer.js';
import { describeSegment, type Flow, type Segment, type Verdict } from '../support/tcp-segment.js';
import { HANDSHAKE, say, segmentOf } from '../support/tcp-talk.js';
import { isSameView } from '../support/tcp-view.js';

/** Both threads together: 10^6 segments, on the debug build a tenth. */
const WANTED = process.env['GROUT_WASM'] === 'debug' ? 100_000 : 1_000_000;
const ROUNDS = Math.ceil(WANTED / (2 * SEGMENTS));
const HANG_MS = 90_000;
const FLOWS = ['fwd', 'rev'] as const;

interface Step {
  readonly flow: Flow;
  readonly segment: Segment;
  readonly verdict: Verdict;
  /** What the conn keeps as the time of its last update if the segment passes. */
  readonly time: bigint;
}

interface Known {
  readonly model: TcpModel;
  readonly lastUpdate: bigint;
}

const test = suite('tcp threads');

test('two threads with the two directions of a connection do as one could have done', async () => {
  const random = seededRandom(printedSeed('tcp threads'));
  const harness = new TcpHarness().reset('strict', false);
  say(harness, HANDSHAKE);
  const race = raceMemory(ROUNDS);
  new Uint8Array(race.start).set(harness.slot);
  const segments = Array.from({ length: ROUNDS }, (_, round) => deal(random, race, round));

  await run(race);

  let overlaps = 0;
  for (const [round, dealt] of segments.entries()) {
    const fwd = operationsOf(race, round, 'fwd', dealt.fwd);
    const rev = operationsOf(race, round, 'rev', dealt.rev);
    overlaps += fwd.filter((a) => rev.some((b) => a.began < b.ended && b.began < a.ended)).length;
    const slot = new Uint8Array(race.slots).slice(round * CONN_SIZE, (round + 1) * CONN_SIZE);
    harness.slot = slot;
    const { isExplained } = linearize(fwd, rev, afterHandshake(), specification(harness));
    if (!isExplained) assert.unreachable(`round ${round}:\n${tell([...fwd, ...rev])}`);
  }
  console.log(`${overlaps} of ${ROUNDS * SEGMENTS} segments of one thread met one of the other`);
  assert.ok(overlaps > ROUNDS / 2, 'the threads hardly met');
});

/** Returns the segments of a round, drawn as one thread might have seen them, and lays them out. */
function deal(
  random: () => number,
  race: RaceMemory,
  round: number,
): Readonly<Record<Flow, readonly Segment[]>> {
  // In every other round only data and acks, which depend on what the other thread has sent.
  const isCivil = round % 2 === 0;
  const { model } = afterHandshake();
  const dealt: Record<Flow, Segment[]> = { fwd: [], rev: [] };
  while (dealt.fwd.length < SEGMENTS || dealt.rev.length < SEGMENTS) {
    const [flow, segment] = randomStep(random, model.view);
    if (dealt[flow].length === SEGMENTS) continue;
    if (isCivil && !/^P?A$/.test(segment.flags)) continue;
    model.send(flow, segment);
    dealt[flow].push(segment);
  }
  for (const flow of FLOWS)
    for (const [number, segment] of dealt[flow].entries()) {
      const at = (round * SEGMENTS + number) * SEGMENT_BYTES;
      const packet = Buffer.from(race.packets[flow], at, SEGMENT_BYTES);
      const tcp = segmentBytes(segment);
      packet[0] = 0x45;
      packet.writeUInt16BE(20 + tcp.length + segment.len, 2);
      packet.set(tcp, 20);
    }
  return dealt;
}

async function run(race: RaceMemory): Promise<void> {
  const { shared, module } = testDatapath({ ceiling: 1 });
  Atomics.store(shared.u32, CTL_TCP_WINDOW >>> 2, TCP_WINDOW_STRICT);
  const threads = FLOWS.map((flow) => {
    const workerData: RacerData = { memory: shared.memory, module, race, flow };
    return new Worker(new URL('../support/tcp-racer.js', import.meta.url), { workerData });
  });
  const signal = AbortSignal.timeout(HANG_MS);
  try {
    const codes = await Promise.all(threads.map((thread) => once(thread, 'exit', { signal })));
    assert.equal(codes, [[0], [0]]);
  } finally {
    for (const thread of threads) await thread.terminate();
  }
}

function operationsOf(
  race: RaceMemory,
  round: number,
  flow: Flow,
  segments: readonly Segment[],
): Operation<Step>[] {
  const results = new Uint32Array(race.results[flow]);
  return segments.map((segment, place) => {
    const number = round * SEGMENTS + place;
    const at = number * RESULT_WORDS;
    const [reason = 0, began = 0, ended = 0] = results.subarray(at, at + RESULT_WORDS);
    const time = BigInt(number * 2 + (flow === 'fwd' ? 1 : 2));
    return { step: { flow, segment, verdict: verdictOf(reason), time }, began, ended };
  });
}

function afterHandshake(): Known {
  const model = new TcpModel('strict', false);
  for (const line of HANDSHAKE) model.send(line[0], segmentOf(line));
  return { model, lastUpdate: 0n };
}

/** The model's rules, to end as the slot of `harness` says. */
function specification(harness: TcpHarness): Specification<Known, Step> {
  const slot = Buffer.from(harness.slot);
  return {
    next({ model, lastUpdate }, { flow, segment, verdict, time }) {
      const after = model.clone();
      if (after.send(flow, segment).verdict !== verdict) return undefined;
      return { model: after, lastUpdate: verdict === 'pass' ? time : lastUpdate };
    },
    isFinal({ model, lastUpdate }) {
      const found = slot.readBigInt64LE(CONN_LAST_UPDATE);
      return found === lastUpdate && isSameView(harness.view, model.view);
    },
    key: ({ model, lastUpdate }) => `${lastUpdate} ${JSON.stringify(model.view)}`,
  };
}

function tell(operations: readonly Operation<Step>[]): string {
  return operations
    .toSorted((a, b) => a.began - b.began)
    .map(({ step, began, ended }) => {
      const { flow, segment, verdict } = step;
      return `${began}..${ended} ${describeSegment(flow, segment)}: ${verdict}`;
    })
    .join('\n');
}

test.run();
