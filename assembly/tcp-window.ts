// The window test: may this segment belong to its connection? Four boundaries, after G. van Rooij,
// "Real Stateful TCP Packet Filtering in IP Filter" (USENIX Security 2001), with SACK:
//
//     I   seq <= own.maxend               not above what the peer allowed
//     II  sack <= peer.end                acks nothing that the peer never sent
//     III seq+len >= own.end - peer.maxwin   not older than what the peer may still want
//     IV  sack >= peer.end - slack        acks nothing that was settled long ago
//
// `own` is the side that sent the segment, `peer` the other. `sack` is the highest of the ack and,
// when both sides permitted SACK, the right edges of its blocks. `slack` is the side's largest
// window, at least 66000, because a receiver may have advertised before the tracker listened.
// Judging writes nothing; only a segment that passed is committed.
import {
  CONN_F_LOOSE,
  CONN_FLAGS,
  TCP_ABOVE_WINDOW,
  TCP_ACK_OF_UNSEEN,
  TCP_F_SACK,
  TCP_F_SCALE,
  TCP_IGNORED_ABOVE_WINDOW,
  TCP_IGNORED_OLD_ACK,
  TCP_IGNORED_OLD_DATA,
  TCP_SCALE_MASK,
  TCP_TOLERATED,
} from './layout';
import { allowUpTo, isAfter, laterOf, noteAck, TcpSide } from './tcp-side';
import { highestSack, Tcp } from './wire/tcp';

/** The largest window without scaling, and a segment's headers: the least slack of boundary IV. */
const LEAST_SLACK: u32 = 66000;

/** Returns how far behind the peer's end an ack of this side may lie. */
export function ackSlack(conn: usize, flow: u32): u32 {
  return max<u32>(TcpSide.maxWin(conn, flow), LEAST_SLACK);
}

/** Returns true when `ack` is in [peer.end - slack, peer.end]. */
export function isAckNear(conn: usize, flow: u32, ack: u32, slack: u32): bool {
  const peerEnd = TcpSide.end(conn, flow ^ 1);
  return !isAfter(ack, peerEnd) && !isAfter(peerEnd - slack, ack);
}

/** Judges an ACK of `len` sequence numbers by the four boundaries: 0, or a reason. */
export function judgeWindow(conn: usize, flow: u32, l4: usize, len: u32): u32 {
  const peer = flow ^ 1;
  const seq = Tcp.seq(l4);
  const sack = rightmostAck(conn, flow, l4);
  const maxEnd = TcpSide.maxEnd(conn, flow);
  const peerEnd = TcpSide.end(conn, peer);
  const peerWindow = TcpSide.maxWin(conn, peer);

  const isUnseen = isAfter(sack, peerEnd);
  const isOldData = isAfter(TcpSide.end(conn, flow) - peerWindow, seq + len);
  const isOldAck = isAfter(peerEnd - ackSlack(conn, flow), sack);
  if (isAfter(seq, maxEnd)) {
    const isNear = seq + len - maxEnd <= peerWindow && !isUnseen && !isOldData && !isOldAck;
    return isNear ? TCP_IGNORED_ABOVE_WINDOW : beyondWindow(conn, TCP_ABOVE_WINDOW);
  }
  if (isUnseen) return beyondWindow(conn, TCP_ACK_OF_UNSEEN);
  if (isOldData) return TCP_IGNORED_OLD_DATA;
  return isOldAck ? TCP_IGNORED_OLD_ACK : 0;
}

/** Commits an ACK that passed: what it sent, acked and allowed. */
export function commitWindow(conn: usize, flow: u32, l4: usize, len: u32): void {
  const peer = flow ^ 1;
  const end = Tcp.seq(l4) + len;
  const ack = Tcp.ack(l4);
  const sack = rightmostAck(conn, flow, l4);
  const window = max<u32>(Tcp.window(l4) << scaleOf(conn, flow), 1);

  // What is sent beyond the edge tells that the peer allowed more than was seen.
  const maxEnd = TcpSide.maxEnd(conn, flow);
  if (isAfter(end, maxEnd))
    TcpSide.setMaxWin(conn, peer, TcpSide.maxWin(conn, peer) + (end - maxEnd));

  TcpSide.setMaxWin(conn, flow, max<u32>(TcpSide.maxWin(conn, flow), window + (sack - ack)));
  TcpSide.setEnd(conn, flow, laterOf(end, TcpSide.end(conn, flow)));
  noteAck(conn, flow, ack);
  allowUpTo(conn, peer, sack + window);
}

/** A conn picked up in mid-stream hides its window scale: there this is only an opinion. */
function beyondWindow(conn: usize, reason: u32): u32 {
  return (load<u8>(conn, CONN_FLAGS) & CONN_F_LOOSE) !== 0 ? reason | TCP_TOLERATED : reason;
}

/** Returns the highest ack, SACK blocks included when both sides permitted them. */
export function rightmostAck(conn: usize, flow: u32, l4: usize): u32 {
  const both = TcpSide.flags(conn, flow) & TcpSide.flags(conn, flow ^ 1);
  return (both & TCP_F_SACK) !== 0 ? highestSack(l4) : Tcp.ack(l4);
}

/** Returns the shift of this side's windows: 0 unless both sides offered one. RFC 7323. */
function scaleOf(conn: usize, flow: u32): u32 {
  const flags = TcpSide.flags(conn, flow);
  const both = flags & TcpSide.flags(conn, flow ^ 1);
  return (both & TCP_F_SCALE) !== 0 ? flags & TCP_SCALE_MASK : 0;
}
