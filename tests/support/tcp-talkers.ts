// Random conversations as two real TCPs might have them, and what goes wrong with those on the way:
// losses, repeats, reordering, forgeries at the edges of what a connection knows. Everything is
// drawn from one source of numbers, so that a seed tells a whole run.
import type { TcpOptions } from './packets.js';
import { randomStep } from './tcp-fuzz.js';
import { TcpModel } from './tcp-model.js';
import type { Flow, Segment } from './tcp-segment.js';

/** One segment of a conversation. */
export type Said = readonly [flow: Flow, segment: Segment];

type Random = () => number;

interface Talker {
  readonly flow: Flow;
  readonly isn: number;
  readonly scale: number | undefined;
  readonly sackOk: boolean;
  /** The next sequence number it sends, and the next that it expects; undefined before a SYN. */
  next: number;
  expects: number | undefined;
  hasSyn: boolean;
  hasFin: boolean;
}

const ISNS = [0, 1, 0xffffff00, 0xffffffff, 0x7fffff00, 0x80000000, 0xffff0000];
const WINDOWS = [0, 1, 500, 8192, 64240, 65535, 65535];
const LENGTHS = [0, 0, 1, 100, 536, 1400];
const STEPS = [0, 0, 1, -1, 2, -2, 100, -100, 1400, 66000, -66000, 70000, 0x7fffffff];
const ODD_FLAGS = [
  '',
  'F',
  'SF',
  'SR',
  'FR',
  'U',
  'RU',
  'SFRPAUEC',
  'AU',
  'SU',
  'FAU',
  'PAEC',
  'SEC',
];
const LONGEST = 28;
/** Of a hundred segments, how many are not what a TCP would say. */
const MISCHIEF = [0, 5, 20, 50];

/** Returns a conversation; it begins with the client's SYN. */
export function randomTalk(random: Random): Said[] {
  const isWild = random() % 4 === 0;
  return isWild ? wildTalk(random) : civilTalk(random);
}

/** Segments around the edges of what a tracker knows, in no order. */
function wildTalk(random: Random): Said[] {
  const model = new TcpModel('strict', false);
  const said: Said[] = [];
  for (let left = (random() % LONGEST) + 3; left > 0; left--) {
    const [flow, segment] = randomStep(random, model.view);
    if (model.view === undefined && segment.flags !== 'S') continue;
    const fitting = { ...segment, len: Math.min(segment.len, 1400) };
    model.send(flow, fitting);
    said.push([flow, fitting]);
  }
  return said;
}

function civilTalk(random: Random): Said[] {
  const client = talker(random, 'fwd');
  const server = talker(random, 'rev');
  const mischief = pick(random, MISCHIEF);
  const model = new TcpModel('strict', false);
  const said: Said[] = [];
  const late: Said[] = [];
  const say = (one: Said) => {
    model.send(...one);
    said.push(one);
  };
  say(speak(random, client, server));
  for (let left = (random() % LONGEST) + 3; left > 0; left--) {
    if (random() % 100 < mischief) {
      say(mischievous(random, said, model));
      continue;
    }
    const isClients = random() % 2 === 0;
    const one = isClients ? speak(random, client, server) : speak(random, server, client);
    // Held back, it comes after the next ones; or it is lost, and its sender says it again later.
    if (random() % 100 < mischief) late.push(one);
    else say(one);
    const held = late[0];
    if (held !== undefined && random() % 3 === 0) {
      late.shift();
      if (random() % 4 !== 0) say(held);
    }
  }
  return said;
}

function talker(random: Random, flow: Flow): Talker {
  const isn = random() % 3 === 0 ? random() : pick(random, ISNS);
  const scale = random() % 2 === 0 ? pick(random, [0, 2, 7, 14]) : undefined;
  const sackOk = random() % 2 === 0;
  return { flow, isn, scale, sackOk, next: isn, expects: undefined, hasSyn: false, hasFin: false };
}

