// The kernel's window test (nf_conntrack, 6.2 and later) and what it changes; kernel-model.ts calls it.
import type { Flow, Segment } from './tcp-segment.js';

/** The states of nf_conntrack_tcp. */
export type KernelState = (typeof COLUMNS)[number];

/** What the kernel knows of one side. */
export interface KernelSide {
  end: number;
  maxend: number;
  maxwin: number;
  scale: number;
  offersScale: boolean;
  sackOk: boolean;
  maxack: number | undefined;
  hasClosedFirst: boolean;
}

/** What it made of a segment: `rule` names what decided. */
export interface KernelDecision {
  readonly isForwarded: boolean;
  readonly rule: string;
}

/** Segments as its table sorts them. */
export type Kind = 'syn' | 'synack' | 'fin' | 'ack' | 'rst';

/** What it notes of the last segment that it believed or let through. */
export interface Last {
  kind: Kind | undefined;
  side: number;
  seq: number;
  end: number;
  ack: number;
  win: number;
  syn: KernelSide | undefined;
  expectsChallenge: boolean;
  isSimultaneous: boolean;
}

/** A tracked connection; side 0 is that of the packet that created it. */
export interface Entry {
  readonly original: Flow;
  state: KernelState;
  sides: [KernelSide, KernelSide];
  readonly last: Last;
  seenReply: boolean;
  assured: boolean;
}

/** The states in the order of the table's columns. */
export const COLUMNS = ['SS', 'SR', 'ES', 'FW', 'CW', 'LA', 'TW', 'CL', 'S2'] as const;
const ACK_SLACK = 66000;

/** The window test with its commit: undefined when the segment passed. */
export function inWindow(entry: Entry, side: number, segment: Segment): KernelDecision | undefined {
  const own = sideOf(entry, side);
  const peer = sideOf(entry, side ^ 1);
  const { flags, win } = segment;
  const isSyn = flags.includes('S');
  const hasAck = flags.includes('A');
  let { seq, ack } = segment;
  let end = endOf(segment);
  let sack = ack;
  if (peer.sackOk)
    for (const [, right] of segment.opts?.sack ?? []) if (isAfter(right, sack)) sack = right;

  if (own.maxwin === 0) {
    if (isSyn) {
      initialise(own, peer, segment, side);
      if (!hasAck) return undefined;
    } else {
      own.end = end;
      own.maxwin = Math.max((win << own.scale) >>> 0, 1);
      own.maxend = u32(end + own.maxwin);
      if (peer.maxwin === 0) {
        peer.end = sack;
        peer.maxend = sack;
      } else if (sack === u32(peer.end + 1)) peer.end = sack;
    }
  } else if (isSyn && isAfter(end, own.end) && (entry.state === 'SS' || entry.state === 'SR')) {
    initialise(own, peer, segment, side);
    if (side === 1 && !hasAck) return undefined;
  }
  if (!hasAck || (flags.includes('R') && ack === 0)) {
    ack = peer.end;
    sack = peer.end;
  }
  if (flags.includes('R') && seq === 0 && entry.state === 'SS') {
    seq = own.end;
    end = own.end;
  }

  const slack = Math.max(own.maxwin, ACK_SLACK);
  const isAckRecent = !isAfter(u32(peer.end - slack), sack);
  const isEndRecent = isAfter(end, u32(own.end - peer.maxwin - 1));
  if (isAfter(seq, own.maxend)) {
    const overshoot = u32(end - own.maxend + 1);
    const isNear = peer.maxwin > 0 && isEndRecent && isAckRecent && !isAfter(sack, peer.end);
    if (!isNear || overshoot > peer.maxwin) return invalid('above the window');
    own.end = end;
    return { isForwarded: true, rule: 'let through: a little above the window' };
  }
  if (isAfter(sack, peer.end)) return invalid('ack of unseen data');
  if (peer.maxwin > 0 && !isEndRecent)
    return { isForwarded: true, rule: 'let through: old retransmission' };
  if (!isAckRecent) return { isForwarded: true, rule: 'let through: very old ack' };

  const window = isSyn ? win : (win << own.scale) >>> 0;
  own.maxwin = Math.max(own.maxwin, u32(window + u32(sack - ack)));
  if (isAfter(end, own.end)) own.end = end;
  if (hasAck && (own.maxack === undefined || isAfter(ack, own.maxack))) own.maxack = ack;
  if (peer.maxwin !== 0 && isAfter(end, own.maxend)) peer.maxwin += u32(end - own.maxend);
  if (isAfter(u32(sack + window), u32(peer.maxend - 1)))
    peer.maxend = u32(sack + Math.max(window, 1));
  if (kindOf(segment) === 'ack') Object.assign(entry.last, { side, seq, ack, end, win });
  return undefined;
}

/** A side's first SYN or SYN+ACK, or one that is ahead of it. */
function initialise(own: KernelSide, peer: KernelSide, segment: Segment, side: number): void {
  Object.assign(own, openedSide(segment, own));
  if (side === 1 && !(own.offersScale && peer.offersScale)) {
    own.scale = 0;
    peer.scale = 0;
  }
}

/** Options that are missing altogether leave what was known of them as it was. */
export function openedSide(segment: Segment, known: KernelSide): KernelSide {
  const end = endOf(segment);
  const { opts } = segment;
  const base = { ...known, end, maxend: end, maxwin: Math.max(segment.win, 1) };
  if (opts === undefined) return base;
  const offersScale = opts.wscale !== undefined;
  const scale = Math.min(opts.wscale ?? 0, 14);
  return {
    ...base,
    scale,
    offersScale,
    sackOk: Boolean(opts.sackok),
    maxack: undefined,
    hasClosedFirst: false,
  };
}

/** A side that was not heard. */
export function emptySide(): KernelSide {
  return {
    end: 0,
    maxend: 0,
    maxwin: 0,
    scale: 0,
    offersScale: false,
    sackOk: false,
    maxack: undefined,
    hasClosedFirst: false,
  };
}

/** Returns side 0 or 1. */
export function sideOf({ sides }: Entry, side: number): KernelSide {
  return side === 0 ? sides[0] : sides[1];
}

/** Returns how the table sorts a segment. */
export function kindOf({ flags }: Segment): Kind {
  if (flags.includes('R')) return 'rst';
  if (flags.includes('S')) return flags.includes('A') ? 'synack' : 'syn';
  return flags.includes('F') ? 'fin' : 'ack';
}

/** Returns the decision to call a segment invalid. */
export function invalid(rule: string): KernelDecision {
  return { isForwarded: false, rule };
}

/** Returns the sequence number behind a segment. */
export function endOf({ seq, len, flags }: Segment): number {
  return u32(seq + len + (flags.includes('S') ? 1 : 0) + (flags.includes('F') ? 1 : 0));
}

function u32(value: number): number {
  return value >>> 0;
}

/** Numbers half the space apart are both before and after each other, as they are to the kernel. */
export function isAfter(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}
