// SYN and SYN+ACK: opening a connection, from one end or from both, and reopening it.
//
// A SYN of the client inside a live connection may be a new connection on old ports (the client
// crashed, or reuses the port) or an attacker's guess. The endpoint knows, the tracker does not: it
// forwards the SYN, keeps it as an annotation in the conn's first line, and believes it only when
// the server's SYN+ACK acks exactly its end. RFC 5961 section 4. In the same way the ack of a
// challenge ACK is kept, with which a server that still remembers an earlier connection answers a
// SYN: it is the sequence number of the RST by which the client then clears the way.
import {
  CONN_F_SIMOPEN,
  CONN_FLAGS,
  CONN_NOTE_LEN,
  CONN_NOTE_OPTS,
  CONN_NOTE_SEQ,
  CONN_NOTE_VALID,
  CONN_NOTE_WIN,
  CONN_STATE,
  FLOW_FWD,
  FLOW_REV,
  STATE_CLOSED,
  STATE_ESTABLISHED,
  STATE_NEW,
  STATE_SIMSYN_SENT,
  STATE_SYN_RECV,
  STATE_TIME_WAIT,
  TCP_F_ACKED,
  TCP_F_CHALLENGE,
  TCP_F_HEARD,
  TCP_F_SYN_ACK,
  TCP_IGNORED_SYN,
  TCP_IGNORED_SYN_ACK_LATE,
  TCP_SYN_ACK_UNEXPECTED,
  TCP_SYN_ACK_WRONG_ACK,
  TCP_SYN_ACK_WRONG_SEQ,
  TCP_SYN_FROM_SERVER,
} from './layout';
import { allowUpTo, extendSide, forgetSides, isAfter, openSide, TcpSide } from './tcp-side';
import { synOptions, Tcp } from './wire/tcp';

/** Makes the conn `new`, whatever it was, by the client's SYN. */
export function startOver(conn: usize, l4: usize, len: u32): void {
  forgetSides(conn);
  openBySyn(conn, FLOW_FWD, l4, len);
  store<u8>(conn, STATE_NEW, CONN_STATE);
}

/** Takes a SYN of `len` sequence numbers: 0, or a reason. */
export function trackSyn(conn: usize, flow: u32, l4: usize, len: u32): u32 {
  const state: i32 = load<u8>(conn, CONN_STATE);
  if (flow === FLOW_FWD && (state === STATE_CLOSED || state === STATE_TIME_WAIT)) {
    startOver(conn, l4, len);
    return 0;
  }
  if (flow === FLOW_REV && state === STATE_TIME_WAIT) {
    forgetSides(conn);
    openFromBothEnds(conn, l4, len);
    return 0;
  }
  if (state >= STATE_NEW && state <= STATE_SYN_RECV && isKnownIsn(conn, flow, Tcp.seq(l4))) {
    extendSide(conn, flow, Tcp.seq(l4) + len);
    return 0;
  }
  if (state === STATE_NEW) {
    if (flow === FLOW_FWD) startOver(conn, l4, len);
    else openFromBothEnds(conn, l4, len);
    return 0;
  }
  if (flow === FLOW_REV) return TCP_SYN_FROM_SERVER;
  annotate(conn, l4, len);
  return TCP_IGNORED_SYN;
}

