// The rules of TCP tracking once more, with objects and in the order in which they are written
// down: slow, obvious, and sharing no line with the datapath. Tests compare the two.
import type {
  ConnView,
  Decision,
  Flow,
  Segment,
  SideView,
  State,
  Verdict,
  WindowMode,
} from './tcp-segment.js';

const LEGAL = new Set(['S', 'SU', 'AS', 'R', 'AR', 'AF', 'AFU', 'A', 'AU']);
const HANDSHAKE: readonly State[] = ['new', 'simsyn_sent', 'syn_recv'];
const WINDOW_LIMIT = 2 ** 30;

/** A rule's answer: `test` marks an `invalid` of the window test. */
interface Judgement {
  readonly verdict: Verdict;
  readonly test?: true;
}
const PASS: Judgement = { verdict: 'pass' };
const IGNORE: Judgement = { verdict: 'ignore' };
const INVALID: Judgement = { verdict: 'invalid' };

interface Annotation {
  readonly seq: number;
  readonly end: number;
  readonly win: number;
  readonly scale: number | undefined;
  readonly sackOk: boolean;
}

interface Conn {
  state: State;
  readonly sides: Record<Flow, SideView>;
  challenge: number | undefined;
  annotation: Annotation | undefined;
  isLoose: boolean;
  isSimultaneous: boolean;
  isReplied: boolean;
}

/** Follows one connection, entry or none. */
export class TcpModel {
  readonly #mode: WindowMode;
  readonly #loose: boolean;
  #conn: Conn | undefined;

  constructor(mode: WindowMode, loose: boolean) {
    this.#mode = mode;
    this.#loose = loose;
  }

  /** Returns what is known, undefined while there is no entry. */
  get view(): ConnView | undefined {
    const conn = this.#conn;
    if (conn === undefined) return undefined;
    const { state, sides, challenge, annotation, isLoose, isReplied } = conn;
    return { state, ...sides, challenge, annotation: annotation?.end, isLoose, isReplied };
  }

  /** Returns a model that knows the same, and goes its own way from here. */
  clone(): TcpModel {
    const copy = new TcpModel(this.#mode, this.#loose);
    const conn = this.#conn;
    // Annotations are never changed.
    if (conn !== undefined)
      copy.#conn = { ...conn, sides: { fwd: { ...conn.sides.fwd }, rev: { ...conn.sides.rev } } };
    return copy;
  }

  /** Judges a segment whose lengths are right. The first one of a conn is fwd. */
  send(flow: Flow, segment: Segment): Decision {
    const verdict = this.#judge(flow, segment);
    const conn = this.#conn;
    if (conn !== undefined && verdict === 'pass' && flow === 'rev') conn.isReplied = true;
    return { verdict, state: conn?.state ?? '-' };
  }

  #judge(flow: Flow, segment: Segment): Verdict {
    if (
      !LEGAL.has(
        [...segment.flags]
          .filter((flag) => !'PEC'.includes(flag))
          .sort()
          .join(''),
      )
    )
      return 'invalid';
    if (this.#conn === undefined) return this.#open(segment);
    const { verdict, test } = this.#known(this.#conn, flow, segment);
    if (verdict !== 'invalid') return verdict;
    if (test && this.#conn.isLoose) return 'ignore';
    // The first answer in a picked-up connection is judged by rule 2, which is never liberal.
    const isJoin = this.#conn.isLoose && isAckKind(segment) && !this.#conn.sides[flow].heard;
    return this.#mode === 'liberal' && !isJoin ? 'ignore' : 'invalid';
  }

  /** Rule 2. */
  #open(segment: Segment): Verdict {
    if (isSynKind(segment)) {
      this.#conn = freshConn(segment);
      return 'pass';
    }
    if (!this.#loose || !isAckKind(segment) || segment.flags.includes('F')) return 'invalid';
    const conn = emptyConn('established');
    Object.assign(conn.sides.fwd, pickedUp(segment));
    conn.sides.rev.end = segment.ack;
    conn.sides.rev.maxend = segment.ack;
    conn.sides.rev.sackOk = true;
    conn.isLoose = true;
    this.#conn = conn;
    return 'pass';
  }

  #known(conn: Conn, flow: Flow, segment: Segment): Judgement {
    if (segment.flags.includes('R')) return reset(conn, flow, segment);
    if (isSynKind(segment)) return this.#syn(conn, flow, segment);
    if (segment.flags.includes('S')) return this.#synAck(conn, flow, segment);
    return this.#ack(conn, flow, segment);
  }

  /** Rule 4. */
  #syn(conn: Conn, flow: Flow, segment: Segment): Judgement {
    const own = conn.sides[flow];
    if (flow === 'fwd' && (conn.state === 'time_wait' || conn.state === 'closed')) {
      this.#conn = freshConn(segment);
      return PASS;
    }
    if (flow === 'rev' && conn.state === 'time_wait') {
      this.#conn = emptyConn('simsyn_sent');
      this.#conn.sides.rev = openedSide(segment);
      this.#conn.isSimultaneous = true;
      return PASS;
    }
    if (HANDSHAKE.includes(conn.state) && own.heard && own.isn === segment.seq) {
      own.end = later(own.end, endOf(segment));
      own.maxend = later(own.maxend, endOf(segment));
      return PASS;
    }
    if (conn.state === 'new') {
      if (flow === 'fwd') {
        this.#conn = freshConn(segment);
      } else {
        conn.sides.rev = openedSide(segment);
        conn.challenge = undefined;
        conn.isSimultaneous = true;
        conn.state = 'simsyn_sent';
      }
      return PASS;
    }
    if (flow === 'rev') return INVALID;
    const { scale, sackOk } = openedSide(segment);
    conn.annotation = { seq: segment.seq, end: endOf(segment), win: segment.win, scale, sackOk };
    return IGNORE;
  }

