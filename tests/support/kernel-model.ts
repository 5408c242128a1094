// What Linux (nf_conntrack, 6.2 and later, tcp_loose 0) makes of a connection's segments, as far as
// it decides which of them are invalid: told in rules with names, so that a divergence between the
// kernel and the tracker can be put down to the two rules that differ. The referee compares every
// verdict of this model with that of the running kernel; what differs there is explained by nothing.
import {
  COLUMNS,
  type Entry,
  emptySide,
  endOf,
  invalid,
  inWindow,
  isAfter,
  type KernelDecision,
  type KernelSide,
  type KernelState,
  type Kind,
  kindOf,
  type Last,
  openedSide,
  sideOf,
} from './kernel-window.js';
import type { ConnView, Flow, Segment, SideView } from './tcp-segment.js';

/** Where each kind of segment leads from each column: IV is invalid, IG let through unbelieved. */
const TABLE: Readonly<Record<Kind, readonly [original: string, reply: string]>> = {
  syn: ['SS IG IG IG IG IG SS SS S2', 'S2 IV IV IV IV IV SS IV S2'],
  synack: ['IV SR IV IV IV IV IV IV SR', 'SR IG IG IG IG IG IG IG SR'],
  fin: ['IV FW FW LA LA LA TW CL IV', 'IV FW FW LA LA LA TW CL IV'],
  ack: ['IV ES ES CW CW TW TW CL IV', 'IG SR ES CW CW TW TW CL IG'],
  rst: ['CL CL CL CL CL CL CL CL CL', 'CL CL CL CL CL CL CL CL CL'],
};
const LEGAL = new Set(['S', 'SU', 'AS', 'R', 'AR', 'AF', 'AFU', 'A', 'AU']);
const CLOSING: readonly KernelState[] = ['FW', 'LA', 'TW', 'CL', 'CW'];
/** Follows one connection as the kernel does. */
export class KernelModel {
  #entry: Entry | undefined;

  /** Returns the state and the client's and the server's side; undefined without an entry. */
  get view():
    | { state: KernelState; fwd: KernelSide; rev: KernelSide; isTurned: boolean }
    | undefined {
    if (this.#entry === undefined) return undefined;
    const { state, original, sides } = this.#entry;
    const isTurned = original === 'rev';
    const [fwd, rev] = isTurned ? [sides[1], sides[0]] : sides;
    return { state, fwd: { ...fwd }, rev: { ...rev }, isTurned };
  }

  send(flow: Flow, segment: Segment): KernelDecision {
    const core = [...segment.flags].filter((flag) => !'PEC'.includes(flag));
    if (!LEGAL.has(core.sort().join(''))) return invalid('flags');
    const entry = this.#entry;
    if (entry === undefined) return this.#open(flow, segment);
    const decision = this.#known(entry, flow, segment);
    if (decision.isForwarded && flow !== entry.original) entry.seenReply = true;
    return decision;
  }

  /**
   * Returns what it would make of the segment if it knew what `view` says instead, and `state`.
   * What it noted of the last segment stays its own.
   */
  sendAs(view: ConnView, state: KernelState, flow: Flow, segment: Segment): KernelDecision {
    const other = new KernelModel();
    const own = this.#entry;
    const isUsable = own !== undefined && own.original === 'fwd';
    other.#entry = {
      original: 'fwd',
      state,
      sides: [sideAs(view.fwd, view.rev), sideAs(view.rev, view.fwd)],
      last: isUsable ? { ...own.last } : freshLast(),
      seenReply: isUsable ? own.seenReply : view.isReplied,
      assured: isUsable ? own.assured : view.isReplied,
    };
    return other.send(flow, segment);
  }

