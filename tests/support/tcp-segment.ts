import type { TcpOptions } from './packets.js';

/** A segment as the vectors write it: everything that the tracker may judge by. */
export interface Segment {
  /** Letters of `SAFRPUEC`. */
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  /** The raw 16-bit field. */
  readonly win: number;
  /** Bytes of payload. */
  readonly len: number;
  readonly opts?: TcpOptions;
}

export type Flow = 'fwd' | 'rev';
export type Verdict = 'pass' | 'ignore' | 'invalid';
export type WindowMode = 'off' | 'liberal' | 'strict';

/** The twelve states as the API numbers them. */
export const STATES = [
  'closed',
  'new',
  'simsyn_sent',
  'syn_recv',
  'established',
  'fin_sent',
  'fin_recv',
  'close_wait',
  'fin_wait',
  'closing',
  'last_ack',
  'time_wait',
] as const;
export type State = (typeof STATES)[number];

/** What is known of one side; undefined where nothing was seen. */
export interface SideView {
  heard: boolean;
  end: number;
  maxend: number;
  maxwin: number;
  maxack: number | undefined;
  isn: number | undefined;
  finEnd: number | undefined;
  finAcked: boolean;
  sentSynAck: boolean;
  scale: number | undefined;
  sackOk: boolean;
}

/** What is known of a connection, as the tracker and its model both can tell. */
export interface ConnView {
  state: State;
  fwd: SideView;
  rev: SideView;
  challenge: number | undefined;
  annotation: number | undefined;
  isLoose: boolean;
  isReplied: boolean;
}

/** What became of a segment; `state` is `-` while there is no entry. */
export interface Decision {
  readonly verdict: Verdict;
  readonly state: State | '-';
}

/** Returns one line that says what a segment was, to print what failed. */
export function describeSegment(flow: Flow, segment: Segment): string {
  const { flags, seq, ack, win, len, opts } = segment;
  const tail = opts === undefined ? '' : ` ${JSON.stringify(opts)}`;
  return `${flow} ${flags || '-'} seq ${seq} ack ${ack} win ${win} len ${len}${tail}`;
}