  /** Rule 5. */
  #synAck(before: Conn, flow: Flow, segment: Segment): Judgement {
    let conn = before;
    const note = conn.annotation;
    if (note !== undefined && flow === 'rev' && segment.ack === note.end) {
      conn = emptyConn('new');
      conn.sides.fwd = {
        ...emptySide(),
        heard: true,
        isn: note.seq,
        end: note.end,
        maxend: note.end,
        maxwin: Math.max(note.win, 1),
        scale: note.scale,
        sackOk: note.sackOk,
      };
      this.#conn = conn;
    }
    const peer = conn.sides[other(flow)];
    if (!HANDSHAKE.includes(conn.state)) return flow === 'rev' ? IGNORE : INVALID;
    if (flow === 'fwd' && !conn.isSimultaneous) return INVALID;
    if (peer.isn === undefined || !after(segment.ack, peer.isn) || after(segment.ack, peer.end))
      return INVALID;
    const heard = conn.sides[flow].heard;
    const isSameIsn = heard && conn.sides[flow].isn === segment.seq;
    if (heard && !isSameIsn && flow === 'fwd') return INVALID;
    if (!isSameIsn) conn.sides[flow] = openedSide(segment);
    if (!isSameIsn && flow === 'rev') conn.challenge = undefined;
    const own = conn.sides[flow];
    const window = Math.max(segment.win, 1);
    own.end = later(own.end, endOf(segment));
    own.maxend = later(own.maxend, endOf(segment));
    own.maxack = segment.ack;
    own.maxwin = Math.max(own.maxwin, window);
    own.sentSynAck = true;
    peer.maxend = later(peer.maxend, u32(segment.ack + window));
    conn.state = conn.isSimultaneous && peer.sentSynAck ? 'established' : 'syn_recv';
    return PASS;
  }

  /** Rule 6. */
  #ack(conn: Conn, flow: Flow, segment: Segment): Judgement {
    const own = conn.sides[flow];
    const peer = conn.sides[other(flow)];
    const isFin = segment.flags.includes('F');
    if (conn.state === 'new') {
      if (flow === 'fwd' || isFin) return INVALID;
      conn.challenge = segment.ack;
      return IGNORE;
    }
    if (conn.state === 'closed') return IGNORE;
    if (conn.isLoose && !own.heard) {
      if (after(segment.ack, peer.end) || after(u32(peer.end - 66000), segment.ack)) return INVALID;
      Object.assign(own, pickedUp(segment));
      peer.maxend = later(peer.maxend, u32(segment.ack + Math.max(segment.win, 1)));
    } else {
      if (!conn.isLoose && !(own.heard && peer.heard)) return INVALID;
      const judgement = windowTest(own, peer, segment);
      if (judgement !== PASS && this.#mode !== 'off') return judgement;
      commit(own, peer, segment);
    }
    if (isFin && own.finEnd === undefined) own.finEnd = endOf(segment);
    if (peer.finEnd !== undefined && !after(peer.finEnd, segment.ack)) peer.finAcked = true;
    const isEither = own.finEnd !== undefined || peer.finEnd !== undefined;
    if (isEither) conn.state = derivedState(conn.sides.fwd, conn.sides.rev);
    else if (conn.state === 'syn_recv' && (flow === 'fwd' || conn.isSimultaneous))
      conn.state = 'established';
    return PASS;
  }
}

/** Rule 3. */
function reset(conn: Conn, flow: Flow, segment: Segment): Judgement {
  const judgement = judgeReset(conn, flow, segment);
  if (judgement === PASS) conn.state = 'closed';
  return judgement;
}

function judgeReset(conn: Conn, flow: Flow, segment: Segment): Judgement {
  const { fwd } = conn.sides;
  const own = conn.sides[flow];
  const peer = conn.sides[other(flow)];
  const hasAck = segment.flags.includes('A');
  switch (conn.state) {
    case 'time_wait':
    case 'closed':
      return IGNORE;
    case 'new': {
      if (flow === 'rev') {
        const isGood = hasAck && after(segment.ack, fwd.isn ?? 0) && !after(segment.ack, fwd.end);
        return isGood ? PASS : INVALID;
      }
      return segment.seq === own.end || segment.seq === conn.challenge ? PASS : INVALID;
    }
    case 'simsyn_sent':
    case 'syn_recv':
    case 'established': {
      const slack = Math.max(own.maxwin, 66000);
      const isAckGood =
        !hasAck ||
        segment.ack === 0 ||
        (!after(segment.ack, peer.end) && !after(u32(peer.end - slack), segment.ack));
      const isEdge = segment.seq === own.end || segment.seq === peer.maxack;
      if (isEdge && isAckGood) return PASS;
      const isAbove = after(segment.seq, peer.maxack ?? own.end);
      return own.heard && isAbove && !after(segment.seq, own.maxend) ? IGNORE : INVALID;
    }
    default: {
      const isBelow = after(u32(own.end - peer.maxwin), segment.seq);
      return isBelow || after(segment.seq, own.maxend) ? INVALID : PASS;
    }
  }
}

