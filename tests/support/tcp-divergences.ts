// Where our tracker and Linux's differ, each with the reason in docs/tcp-divergences.md. A
// divergence is the pair of rules that differ: ours (a reason of the tracker) and the kernel's (a
// rule of kernel-model.ts on what we know of the connection).
import { REASON_MASK } from '../../assembly/layout.js';
import { REASON_NAMES } from '../../src/host/reasons.js';
import type { Judged } from './referee.js';
import { differenceOf } from './tcp-beliefs.js';
import type { State } from './tcp-segment.js';

/** A class of divergences; its name is a heading of docs/tcp-divergences.md. */
interface Divergence {
  readonly name: string;
  isIt(facts: Facts): boolean;
}

/** What tells one class from another. */
interface Facts {
  readonly kind: 'S' | 'SA' | 'R' | 'F' | 'A';
  readonly flow: 'fwd' | 'rev';
  readonly state: State | '-';
  /** Name of our reason without `tcp_`, or `pass`. */
  readonly ours: string;
  /** The kernel's rule. */
  readonly kernel: string;
  readonly hasSack: boolean;
  /** Whether the sender of the segment, and the other side, permitted SACK. */
  readonly mayOwnSack: boolean;
  readonly mayPeerSack: boolean;
  /** A number of it is 2^31 from one that it is compared with: neither before nor after. */
  readonly isHalfAway: boolean;
}

export const DIVERGENCES: readonly Divergence[] = [
  {
    name: 'a SYN after a SYN',
    isIt: ({ kind, flow, state, ours }) =>
      kind === 'S' &&
      flow === 'fwd' &&
      (state === 'new' || state === 'syn_recv') &&
      ours === 'pass',
  },
  {
    name: 'a SYN of the server during the handshake',
    isIt: ({ kind, flow, state, ours, kernel }) =>
      kind === 'S' &&
      flow === 'rev' &&
      state === 'syn_recv' &&
      ours === 'pass' &&
      kernel === 'syn in SR',
  },
  {
    name: 'a SYN+ACK that acks something else',
    isIt: ({ kind, ours }) =>
      kind === 'SA' && (ours === 'syn_ack_wrong_ack' || ours === 'syn_ack_wrong_seq'),
  },
  {
    name: 'a SYN+ACK of the client',
    isIt: ({ kind, flow, ours }) =>
      kind === 'SA' && flow === 'fwd' && ours === 'syn_ack_unexpected',
  },
  {
    name: 'a SYN+ACK after a SYN+ACK',
    isIt: ({ kind, flow, state, ours }) =>
      kind === 'SA' && flow === 'rev' && state === 'syn_recv' && ours === 'pass',
  },
  {
    name: 'a SYN+ACK for a SYN some segments ago',
    isIt: ({ kind, flow, ours, kernel }) =>
      kind === 'SA' &&
      flow === 'rev' &&
      ours === 'pass' &&
      kernel.startsWith('let through: synack in '),
  },
  {
    name: 'a simultaneous open',
    isIt: ({ kind, flow, state, ours }) =>
      (state === 'simsyn_sent' && kind !== 'R') ||
      (state === 'syn_recv' && kind === 'SA' && flow === 'fwd' && ours === 'pass'),
  },
  {
    name: 'a RST against a SYN',
    isIt: ({ kind, state, ours }) => kind === 'R' && state === 'new' && ours === 'rst_in_handshake',
  },
  {
    name: 'a RST that takes a SYN back',
    isIt: ({ kind, state, ours }) => kind === 'R' && state === 'new' && ours === 'pass',
  },
  {
    name: 'a RST at the end of what was sent',
    isIt: ({ kind, state, ours }) => kind === 'R' && isOpen(state) && ours === 'pass',
  },
  {
    name: 'a RST that is not exact',
    isIt: ({ kind, state, ours }) =>
      kind === 'R' &&
      isOpen(state) &&
      (ours === 'ignored_rst_inexact' || ours === 'rst_out_of_window'),
  },
  {
    name: 'a RST outside the window after a FIN',
    isIt: ({ kind, ours }) => kind === 'R' && ours === 'rst_after_fin',
  },
  {
    name: 'a RST in time_wait',
    isIt: ({ kind, state, ours }) =>
      kind === 'R' && state === 'time_wait' && ours === 'ignored_rst_after_close',
  },
  {
    name: 'what comes after a RST',
    isIt: ({ state, ours }) => state === 'closed' && ours.startsWith('ignored_'),
  },
  {
    name: 'a SYN after a RST',
    isIt: ({ kind, flow, state, ours }) =>
      kind === 'S' && flow === 'fwd' && state === 'closed' && ours === 'pass',
  },
  {
    name: 'a SYN of the server in time_wait',
    isIt: ({ kind, flow, state, ours }) =>
      kind === 'S' && flow === 'rev' && state === 'time_wait' && ours === 'pass',
  },
  {
    name: 'SACK without permission',
    isIt: ({ kind, hasSack, mayOwnSack, mayPeerSack }) =>
      (kind === 'A' || kind === 'F') && hasSack && !mayOwnSack && mayPeerSack,
  },
  {
    name: 'more than the window allows',
    isIt: ({ ours, kernel }) =>
      ours === 'ignored_above_window' &&
      (kernel === 'above the window' || kernel === 'let through: a little above the window'),
  },
  {
    name: 'half of all sequence numbers away',
    isIt: ({ isHalfAway }) => isHalfAway,
  },
  {
    name: 'the states of a closing connection',
    isIt: ({ kind, state, ours, kernel }) =>
      (kind === 'A' || kind === 'F') &&
      CLOSING.includes(state) &&
      ours === 'pass' &&
      (kernel.startsWith('accepted: ') || kernel === 'let through: challenge ACK'),
  },
];

