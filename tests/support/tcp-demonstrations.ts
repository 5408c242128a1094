// The shortest conversation that shows each divergence from the kernel: its last segment does.
import { BOTH_SYN, CLOSED_ORDERLY, HANDSHAKE, type Line, segmentOf } from './tcp-talk.js';
import type { Said } from './tcp-talkers.js';

const CLIENT_SYN: Line = ['fwd', 'S', 0, 0];
const SERVER_SYN_ACK: Line = ['rev', 'SA', 5000, 1];
/** The server takes 100 bytes at a time. */
const NARROW: readonly Line[] = [
  CLIENT_SYN,
  ['rev', 'SA', 5000, 1, { win: 100 }],
  ['fwd', 'A', 1, 5001],
];
/** The client permits SACK, the server does not. */
const ONE_SIDED_SACK: readonly Line[] = [
  ['fwd', 'S', 0, 0, { opts: { mss: 1460, sackok: true } }],
  ['rev', 'SA', 5000, 1, { opts: { mss: 1460 } }],
  ['fwd', 'A', 1, 5001],
];
const RESET: readonly Line[] = [...HANDSHAKE, ['rev', 'R', 5001, 0]];

const LINES: Readonly<Record<string, readonly Line[]>> = {
  'a SYN after a SYN': [
    ['fwd', 'S', 5000, 0],
    ['fwd', 'S', 1000, 0],
  ],
  'a SYN of the server during the handshake': [CLIENT_SYN, SERVER_SYN_ACK, ['rev', 'S', 5000, 0]],
  'a SYN+ACK that acks something else': [
    ['fwd', 'S', 1000, 0],
    ['rev', 'SA', 5000, 500],
  ],
  'a SYN+ACK of the client': [CLIENT_SYN, SERVER_SYN_ACK, ['fwd', 'SA', 0, 5001]],
  'a SYN+ACK after a SYN+ACK': [CLIENT_SYN, SERVER_SYN_ACK, ['rev', 'SA', 9000, 1]],
  'a SYN+ACK for a SYN some segments ago': [
    ...HANDSHAKE,
    ['fwd', 'S', 70_000, 0],
    ['rev', 'A', 5001, 1],
    ['rev', 'SA', 90_000, 70_001],
  ],
  'a simultaneous open': [...BOTH_SYN, ['fwd', 'A', 1, 5001]],
  'a RST against a SYN': [
    ['fwd', 'S', 1000, 0],
    ['rev', 'R', 0, 0],
  ],
  'a RST that takes a SYN back': [CLIENT_SYN, ['fwd', 'R', 1, 0]],
  'a RST at the end of what was sent': [
    ...HANDSHAKE,
    ['rev', 'A', 5001, 1, { len: 100 }],
    ['fwd', 'A', 1, 5001],
    ['rev', 'R', 5101, 0],
  ],
  'a RST that is not exact': [...HANDSHAKE, ['rev', 'R', 6000, 0]],
  'a RST outside the window after a FIN': [
    ...HANDSHAKE,
    ['fwd', 'FA', 1, 5001],
    ['fwd', 'R', 500_000, 0],
  ],
  'a RST in time_wait': [...CLOSED_ORDERLY, ['rev', 'R', 5002, 0]],
  'what comes after a RST': [...RESET, ['fwd', 'A', 1, 900_000]],
  'a SYN after a RST': [...RESET, ['fwd', 'S', 100_000, 0]],
  'a SYN of the server in time_wait': [...CLOSED_ORDERLY, ['rev', 'S', 100_000, 0]],
  'SACK without permission': [
    ...ONE_SIDED_SACK,
    ['rev', 'A', 5001, 1, { opts: { sack: [[100, 200]] } }],
  ],
  'more than the window allows': [...NARROW, ['fwd', 'A', 102, 5001, { len: 10 }]],
  'half of all sequence numbers away': [...HANDSHAKE, ['fwd', 'A', 0x8001_0000, 5001]],
  'the states of a closing connection': [
    ...HANDSHAKE,
    ['fwd', 'FA', 1, 5001],
    ['fwd', 'FA', 1, 5001],
  ],
};

/** Conversations by the name of the divergence. */
export const DEMONSTRATIONS: ReadonlyMap<string, readonly Said[]> = new Map(
  Object.entries(LINES).map(([name, lines]) => [
    name,
    lines.map((line): Said => [line[0], segmentOf(line)]),
  ]),
);
