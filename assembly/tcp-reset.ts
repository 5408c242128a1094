// RST: who may end a connection. A blind attacker who guesses ports must also hit a sequence number
// exactly, RFC 5961 section 3; what is merely in the window goes on to the endpoint, which answers
// it with a challenge ACK and gets an exact RST back if the connection is really gone.
import {
  CONN_STATE,
  FLOW_FWD,
  FLOW_REV,
  STATE_CLOSED,
  STATE_FIN_SENT,
  STATE_NEW,
  STATE_TIME_WAIT,
  TCP_F_ACKED,
  TCP_F_CHALLENGE,
  TCP_F_HEARD,
  TCP_IGNORED_RST_AFTER_CLOSE,
  TCP_IGNORED_RST_INEXACT,
  TCP_RST_AFTER_FIN,
  TCP_RST_IN_HANDSHAKE,
  TCP_RST_OUT_OF_WINDOW,
} from './layout';
import { isAfter, TcpSide } from './tcp-side';
import { ackSlack, isAckNear } from './tcp-window';
import { FLAG_ACK, Tcp } from './wire/tcp';

/** Takes a RST: closes the conn and returns 0, or returns a reason. */
export function trackReset(conn: usize, flow: u32, l4: usize): u32 {
  const state: i32 = load<u8>(conn, CONN_STATE);
  if (state === STATE_CLOSED || state === STATE_TIME_WAIT) return TCP_IGNORED_RST_AFTER_CLOSE;
  let reason: u32;
  if (state === STATE_NEW) reason = judgeAgainstSyn(conn, flow, l4);
  else if (state >= STATE_FIN_SENT) reason = judgeAfterFin(conn, flow, l4);
  else reason = judgeExact(conn, flow, l4);
  if (reason === 0) store<u8>(conn, STATE_CLOSED, CONN_STATE);
  return reason;
}

/**
 * Only the SYN was seen. The server refuses it by acking it; the client takes it back, or answers
 * a challenge ACK with the sequence number that this asked for.
 */
function judgeAgainstSyn(conn: usize, flow: u32, l4: usize): u32 {
  const end = TcpSide.end(conn, FLOW_FWD);
  let isGood: bool;
  if (flow === FLOW_REV) {
    const ack = Tcp.ack(l4);
    isGood =
      (Tcp.flags(l4) & FLAG_ACK) !== 0 &&
      isAfter(ack, TcpSide.isnOrFin(conn, FLOW_FWD)) &&
      !isAfter(ack, end);
  } else {
    const seq = Tcp.seq(l4);
    const isAnswer =
      (TcpSide.flags(conn, FLOW_REV) & TCP_F_CHALLENGE) !== 0 &&
      seq === TcpSide.maxAck(conn, FLOW_REV);
    isGood = seq === end || isAnswer;
  }
  return isGood ? 0 : TCP_RST_IN_HANDSHAKE;
}

/**
 * A side that was not heard ends at 0: that is the sequence number of a RST that refuses what the
 * other end sent. RFC 9293 section 3.5.2.
 */
function judgeExact(conn: usize, flow: u32, l4: usize): u32 {
  const peer = flow ^ 1;
  const seq = Tcp.seq(l4);
  const end = TcpSide.end(conn, flow);
  const hasPeerAcked = (TcpSide.flags(conn, peer) & TCP_F_ACKED) !== 0;
  const expected = hasPeerAcked ? TcpSide.maxAck(conn, peer) : end;
  if ((seq === end || seq === expected) && isResetAckGood(conn, flow, l4)) return 0;
  const isHeard = (TcpSide.flags(conn, flow) & TCP_F_HEARD) !== 0;
  const isInWindow = isAfter(seq, expected) && !isAfter(seq, TcpSide.maxEnd(conn, flow));
  return isHeard && isInWindow ? TCP_IGNORED_RST_INEXACT : TCP_RST_OUT_OF_WINDOW;
}

/** A RST need not ack anything; old stacks set the flag and leave the field 0. */
function isResetAckGood(conn: usize, flow: u32, l4: usize): bool {
  const ack = Tcp.ack(l4);
  if ((Tcp.flags(l4) & FLAG_ACK) === 0 || ack === 0) return true;
  return isAckNear(conn, flow, ack, ackSlack(conn, flow));
}

/** The connection ends anyway, so that anywhere in the window will do. */
function judgeAfterFin(conn: usize, flow: u32, l4: usize): u32 {
  const seq = Tcp.seq(l4);
  const lowest = TcpSide.end(conn, flow) - TcpSide.maxWin(conn, flow ^ 1);
  const isIn = !isAfter(lowest, seq) && !isAfter(seq, TcpSide.maxEnd(conn, flow));
  return isIn ? 0 : TCP_RST_AFTER_FIN;
}
