// Conversations in few words: what the client (fwd) and the server (rev) say, one line per segment.
import type { TcpHarness, TrackerDecision } from './tcp-harness.js';
import type { Flow, Segment } from './tcp-segment.js';

/** Flow, flags, seq, ack, and what is not as usual (window 65535, no payload, no options). */
export type Line = readonly [
  flow: Flow,
  flags: string,
  seq: number,
  ack: number,
  rest?: Partial<Segment>,
];

/** The client's first byte is 1, the server's is 5001; each allows the other 65535 bytes. */
export const HANDSHAKE: readonly Line[] = [
  ['fwd', 'S', 0, 0],
  ['rev', 'SA', 5000, 1],
  ['fwd', 'A', 1, 5001],
];

/** Both sides sent a SYN, nobody answered yet. */
export const BOTH_SYN: readonly Line[] = [
  ['fwd', 'S', 0, 0],
  ['rev', 'S', 5000, 0],
];

/** Client first, in three segments: ends in time_wait. */
export const CLOSED_ORDERLY: readonly Line[] = [
  ...HANDSHAKE,
  ['fwd', 'FA', 1, 5001],
  ['rev', 'FA', 5001, 2],
  ['fwd', 'A', 2, 5002],
];

/** Returns the segment of a line. */
export function segmentOf([, flags, seq, ack, rest]: Line): Segment {
  return { flags, seq: seq >>> 0, ack: ack >>> 0, win: 65535, len: 0, ...rest };
}

/** Says `lines` one after the other; returns what became of the last one. */
export function say(harness: TcpHarness, lines: readonly Line[], now = 0n): TrackerDecision {
  let last: TrackerDecision = { verdict: 'invalid', state: '-', reason: 0 };
  for (const line of lines) last = harness.send(line[0], segmentOf(line), now);
  return last;
}
