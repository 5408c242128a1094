// Random segments that hit: numbers are drawn from what a connection knows, a step to either side of
// its edges, so that every rule is met by both what it wants and what it refuses.
import type { TcpOptions } from './packets.js';
import type { ConnView, Flow, Segment, SideView } from './tcp-segment.js';

/** Weighted by repetition: what connections consist of, then what they do not. */
const FLAGS = [
  ...['S', 'S', 'S', 'SA', 'SA', 'SA', 'A', 'A', 'A', 'A', 'A', 'PA', 'PA', 'PA'],
  ...['FA', 'FA', 'FA', 'FPA', 'R', 'R', 'RA', 'RA'],
  ...['SEC', 'SAE', 'SU', 'AU', 'FAU', 'PAEC', '', 'F', 'SF', 'SR', 'FR', 'SFRPAUEC', 'U', 'RU'],
];
const WINDOWS = [0, 1, 100, 500, 8192, 64240, 65535, 65535];
const LENGTHS = [0, 0, 0, 0, 1, 10, 100, 1460, 30000];
const STEPS = [0, 0, 0, 0, 0, 0, 1, -1, 1, -1, 2, -2, 10, -100, 1460, 3000, 66000, -66000, 66001];

/** Returns the next of a source of u32. */
type Random = () => number;

/** Returns one of `items`. */
function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[random() % items.length];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** Returns which flow the next segment is of, and the segment. */
export function randomStep(random: Random, view: ConnView | undefined): [Flow, Segment] {
  const flow = view === undefined || random() % 2 === 0 ? 'fwd' : 'rev';
  return [flow, randomSegment(random, flow, view)];
}

function randomSegment(random: Random, flow: Flow, view: ConnView | undefined): Segment {
  const flags = pick(random, FLAGS);
  const win = pick(random, WINDOWS);
  const len = pick(random, LENGTHS);
  const own = view?.[flow];
  const peer = view?.[flow === 'fwd' ? 'rev' : 'fwd'];
  const step = pick(random, STEPS);
  const seq = (pick(random, seqCandidates(random, own, peer, view)) + step) >>> 0;
  const ack = (pick(random, ackCandidates(random, peer, own, view)) + pick(random, STEPS)) >>> 0;
  const isZeroAck = !flags.includes('A') && random() % 4 !== 0;
  const opts = randomOptions(random, flags, ack);
  const base = { flags, seq, ack: isZeroAck || random() % 16 === 0 ? 0 : ack, win, len };
  return opts === undefined ? base : { ...base, opts };
}

/** Where its own side stands is most likely: otherwise hardly a handshake would come about. */
function seqCandidates(
  random: Random,
  own: SideView | undefined,
  peer: SideView | undefined,
  view: ConnView | undefined,
): readonly number[] {
  const known = [
    own?.end,
    own?.end,
    own?.end,
    own?.isn,
    own?.maxend,
    peer?.maxack,
    own?.finEnd,
    view?.challenge,
    own === undefined || peer === undefined ? undefined : own.end - peer.maxwin,
    random() % 8 === 0 ? 0 : undefined,
    random() % 4 === 0 || own === undefined || !own.heard ? random() : undefined,
  ];
  return known.filter((value) => value !== undefined);
}

function ackCandidates(
  random: Random,
  peer: SideView | undefined,
  own: SideView | undefined,
  view: ConnView | undefined,
): readonly number[] {
  const known = [
    peer?.end,
    peer?.end,
    peer?.end,
    peer?.end,
    peer?.isn,
    peer?.maxend,
    peer?.finEnd,
    own?.maxack,
    view?.annotation,
    random() % 4 === 0 || peer === undefined ? random() : undefined,
  ];
  return known.filter((value) => value !== undefined);
}

function randomOptions(random: Random, flags: string, ack: number): TcpOptions | undefined {
  if (flags.includes('S')) {
    const wscale = pick(random, [-1, 0, 2, 7, 14, 15, 255]);
    const sackok = random() % 2 === 0;
    return wscale < 0 ? { mss: 1460, sackok } : { mss: 1460, sackok, wscale };
  }
  switch (random() % 6) {
    case 0:
      return { timestamps: [random(), random()] };
    case 1: {
      const blocks = Array.from({ length: (random() % 3) + 1 }, () => {
        const left = (ack + pick(random, STEPS)) >>> 0;
        return [left, (left + pick(random, LENGTHS)) >>> 0] as const;
      });
      return random() % 2 === 0 ? { sack: blocks } : { timestamps: [1, 2], sack: blocks };
    }
    default:
      return undefined;
  }
}