  #open(flow: Flow, segment: Segment): KernelDecision {
    if (kindOf(segment) !== 'syn') return invalid('no entry');
    const own = openedSide(segment, emptySide());
    const last = freshLast();
    const sides: [KernelSide, KernelSide] = [own, emptySide()];
    const entry: Entry = {
      original: flow,
      state: 'SS',
      sides,
      last,
      seenReply: false,
      assured: false,
    };
    inWindow(entry, 0, segment);
    Object.assign(last, { kind: 'syn', side: 0 });
    this.#entry = entry;
    return accepted('opened by a SYN');
  }

  #known(entry: Entry, flow: Flow, segment: Segment): KernelDecision {
    const side = flow === entry.original ? 0 : 1;
    const { last, sides } = entry;
    const kind = kindOf(segment);
    const before = entry.state;
    let after = TABLE[kind][side].split(' ')[COLUMNS.indexOf(before)] ?? 'IV';
    const isReopening = after === 'SS' && before !== 'SS';
    if (isReopening) {
      const wasReset = last.side === side && last.kind === 'rst';
      if (sides.some(({ hasClosedFirst }) => hasClosedFirst) || wasReset) {
        this.#entry = undefined;
        return this.#open(flow, segment);
      }
    }
    if (isReopening || after === 'IG') {
      const isAnnotationEnd =
        kind === 'synack' && last.kind === 'syn' && last.side !== side && segment.ack === last.end;
      if (!isAnnotationEnd) return letThrough(entry, side, kind, segment);
      sides[side === 0 ? 1 : 0] = annotatedSide(last);
      sides[side] = emptySide();
      after = 'SR';
      return this.#finish(entry, side, kind, segment, 'SS', 'SR', true);
    }
    if (after === 'IV') return invalid(`${kind} in ${before}`);
    if (after === 'TW' && before === 'LA' && kind === 'ack') {
      if (last.side !== side && last.kind === 'syn' && last.expectsChallenge) {
        last.expectsChallenge = false;
        return { isForwarded: true, rule: 'let through: challenge ACK' };
      }
    }
    if (after === 'S2') last.isSimultaneous = true;
    if (after === 'SR' && side === 1 && kind === 'ack' && last.isSimultaneous) after = 'ES';
    if (kind === 'rst') return this.#reset(entry, side, segment);
    // The table has no other words left.
    return this.#finish(entry, side, kind, segment, before, after as KernelState, true);
  }

  #reset(entry: Entry, side: number, segment: Segment): KernelDecision {
    const { last, state } = entry;
    if (CLOSING.includes(state))
      return this.#finish(entry, side, 'rst', segment, state, 'CL', false);
    const highest = sideOf(entry, side ^ 1).maxack;
    const isEstablished = state === 'ES' && entry.assured;
    let after: KernelState = 'CL';
    let isJudged = false;
    if (highest !== undefined && last.kind !== 'syn') {
      if (segment.seq === 0 && !isEstablished) isJudged = true;
      else if (isAfter(highest, segment.seq)) return invalid('RST below the highest ack');
      else if (!isEstablished || segment.seq === highest) isJudged = true;
      else if (last.kind === 'ack' && last.side === side && segment.seq === last.end)
        isJudged = true;
      else after = state;
    }
    if (!isJudged) {
      const isAnswer =
        (entry.seenReply && last.kind === 'syn' && last.side !== side) ||
        (!entry.assured && last.kind === 'ack');
      if (isAnswer && segment.ack === last.end)
        return this.#finish(entry, side, 'rst', segment, state, after, false);
      const isChallenged = state === 'SS' && last.kind === 'ack' && last.side === 1;
      if (isChallenged && segment.seq === last.ack)
        return this.#finish(entry, side, 'rst', segment, state, after, false);
    }
    return this.#finish(entry, side, 'rst', segment, state, after, true);
  }

  #finish(
    entry: Entry,
    side: number,
    kind: Kind,
    segment: Segment,
    before: KernelState,
    after: KernelState,
    hasTest: boolean,
  ): KernelDecision {
    const { last } = entry;
    const refused = hasTest ? inWindow(entry, side, segment) : undefined;
    if (refused !== undefined) {
      // It waits for the answer to a FIN or RST that it refused.
      const isEnding = kind === 'rst' || kind === 'fin';
      const isAnswer = last.side !== side && (last.kind === 'fin' || last.kind === 'rst');
      if (!refused.isForwarded && entry.assured && isEnding && !isAnswer)
        Object.assign(last, { kind, side });
      return refused;
    }
    Object.assign(last, { kind, side });
    if (before !== after && after === 'FW') sideOf(entry, side).hasClosedFirst = true;
    entry.state = after;
    const rule = `accepted: ${kind}, ${before} to ${after}`;
    if (!entry.seenReply && side === 0 && kind === 'rst') this.#entry = undefined;
    else if (!entry.seenReply && side === 1 && kind === 'rst') this.#entry = undefined;
    else if (entry.seenReply && (before === 'SR' || before === 'ES') && after === 'ES')
      entry.assured = true;
    return accepted(rule);
  }
}

function freshLast(): Last {
  return {
    kind: undefined,
    side: 0,
    seq: 0,
    end: 0,
    ack: 0,
    win: 0,
    syn: undefined,
    expectsChallenge: false,
    isSimultaneous: false,
  };
}

/** What the tracker knows of a side, in the kernel's terms. */
function sideAs(own: SideView, peer: SideView): KernelSide {
  const isScaled = own.scale !== undefined && (peer.scale !== undefined || !peer.heard);
  return {
    end: own.end,
    maxend: own.maxend,
    maxwin: own.maxwin,
    scale: isScaled ? (own.scale ?? 0) : 0,
    offersScale: own.scale !== undefined,
    sackOk: own.sackOk,
    maxack: own.maxack,
    hasClosedFirst: own.finEnd !== undefined,
  };
}

/** Lets a segment through that may be right although the entry says otherwise. */
function letThrough(entry: Entry, side: number, kind: Kind, segment: Segment): KernelDecision {
  const { last, state } = entry;
  const { seq, win } = segment;
  Object.assign(last, { kind, side, seq, win, end: endOf(segment) });
  if (kind === 'syn' && side === 0) {
    last.syn = openedSide(segment, emptySide());
    last.isSimultaneous = false;
    last.expectsChallenge = state === 'LA';
  }
  if (state === 'SS' && kind === 'ack' && side === 1) last.ack = segment.ack;
  return { isForwarded: true, rule: `let through: ${kind} in ${state}` };
}

function annotatedSide({ syn, end, win }: Last): KernelSide {
  const known = syn ?? emptySide();
  return { ...known, end, maxend: end, maxwin: Math.max(win, 1), maxack: undefined };
}

function accepted(rule: string): KernelDecision {
  return { isForwarded: true, rule };
}
