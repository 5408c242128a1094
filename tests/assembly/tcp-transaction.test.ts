import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as layout from '../../assembly/layout.js';
import { printedSeed, seededRandom } from '../support/datapath.js';
import { randomStep } from '../support/tcp-fuzz.js';
import { TcpHarness } from '../support/tcp-harness.js';
import { describeSegment, type WindowMode } from '../support/tcp-segment.js';

const SEGMENTS = process.env['GROUT_LONG'] ? 2_000_000 : 100_000;
const MODES: readonly WindowMode[] = ['strict', 'liberal', 'off'];
const LONGEST = 40;

const test = suite('tcp transaction');
const harness = new TcpHarness();

test('a segment that does not pass leaves no trace but its note', () => {
  const random = seededRandom(printedSeed('tcp transaction'));
  let left = 0;
  for (let count = 0; count < SEGMENTS; count++) {
    if (left-- === 0) {
      harness.reset(MODES[random() % 3] ?? 'strict', random() % 2 === 0);
      left = random() % LONGEST;
    }
    const before = harness.view === undefined ? undefined : harness.slot;
    const [flow, segment] = randomStep(random, harness.view);
    const { verdict, reason } = harness.send(flow, segment, BigInt(count));
    const after = harness.slot;
    const label = `${describeSegment(flow, segment)}: reason ${reason}`;
    assert.is(lockOf(after), 0, label);
    if (before === undefined || verdict === 'pass') continue;
    const isNote = (offset: number) => noteOf(reason, offset);
    for (const [offset, byte] of after.entries())
      if (byte !== before[offset] && !isNote(offset))
        assert.unreachable(`${label}: byte ${offset} was ${before[offset]}, is ${byte}`);
  }
});

test('a segment that opens a conn leaves no dirt in what TCP reads', () => {
  for (const [flags, loose] of [
    ['S', false],
    ['A', true],
  ] as const) {
    harness.reset('strict', loose);
    harness.send('fwd', { flags, seq: 1, ack: 1, win: 1, len: 0 });
    const { slot } = harness;
    for (let offset = layout.TCP_END; offset < layout.TCP_FLAGS + 4; offset++)
      assert.is.not(slot[offset], 0xa5, `byte ${offset}`);
    for (const offset of [layout.CONN_STATE, layout.CONN_FLAGS, layout.CONN_NOTE_OPTS])
      assert.is.not(slot[offset], 0xa5, `byte ${offset}`);
    // What belongs to others stays theirs: keys, time, life, owner, policy, tran pool, generation.
    for (const offset of [0, 31, layout.CONN_LAST_UPDATE, layout.CONN_LIFE, layout.CONN_OWNER])
      assert.is(slot[offset], 0xa5, `byte ${offset}`);
    for (const offset of [layout.CONN_POLICY, layout.CONN_TRAN_POOL, layout.CONN_GENERATION])
      assert.is(slot[offset], 0xa5, `byte ${offset}`);
  }
});

function lockOf(slot: Uint8Array): number {
  return new DataView(slot.buffer).getUint32(layout.CONN_LOCK, true);
}

/** True when a segment ignored for `reason` may write the slot's byte at `offset`. */
function noteOf(reason: number, offset: number): boolean {
  if (reason === layout.TCP_IGNORED_SYN)
    return offset >= layout.CONN_NOTE_OPTS && offset < layout.CONN_NOTE_SEQ + 4;
  if (reason !== layout.TCP_IGNORED_CHALLENGE_ACK) return false;
  const maxAck = layout.TCP_MAXACK + layout.TCP_SIDE_U32;
  const flags = layout.TCP_FLAGS + layout.TCP_SIDE_U16;
  return (offset >= maxAck && offset < maxAck + 4) || (offset >= flags && offset < flags + 2);
}

test.run();
