import {
  DROP_NOT_IPV4,
  REASON_MASK,
  REASON_NONE,
  TCP_IGNORED_FIRST,
  TCP_REASON_FIRST,
  UNTRACKED_BOTH_INSIDE,
  UNTRACKED_CUT_OFF,
  UNTRACKED_NEITHER_INSIDE,
} from '../../assembly/layout.js';
import { REASON_NAMES } from './reasons.js';

/**
 * What a replay says of a packet. The tracker's words: pass; ignore, forwarded but not believed;
 * invalid, dropped. And of what it is not asked about: drop, as the gateway refuses it for a reason
 * of `stats show`; untracked, as it is nothing that a gateway with this inside would ever see.
 */
export type Verdict = 'pass' | 'ignore' | 'invalid' | 'drop' | 'untracked';

/** A verdict with the name of its reason. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly reason: string;
}

/** Stands where there is nothing to tell. */
export const NOTHING = '-';

const UNTRACKED_NAMES: ReadonlyMap<number, string> = new Map([
  [DROP_NOT_IPV4, 'not_ipv4'],
  [UNTRACKED_NEITHER_INSIDE, 'neither_inside'],
  [UNTRACKED_BOTH_INSIDE, 'both_inside'],
  [UNTRACKED_CUT_OFF, 'cut_off'],
]);

/** Returns what the datapath's reason, as `track` leaves it, means for the packet. */
export function judgementOf(reason: number): Judgement {
  if (reason === REASON_NONE) return { verdict: 'pass', reason: NOTHING };
  const untracked = UNTRACKED_NAMES.get(reason);
  if (untracked !== undefined) return { verdict: 'untracked', reason: untracked };
  const name = REASON_NAMES[reason & REASON_MASK];
  if (name === undefined) throw new Error(`reason ${reason} has no name`);
  return { verdict: verdictOf(reason), reason: name };
}

function verdictOf(reason: number): Verdict {
  if (reason >= TCP_IGNORED_FIRST) return 'ignore';
  return reason >= TCP_REASON_FIRST ? 'invalid' : 'drop';
}
