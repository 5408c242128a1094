// What the tests ask of a middlebox that tracks TCP: which segments does it forward? Two can be
// asked: the running gateway (gateway-box.ts) and the kernel's own conntrack (kernel-box.ts).
import * as assert from 'uvu/assert';
import { buildTcp } from './packets.js';
import { parseTcp } from './parse-packets.js';
import { describeSegment, type Flow, type Segment } from './tcp-segment.js';

/** The addresses of all clients and servers; connections differ by the client's port. */
export const CLIENT = '10.99.0.130';
export const CLIENT_PREFIX = '10.99.0.128/25';
export const SERVER = '172.16.0.130';
export const SERVER_PREFIX = '172.16.0.128/25';
export const SERVER_PORT = 443;
export const TTL = 64;

/** The next segment of the connection of the client's port `port`. */
export interface Step {
  readonly port: number;
  readonly flow: Flow;
  readonly segment: Segment;
}

/** Something between a client and a server. */
export interface Middlebox {
  /**
   * Sends at most MAX_STEPS segments, at most one of each connection, and resolves with whether
   * each came out on the other side. Those that did came out as they were.
   */
  pass(steps: readonly Step[]): Promise<boolean[]>;
  close(): Promise<void>;
}

/** Steps at a time: what is sent must fit the queues of all devices on the way. */
export const MAX_STEPS = 256;

/** Who sends a packet to whom, on one side of the middlebox. */
export interface Ends {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}

/** Returns the IPv4 packet of a step; its identification is the step's number. */
export function packetOf({ segment }: Step, number: number, ends: Ends): Buffer {
  const { len, ...fields } = segment;
  return buildTcp({ ...fields, ...ends, id: number, ttl: TTL, df: true }, Buffer.alloc(len));
}

/** Returns the number of the step that a packet was made for. */
export function numberOf(packet: Buffer): number {
  return packet.readUInt16BE(4);
}

/** Asserts that `packet` is the segment of `step`, between `ends` and after `hops` routers. */
export function assertArrived(packet: Buffer, step: Step, ends: Ends, hops: number): void {
  const { src, dst, ttl, l4, payload, checksumOk, l4ChecksumOk } = parseTcp(packet);
  const what = describeSegment(step.flow, step.segment);
  assert.ok(checksumOk && l4ChecksumOk, `checksums of ${what}`);
  const { len, opts, ...sent } = step.segment;
  assert.equal(
    { src, dst, sport: l4.sport, dport: l4.dport, ttl, len: payload.length },
    { ...ends, ttl: TTL - hops, len },
    what,
  );
  const { seq, ack, win, flags } = l4;
  const sorted = (letters: string) => [...letters].sort().join('');
  assert.equal(
    { seq, ack, win, flags: sorted(flags) },
    { seq: sent.seq, ack: sent.ack, win: sent.win, flags: sorted(sent.flags) },
    what,
  );
  const original = packetOf(step, 0, ends).subarray(40, 40 + l4.options.length);
  assert.ok(l4.options.equals(original), `options of ${what}, ${JSON.stringify(opts)}`);
}