const CLOSING: readonly Facts['state'][] = [
  'fin_sent',
  'fin_recv',
  'close_wait',
  'fin_wait',
  'closing',
  'last_ack',
];

/** Whether a RST is judged by its exact sequence number. */
function isOpen(state: Facts['state']): boolean {
  return state === 'simsyn_sent' || state === 'syn_recv' || state === 'established';
}

/** A divergence in a conversation, at segment `at`; without a name nobody knows it. */
export interface Finding {
  readonly at: number;
  readonly name: string | undefined;
}

/**
 * Returns where the two differ in a conversation: in the verdict, or in what they know afterwards
 * while they knew the same before. A verdict that the kernel would share if it knew what we know
 * follows from an earlier divergence, and is none of its own.
 */
export function findDivergences(talk: readonly Judged[]): Finding[] {
  const findings: Finding[] = [];
  let knewSame = true;
  for (const [at, one] of talk.entries()) {
    const knowSame = differenceOf(one.after, one.kernelAfter) === '';
    const isNewKnowledge = knewSame && !knowSame;
    const isVerdict = one.isForwardedByUs !== one.isForwardedByKernel;
    const asUs = one.kernelAsUs ?? one.kernel;
    if (isNewKnowledge) findings.push({ at, name: classOf(one, one.kernel.rule) });
    else if (isVerdict && asUs.isForwarded !== one.isForwardedByUs)
      findings.push({ at, name: classOf(one, asUs.rule) });
    knewSame = knowSame;
  }
  return findings;
}

function classOf(one: Judged, rule: string): string | undefined {
  const facts = factsOf(one, rule);
  return DIVERGENCES.find(({ isIt }) => isIt(facts))?.name;
}

function factsOf(one: Judged, rule: string): Facts {
  const { before, flow, segment, reason } = one;
  const { flags, opts } = segment;
  const name = reason === 0 ? 'pass' : (REASON_NAMES[reason & REASON_MASK] ?? '');
  const own = before?.[flow];
  return {
    kind: kindOf(flags),
    flow,
    state: before?.state ?? '-',
    ours: name.replace(/^tcp_/, ''),
    kernel: rule,
    hasSack: opts?.sack !== undefined,
    mayOwnSack: own?.sackOk ?? false,
    mayPeerSack: before?.[flow === 'fwd' ? 'rev' : 'fwd'].sackOk ?? false,
    isHalfAway: isHalfAway(one),
  };
}

function isHalfAway({ before, flow, segment }: Judged): boolean {
  if (before === undefined) return false;
  const own = before[flow];
  const peer = before[flow === 'fwd' ? 'rev' : 'fwd'];
  const end = segment.seq + segment.len + (segment.flags.includes('F') ? 1 : 0);
  const distances = [
    segment.seq - own.maxend,
    segment.seq - (peer.maxack ?? own.end),
    end - (own.end - peer.maxwin),
    segment.ack - peer.end,
    segment.ack - (peer.end - Math.max(own.maxwin, 66_000)),
  ];
  return distances.some((distance) => distance >>> 0 === 0x8000_0000);
}

function kindOf(flags: string): Facts['kind'] {
  if (flags.includes('R')) return 'R';
  if (flags.includes('S')) return flags.includes('A') ? 'SA' : 'S';
  return flags.includes('F') ? 'F' : 'A';
}
