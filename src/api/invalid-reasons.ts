/*
 * Why a packet was invalid, in a sentence: one template per reason.
 *
 * Each computes what it says from what the packet was judged by, so that the numbers are those of
 * the rule that failed. "Own" is the side that sent the packet, "peer" the other one. Sequence
 * numbers wrap: they are compared by signed difference, RFC 9293 section 3.4.
 */

import { CONN_STATES } from './conntrack.js';
import type { InvalidPacket } from './invalid-packet.js';

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;

const WINDOW_EDGE = "the window's edge";
const PEER_END = 'the end of what the other side sent';

type Template = (packet: InvalidPacket) => string;

const TEMPLATES: Readonly<Record<string, Template>> = {
  tcp_bad_flags: ({ flags }) =>
    flags === 0
      ? 'no flag is set at all'
      : `flags ${flagLetters(flags)} are not a combination that TCP sends`,
  tcp_bad_length: ({ headerBytes, segmentBytes }) =>
    headerBytes < 20
      ? `the TCP header claims ${headerBytes} bytes, fewer than the 20 that it has`
      : `the TCP header claims ${headerBytes} bytes, but ${segmentBytes} are all there is`,
  tcp_no_conn: ({ flags, flow }) => {
    if (flow !== 0) return 'it belongs to no connection, and only a packet from inside opens one';
    return (flags & (SYN | RST | FIN)) === 0
      ? 'it belongs to no connection, and tcp-loose is off'
      : 'it belongs to no connection, and only a SYN opens one';
  },
  tcp_loose_ack: (packet) => `the first answer's ${ackFault(packet, packet.ack)}`,
  tcp_rst_in_handshake: (packet) =>
    packet.flow === 0 ? clientResetFault(packet) : serverResetFault(packet),
  tcp_rst_out_of_window: resetFault,
  tcp_rst_after_fin: ({ seq, own, peer }) =>
    isAfter(seq, own.maxEnd)
      ? place('seq', seq, own.maxEnd, WINDOW_EDGE)
      : place('seq', seq, own.end - peer.maxWin, "the window's lower edge"),
  tcp_syn_from_server: ({ seq, own, state }) =>
    isHandshake(state)
      ? `seq ${seq} is not that of the server's first SYN, ${own.isnOrFin}`
      : `a SYN of the server opens nothing in state ${CONN_STATES[state]}`,
  tcp_syn_ack_unexpected: ({ state }) =>
    isHandshake(state)
      ? 'a SYN+ACK of the client answers a bare SYN of the server, and there was none'
      : `a SYN+ACK of the client in state ${CONN_STATES[state]}, when the handshake is over`,
  tcp_syn_ack_wrong_ack: synAckFault,
  tcp_syn_ack_wrong_seq: ({ seq, own }) =>
    `seq ${seq} is not that of the client's SYN, ${own.isnOrFin}`,
  tcp_ack_in_handshake: ({ flags, flow, state }) => {
    const kind = (flags & FIN) !== 0 ? 'a FIN' : 'an ACK';
    const side = flow === 0 ? 'client' : 'server';
    const before = CONN_STATES[state] === 'new' ? "the server's SYN+ACK" : 'both sides sent a SYN';
    return `${kind} of the ${side} before ${before}`;
  },
  tcp_above_window: aboveWindowFault,
  tcp_ack_of_unseen: (packet) => ackFault(packet, packet.sack),
};

/** Returns why a packet was invalid; empty for a reason that only a newer daemon has. */
export function explain(packet: InvalidPacket): string {
  return Object.hasOwn(TEMPLATES, packet.reason) ? (TEMPLATES[packet.reason]?.(packet) ?? '') : '';
}

/** Returns the letters of a byte of flags: SA for a SYN+ACK; empty for none. */
export function flagLetters(flags: number): string {
  const letters = [
    ['S', SYN],
    ['F', FIN],
    ['R', RST],
    ['P', 0x08],
    ['A', ACK],
    ['U', 0x20],
    ['E', 0x40],
    ['C', 0x80],
  ] as const;
  return letters
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([letter]) => letter)
    .join('');
}

/** Returns the sequence numbers that a packet takes: payload, SYN and FIN; 0 if its lengths lie. */
export function sequenceLength({ headerBytes, segmentBytes, flags }: InvalidPacket): number {
  const payload = segmentBytes - headerBytes;
  if (headerBytes < 20 || payload < 0) return 0;
  return payload + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0);
}

/** Only the client's SYN is known: its RST has the number behind that, or what was asked of it. */
function clientResetFault({ seq, own, peer }: InvalidPacket): string {
  const fault = place('seq', seq, own.end, 'the end of its SYN');
  if (!peer.hasChallenged) return fault;
  return `${fault} and not ${peer.maxAck}, which the challenge ACK asked for`;
}

function serverResetFault(packet: InvalidPacket): string {
  return (packet.flags & ACK) === 0 ? 'a RST without ACK refuses no SYN' : synAckFault(packet);
}

function resetFault(packet: InvalidPacket): string {
  const { seq, own, peer } = packet;
  const expected = peer.hasAcked ? peer.maxAck : own.end;
  if (seq === own.end || seq === expected) return ackFault(packet, packet.ack);
  if (!own.isHeard)
    return place('seq', seq, expected, 'the one that fits before anything of this side was seen');
  if (isAfter(seq, own.maxEnd)) return place('seq', seq, own.maxEnd, WINDOW_EDGE);
  return place('seq', seq, expected, 'the next one expected');
}

/** An ack of a SYN, alone or with a SYN or RST: behind its first number, up to its end. */
function synAckFault({ ack, peer }: InvalidPacket): string {
  if (!peer.isHeard) return `ack ${ack} is of a SYN that was not seen`;
  return isAfter(ack, peer.end)
    ? place('ack', ack, peer.end, "the end of the other side's SYN")
    : place('ack', ack, peer.isnOrFin + 1, "the least that acks the other side's SYN");
}

/** Near above the edge is tolerated, so that there the ack is at fault too. */
function aboveWindowFault(packet: InvalidPacket): string {
  const { seq, sack, own, peer } = packet;
  const fault = place('seq', seq, own.maxEnd, WINDOW_EDGE);
  const overshoot = (seq + sequenceLength(packet) - own.maxEnd) >>> 0;
  const isNear = overshoot <= peer.maxWin && isAckAtFault(packet, sack);
  return isNear ? `${fault}, and ${ackFault(packet, sack)}` : fault;
}

function isAckAtFault({ peer, ackSlack }: InvalidPacket, ack: number): boolean {
  return isAfter(ack, peer.end) || isAfter(peer.end - ackSlack, ack);
}

function ackFault({ ack, peer, ackSlack }: InvalidPacket, highest: number): string {
  const what = highest === ack ? 'ack' : 'SACK edge';
  if (isAfter(highest, peer.end)) return place(what, highest, peer.end, PEER_END);
  return place(what, highest, peer.end - ackSlack, 'the oldest that is still believed');
}

/** Returns how far a number lies from a bound: `seq 7 is 2 above the window's edge`. */
function place(what: string, number: number, bound: number, boundName: string): string {
  const distance = (number - bound) | 0;
  if (distance === 0) return `${what} ${number} is ${boundName}`;
  const where = distance > 0 ? 'above' : 'below';
  return `${what} ${number} is ${Math.abs(distance)} ${where} ${boundName}`;
}

function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

function isHandshake(state: number): boolean {
  return ['new', 'simsyn_sent', 'syn_recv'].includes(CONN_STATES[state] ?? '');
}
