import { CONN_STATES } from '../api/conntrack.js';
import { FLOWS, INVALID_LIST, type InvalidPacket, type TcpSide } from '../api/invalid-packet.js';
import { explain, flagLetters, sequenceLength } from '../api/invalid-reasons.js';
import { ageSec, formatConnId } from '../api/shown-conn.js';
import type { Column, Row } from '../api/table.js';
import type { CliContext } from './context.js';
import { daemonNowNs } from './daemon-clock.js';
import { type CommandGroup, keywordCommand } from './grammar/command.js';
import { IfaceNames } from './iface-names.js';

const COLUMNS: readonly Column[] = [
  { header: 'AGE', align: 'right' },
  { header: 'IFACE', align: 'left' },
  { header: 'FLOW', align: 'left' },
  { header: 'SRC', align: 'left' },
  { header: 'DST', align: 'left' },
  { header: 'SPORT', align: 'right' },
  { header: 'DPORT', align: 'right' },
  { header: 'FLAGS', align: 'left' },
  { header: 'STATE', align: 'left' },
  { header: 'REASON', align: 'left' },
];

const NOTHING = '-';

/** `conntrack invalid`: what the TCP tracker refused lately, and why. */
export const CONNTRACK_INVALID: CommandGroup = {
  name: 'invalid',
  summary: 'TCP packets that were refused',
  members: [
    keywordCommand({
      name: 'show',
      summary: 'Show the latest invalid packets with the reason of each, the oldest first',
      keywords: {},
      run: show,
    }),
  ],
};

async function show({ connect, output, monotonicNs }: CliContext): Promise<void> {
  const api = await connect();
  const packets: InvalidPacket[] = [];
  for await (const packet of api.stream(INVALID_LIST, {})) packets.push(packet);
  const names = new IfaceNames();
  await names.learn(
    api,
    packets.map(({ ifaceId }) => ifaceId),
  );
  // After the list: no packet is from the future.
  const nowNs = packets.length === 0 ? 0n : await daemonNowNs(api, monotonicNs);
  if (output.isJson)
    return output.jsonArray(packets.map((packet) => objectOf(packet, names, nowNs)));
  return output.table(COLUMNS, () => packets.map((packet) => rowOf(packet, names, nowNs)));
}

function rowOf(packet: InvalidPacket, names: IfaceNames, nowNs: bigint): Row {
  const why = explain(packet);
  return [
    String(ageSec(nowNs, packet.timeNs)),
    names.get(packet.ifaceId),
    FLOWS[packet.flow] ?? '?',
    packet.src,
    packet.dst,
    String(packet.sport),
    String(packet.dport),
    flagLetters(packet.flags) || NOTHING,
    stateOf(packet),
    [
      packet.reason,
      why === '' ? '' : `: ${why}`,
      packet.isForwarded ? ' (forwarded all the same)' : '',
    ].join(''),
  ];
}

function objectOf(packet: InvalidPacket, names: IfaceNames, nowNs: bigint): object {
  const { connId } = packet;
  return {
    age: ageSec(nowNs, packet.timeNs),
    iface: names.get(packet.ifaceId),
    flow: FLOWS[packet.flow] ?? '?',
    src: packet.src,
    dst: packet.dst,
    sport: packet.sport,
    dport: packet.dport,
    flags: flagLetters(packet.flags),
    state: stateOf(packet),
    reason: packet.reason,
    why: explain(packet),
    forwarded: packet.isForwarded,
    conn: connId === 0 ? NOTHING : formatConnId(connId),
    seq: packet.seq,
    ack: packet.ack,
    sack: packet.sack,
    window: packet.window,
    length: sequenceLength(packet),
    own: sideOf(packet.own),
    peer: sideOf(packet.peer),
  };
}

function sideOf({ end, maxEnd, maxAck, maxWin }: TcpSide): object {
  return { end, max_end: maxEnd, max_ack: maxAck, max_win: maxWin };
}

function stateOf({ connId, state }: InvalidPacket): string {
  return connId === 0 ? NOTHING : (CONN_STATES[state] ?? '?');
}