/** Takes a SYN+ACK of `len` sequence numbers: 0, or a reason. */
export function trackSynAck(conn: usize, flow: u32, l4: usize, len: u32): u32 {
  const ack = Tcp.ack(l4);
  // The restart is believed at once: the ack that confirms the annotation also passes what follows.
  if (flow === FLOW_REV && isAnnotationEnd(conn, ack)) restartFromAnnotation(conn);

  const peer = flow ^ 1;
  const state: i32 = load<u8>(conn, CONN_STATE);
  if (state === STATE_CLOSED || state > STATE_SYN_RECV)
    return flow === FLOW_REV ? TCP_IGNORED_SYN_ACK_LATE : TCP_SYN_ACK_UNEXPECTED;
  const isSimultaneous = (load<u8>(conn, CONN_FLAGS) & CONN_F_SIMOPEN) !== 0;
  if (flow === FLOW_FWD && !isSimultaneous) return TCP_SYN_ACK_UNEXPECTED;
  const isAckOfSyn =
    isAfter(ack, TcpSide.isnOrFin(conn, peer)) && !isAfter(ack, TcpSide.end(conn, peer));
  if (!isAckOfSyn) return TCP_SYN_ACK_WRONG_ACK;

  if (isKnownIsn(conn, flow, Tcp.seq(l4))) {
    extendSide(conn, flow, Tcp.seq(l4) + len);
  } else {
    const wasHeard = (TcpSide.flags(conn, flow) & TCP_F_HEARD) !== 0;
    if (flow === FLOW_FWD && wasHeard) return TCP_SYN_ACK_WRONG_SEQ;
    openBySyn(conn, flow, l4, len);
  }
  // The window of a SYN is never scaled. RFC 7323 section 2.2.
  const window = max<u32>(Tcp.window(l4), 1);
  TcpSide.setMaxAck(conn, flow, ack);
  TcpSide.addFlags(conn, flow, TCP_F_ACKED | TCP_F_SYN_ACK);
  TcpSide.setMaxWin(conn, flow, max<u32>(TcpSide.maxWin(conn, flow), window));
  allowUpTo(conn, peer, ack + window);
  const isDone = isSimultaneous && (TcpSide.flags(conn, peer) & TCP_F_SYN_ACK) !== 0;
  store<u8>(conn, isDone ? STATE_ESTABLISHED : STATE_SYN_RECV, CONN_STATE);
  return 0;
}

/** Keeps the ack of a challenge ACK; the side that sent it is not heard by that. */
export function noteChallenge(conn: usize, flow: u32, ack: u32): void {
  TcpSide.setMaxAck(conn, flow, ack);
  TcpSide.addFlags(conn, flow, TCP_F_CHALLENGE);
}

function openBySyn(conn: usize, flow: u32, l4: usize, len: u32): void {
  openSide(conn, flow, Tcp.seq(l4), len, Tcp.window(l4), synOptions(l4));
}

/** The server sent a SYN too: RFC 9293 section 3.5, figure 7. */
function openFromBothEnds(conn: usize, l4: usize, len: u32): void {
  openBySyn(conn, FLOW_REV, l4, len);
  store<u8>(conn, CONN_F_SIMOPEN, CONN_FLAGS);
  store<u8>(conn, STATE_SIMSYN_SENT, CONN_STATE);
}

/** True when the side was heard and opened with `seq`; not to be asked once it sent a FIN. */
function isKnownIsn(conn: usize, flow: u32, seq: u32): bool {
  const isHeard = (TcpSide.flags(conn, flow) & TCP_F_HEARD) !== 0;
  return isHeard && TcpSide.isnOrFin(conn, flow) === seq;
}

function annotate(conn: usize, l4: usize, len: u32): void {
  store<u8>(conn, <u8>(synOptions(l4) | CONN_NOTE_VALID), CONN_NOTE_OPTS);
  store<u16>(conn, <u16>Tcp.window(l4), CONN_NOTE_WIN);
  store<u16>(conn, <u16>len, CONN_NOTE_LEN);
  store<u32>(conn, Tcp.seq(l4), CONN_NOTE_SEQ);
}

function isAnnotationEnd(conn: usize, ack: u32): bool {
  if ((load<u8>(conn, CONN_NOTE_OPTS) & CONN_NOTE_VALID) === 0) return false;
  return ack === load<u32>(conn, CONN_NOTE_SEQ) + load<u16>(conn, CONN_NOTE_LEN);
}

function restartFromAnnotation(conn: usize): void {
  const options = <u32>load<u8>(conn, CONN_NOTE_OPTS) & ~CONN_NOTE_VALID;
  const seq = load<u32>(conn, CONN_NOTE_SEQ);
  const len = load<u16>(conn, CONN_NOTE_LEN);
  const window = load<u16>(conn, CONN_NOTE_WIN);
  forgetSides(conn);
  openSide(conn, FLOW_FWD, seq, len, window, options);
  store<u8>(conn, STATE_NEW, CONN_STATE);
}
