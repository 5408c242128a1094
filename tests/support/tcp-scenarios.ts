import { readFileSync } from 'node:fs';
import type { Decision, Flow, Segment } from './tcp-segment.js';

/** One segment of a scenario, and what must become of it. */
export interface VectorPacket extends Segment {
  readonly dir: Flow;
  readonly expect: Decision;
}

/** A named conversation: mode is strict, tcp-loose is on. */
export interface Scenario {
  readonly name: string;
  readonly packets: readonly VectorPacket[];
}

// Tests run from dist/, vectors stay beside their sources.
const VECTORS = new URL('../../../tests/vectors/tcp-tracking.json', import.meta.url);

/** Returns the forty scenarios. */
export function readScenarios(): readonly Scenario[] {
  // A file of the repository, written in this shape.
  return JSON.parse(readFileSync(VECTORS, 'utf8')) as Scenario[];
}

/** Returns who sends the packet that creates the conn: its flow is fwd, whoever is the client. */
export function openerOf({ packets }: Scenario): Flow {
  return packets.find(({ expect }) => expect.state !== '-')?.dir ?? 'fwd';
}