/** What `own` says next. What it says arrives: `peer` expects what follows it, mostly. */
function speak(random: Random, own: Talker, peer: Talker): Said {
  const segment = nextSegment(random, own, peer);
  if (segment.flags.includes('S') || segment.seq === peer.expects) {
    const hears = random() % 8 !== 0 || segment.flags.includes('S');
    if (hears && !segment.flags.includes('R')) peer.expects = endOf(segment);
  }
  return [own.flow, segment];
}

function nextSegment(random: Random, own: Talker, peer: Talker): Segment {
  const win = pick(random, WINDOWS);
  if (!own.hasSyn) {
    own.hasSyn = true;
    own.next = (own.isn + 1) >>> 0;
    const isSimultaneous = own.expects === undefined || random() % 12 === 0;
    return { ...syn(own, isSimultaneous ? undefined : own.expects), win };
  }
  if (own.expects === undefined) return { ...syn(own, undefined), win };
  const ack = own.expects;
  const base = { seq: own.next, ack, win, len: 0 };
  switch (random() % 16) {
    case 0:
      return { ...base, flags: 'FA', ...send(random, own, true) };
    case 1:
      // Keep-alive: one below, with or without a byte.
      return { ...base, flags: 'A', seq: (own.next - 1) >>> 0, len: random() % 2 };
    case 2:
      return random() % 4 === 0
        ? { ...base, flags: pick(random, ['R', 'RA']) }
        : { ...base, flags: 'A' };
    case 3:
      // The SYN+ACK again, or the SYN of one that never was answered.
      return { ...syn(own, ack), win };
    case 4:
      return {
        ...base,
        flags: 'A',
        opts: { sack: [[ack + 100, ack + 1500].map(u32) as [number, number]] },
      };
    case 5:
    case 6:
    case 7:
    case 8:
      return { ...base, flags: 'A' };
    default:
      if (peer.expects === undefined || own.hasFin) return { ...base, flags: 'A' };
      return { ...base, flags: random() % 2 === 0 ? 'A' : 'PA', ...send(random, own, false) };
  }
}

/** Moves on by what is sent; a FIN is sent once, and then again as it was. */
function send(random: Random, own: Talker, hasFin: boolean): { seq: number; len: number } {
  if (own.hasFin) return { seq: (own.next - 1) >>> 0, len: 0 };
  const seq = own.next;
  const len = pick(random, LENGTHS);
  own.next = (own.next + len + (hasFin ? 1 : 0)) >>> 0;
  own.hasFin ||= hasFin;
  return { seq, len };
}

function syn({ isn, scale, sackOk }: Talker, ack: number | undefined): Segment {
  const opts: TcpOptions = {
    mss: 1460,
    sackok: sackOk,
    ...(scale === undefined ? {} : { wscale: scale }),
  };
  return {
    flags: ack === undefined ? 'S' : 'SA',
    seq: isn,
    ack: ack ?? 0,
    win: 65535,
    len: 0,
    opts,
  };
}

/** Something said before, said again or bent; or a forgery at the edges of what is known. */
function mischievous(random: Random, said: readonly Said[], model: TcpModel): Said {
  const [flow, segment] = pick(random, said);
  switch (random() % 8) {
    case 0:
    case 1:
      return [flow, segment];
    case 2:
      return [flow, { ...segment, seq: u32(segment.seq + pick(random, STEPS)) }];
    case 3:
      return [flow, { ...segment, ack: u32(segment.ack + pick(random, STEPS)) }];
    case 4:
      return [flow, { ...segment, flags: pick(random, ODD_FLAGS) }];
    case 5:
      return [flow, { ...segment, win: pick(random, WINDOWS) }];
    default: {
      const [edge, forged] = randomStep(random, model.view);
      return [edge, { ...forged, len: Math.min(forged.len, 1400) }];
    }
  }
}

function endOf({ seq, len, flags }: Segment): number {
  return u32(seq + len + (flags.includes('S') ? 1 : 0) + (flags.includes('F') ? 1 : 0));
}

function u32(value: number): number {
  return value >>> 0;
}

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[random() % items.length];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}