function windowTest(own: SideView, peer: SideView, segment: Segment): Judgement {
  const sack = highestSack(own, peer, segment);
  const slack = Math.max(own.maxwin, 66000);
  const isI = !after(segment.seq, own.maxend);
  const isII = !after(sack, peer.end);
  const isIII = !after(u32(own.end - peer.maxwin), endOf(segment));
  const isIV = !after(u32(peer.end - slack), sack);
  if (!isI) {
    const overshoot = u32(endOf(segment) - own.maxend);
    if (overshoot <= peer.maxwin && isII && isIII && isIV) return IGNORE;
    return { verdict: 'invalid', test: true };
  }
  if (!isII) return { verdict: 'invalid', test: true };
  return isIII && isIV ? PASS : IGNORE;
}

function commit(own: SideView, peer: SideView, segment: Segment): void {
  const sack = highestSack(own, peer, segment);
  const isScaled = own.scale !== undefined && peer.scale !== undefined;
  const window = Math.max(segment.win * 2 ** (isScaled ? (own.scale ?? 0) : 0), 1);
  if (after(endOf(segment), own.maxend))
    peer.maxwin = Math.min(peer.maxwin + u32(endOf(segment) - own.maxend), WINDOW_LIMIT);
  own.maxwin = Math.min(Math.max(own.maxwin, window + u32(sack - segment.ack)), WINDOW_LIMIT);
  own.end = later(own.end, endOf(segment));
  own.maxack = own.maxack === undefined ? segment.ack : later(own.maxack, segment.ack);
  peer.maxend = later(peer.maxend, u32(sack + window));
}

function highestSack(own: SideView, peer: SideView, segment: Segment): number {
  let highest = segment.ack;
  if (own.sackOk && peer.sackOk)
    for (const [, right] of segment.opts?.sack ?? []) highest = later(highest, right);
  return highest;
}

function derivedState(fwd: SideView, rev: SideView): State {
  if (rev.finEnd === undefined) return fwd.finAcked ? 'fin_wait' : 'fin_sent';
  if (fwd.finEnd === undefined) return rev.finAcked ? 'close_wait' : 'fin_recv';
  if (fwd.finAcked && rev.finAcked) return 'time_wait';
  return fwd.finAcked || rev.finAcked ? 'last_ack' : 'closing';
}

function emptySide(): SideView {
  return {
    heard: false,
    end: 0,
    maxend: 0,
    maxwin: 0,
    maxack: undefined,
    isn: undefined,
    finEnd: undefined,
    finAcked: false,
    sentSynAck: false,
    scale: undefined,
    sackOk: false,
  };
}

function emptyConn(state: State): Conn {
  return {
    state,
    sides: { fwd: emptySide(), rev: emptySide() },
    challenge: undefined,
    annotation: undefined,
    isLoose: false,
    isSimultaneous: false,
    isReplied: false,
  };
}

function freshConn(syn: Segment): Conn {
  const conn = emptyConn('new');
  conn.sides.fwd = openedSide(syn);
  return conn;
}

function openedSide(syn: Segment): SideView {
  const end = endOf(syn);
  const scale = syn.opts?.wscale === undefined ? undefined : Math.min(syn.opts.wscale, 14);
  const sackOk = Boolean(syn.opts?.sackok);
  const maxwin = Math.max(syn.win, 1);
  return { ...emptySide(), heard: true, isn: syn.seq, end, maxend: end, maxwin, scale, sackOk };
}

function pickedUp(segment: Segment): Partial<SideView> {
  const end = endOf(segment);
  const maxwin = Math.max(segment.win, 1);
  const maxend = u32(end + maxwin);
  return { heard: true, end, maxend, maxwin, maxack: segment.ack, sackOk: true };
}

function endOf({ seq, len, flags }: Segment): number {
  return u32(seq + len + (flags.includes('S') ? 1 : 0) + (flags.includes('F') ? 1 : 0));
}

function isSynKind({ flags }: Segment): boolean {
  return flags.includes('S') && !flags.includes('A');
}

function isAckKind({ flags }: Segment): boolean {
  return flags.includes('A') && !flags.includes('S') && !flags.includes('R');
}

function other(flow: Flow): Flow {
  return flow === 'fwd' ? 'rev' : 'fwd';
}

function u32(value: number): number {
  return value >>> 0;
}

function after(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

function later(a: number, b: number): number {
  return after(a, b) ? a : b;
}
