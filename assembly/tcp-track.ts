// The TCP tracker: a middlebox that sees both streams of a connection and decides, for every
// segment, whether it belongs. It keeps no endpoint's state machine but its own twelve states:
//
//     SYN -> new --SYN+ACK--> syn_recv --ACK--> established
//             \--SYN from the server--> simsyn_sent --SYN+ACK from either--> syn_recv
//
// From established on the state is derived from four facts, never from a table of flags:
//
//     FIN fwd  FIN rev   none acked    acked
//     no       no        established
//     yes      no        fin_sent      fin_wait
//     no       yes       fin_recv      close_wait
//     yes      yes       closing       one: last_ack, both: time_wait
//
// A RST makes any of them closed. closed and time_wait end by ageing or by the next SYN.
//
// Verdicts. A segment passes, is ignored (forwarded, but nothing of it is believed and no timer is
// refreshed) or is invalid (dropped). One segment is one transaction: everything is judged before
// anything is written, so that a forged or stale segment cannot poison what the next one is judged
// by. Exceptions are two notes that ignored segments leave: see tcp-handshake.ts.
//
// Synchronisation. Two workers may hold segments of one connection, one of each flow; the whole
// transaction runs under the conn's lock. State, flags and CONN_LAST_UPDATE are plain stores: who
// only looks at them (ageing, listing) may see a state a moment old.
//
// Modes (CTL_TCP_WINDOW). strict drops what is invalid. liberal forwards what the rules for known
// connections call invalid, believing nothing of it. off keeps the windows up to date, but passes
// every ACK whatever the window test would say.
//
// A segment read with offload is one big segment: its length is all its payload.
//
// References: RFC 9293 (TCP), RFC 5961 (blind attacks), RFC 1337 (time_wait), RFC 7323 (window
// scale), RFC 2018 (SACK); tcp-window.ts for the window test.
import { connLock, connUnlock } from './conn';
import { isInvalid, noteSides } from './invalid-packet';
import {
  CONN_F_LOOSE,
  CONN_F_REPLIED,
  CONN_F_SIMOPEN,
  CONN_FLAGS,
  CONN_LAST_UPDATE,
  CONN_STATE,
  CTL_TCP_LOOSE,
  CTL_TCP_WINDOW,
  FLOW_FWD,
  FLOW_REV,
  STATE_CLOSE_WAIT,
  STATE_CLOSED,
  STATE_CLOSING,
  STATE_ESTABLISHED,
  STATE_FIN_RECV,
  STATE_FIN_SENT,
  STATE_FIN_WAIT,
  STATE_LAST_ACK,
  STATE_NEW,
  STATE_SYN_RECV,
  STATE_TIME_WAIT,
  TCP_ACK_IN_HANDSHAKE,
  TCP_BAD_FLAGS,
  TCP_BAD_LENGTH,
  TCP_F_FIN,
  TCP_F_FIN_ACKED,
  TCP_F_HEARD,
  TCP_IGNORED_AFTER_CLOSE,
  TCP_IGNORED_CHALLENGE_ACK,
  TCP_INVALID_END,
  TCP_NO_CONN,
  TCP_RST_IN_HANDSHAKE,
  TCP_TOLERATED,
  TCP_WINDOW_LIBERAL,
  TCP_WINDOW_OFF,
} from './layout';
import { noteChallenge, startOver, trackSyn, trackSynAck } from './tcp-handshake';
import { joinPickedUp, pickUp } from './tcp-pickup';
import { trackReset } from './tcp-reset';
import { isAfter, TcpSide } from './tcp-side';
import { commitWindow, judgeWindow } from './tcp-window';
import { FLAG_ACK, FLAG_FIN, FLAG_PSH, FLAG_RST, FLAG_SYN, FLAG_URG, Tcp } from './wire/tcp';

/** Flags that every combination may have: PSH, ECE, CWR. */
const FREE_FLAGS: u32 = 0xc0 | FLAG_PSH;
/** One bit per legal combination of the others. */
const LEGAL_FLAGS: u64 =
  ((<u64>1) << FLAG_SYN) |
  ((<u64>1) << (FLAG_SYN | FLAG_URG)) |
  ((<u64>1) << (FLAG_SYN | FLAG_ACK)) |
  ((<u64>1) << FLAG_RST) |
  ((<u64>1) << (FLAG_RST | FLAG_ACK)) |
  ((<u64>1) << (FLAG_FIN | FLAG_ACK)) |
  ((<u64>1) << (FLAG_FIN | FLAG_ACK | FLAG_URG)) |
  ((<u64>1) << FLAG_ACK) |
  ((<u64>1) << (FLAG_ACK | FLAG_URG));

/**
 * Returns 0 when the segment may open a conn, else the reason why not. `ip` and `l4` are the
 * addresses of the IPv4 and TCP headers; the 20 bytes of the latter are inside the packet.
 */
export function tcpAdmits(ip: usize, l4: usize): u32 {
  const reason = malformed(ip, l4);
  if (reason !== 0) return reason;
  const kind = Tcp.flags(l4) & (FLAG_SYN | FLAG_RST | FLAG_FIN | FLAG_ACK);
  if (kind === FLAG_SYN) return 0;
  if (kind === FLAG_ACK && atomic.load<u32>(CTL_TCP_LOOSE) !== 0) return 0;
  return TCP_NO_CONN;
}

/**
 * Fills the TCP fields, flags and state of an unpublished conn from its first segment, which
 * tcpAdmits() let through and whose flow is fwd.
 */
export function tcpOpen(conn: usize, ip: usize, l4: usize): void {
  const len = Tcp.sequenceLength(ip, l4);
  if ((Tcp.flags(l4) & FLAG_SYN) !== 0) startOver(conn, l4, len);
  else pickUp(conn, l4, len);
}

/**
 * Judges a segment of a published conn and, if it passes, commits it with the time `now`. Returns
 * 0 for pass, at least TCP_IGNORED_FIRST for ignore, another reason for invalid; it is counted
 * under the reason & REASON_MASK. `owner` is the worker's number as an owner of locks. What an
 * invalid one was judged by is noted for recordInvalid().
 */
export function tcpTrack(conn: usize, flow: u32, ip: usize, l4: usize, owner: u32, now: i64): u32 {
  const bad = malformed(ip, l4);
  if (bad !== 0) return bad;
  const len = Tcp.sequenceLength(ip, l4);
  connLock(conn, owner);
  const reason = trackSegment(conn, flow, l4, len);
  if (reason === 0) {
    store<i64>(conn, now, CONN_LAST_UPDATE);
    if (flow === FLOW_REV)
      store<u8>(conn, <u8>(load<u8>(conn, CONN_FLAGS) | CONN_F_REPLIED), CONN_FLAGS);
  } else if (isInvalid(reason)) {
    noteSides(owner - 1, conn, flow, l4, reason);
  }
  connUnlock(conn);
  return reason === 0 ? 0 : tolerate(reason);
}

/** In liberal mode, marks what a known connection would have been refused as tolerated. */
function tolerate(reason: u32): u32 {
  if (reason < <u32>TCP_RST_IN_HANDSHAKE || reason >= <u32>TCP_INVALID_END) return reason;
  const isLiberal = atomic.load<u32>(CTL_TCP_WINDOW) === TCP_WINDOW_LIBERAL;
  return isLiberal ? reason | TCP_TOLERATED : reason;
}

function malformed(ip: usize, l4: usize): u32 {
  const core = Tcp.flags(l4) & ~FREE_FLAGS;
  if (((LEGAL_FLAGS >> core) & 1) === 0) return TCP_BAD_FLAGS;
  return Tcp.isLengthOk(ip, l4) ? 0 : TCP_BAD_LENGTH;
}

function trackSegment(conn: usize, flow: u32, l4: usize, len: u32): u32 {
  const flags = Tcp.flags(l4);
  if ((flags & FLAG_RST) !== 0) return trackReset(conn, flow, l4);
  if ((flags & FLAG_SYN) === 0) return trackAck(conn, flow, l4, len);
  return (flags & FLAG_ACK) !== 0
    ? trackSynAck(conn, flow, l4, len)
    : trackSyn(conn, flow, l4, len);
}

/** Takes an ACK or FIN+ACK of `len` sequence numbers: 0, or a reason. */
function trackAck(conn: usize, flow: u32, l4: usize, len: u32): u32 {
  const state: i32 = load<u8>(conn, CONN_STATE);
  if (state === STATE_CLOSED) return TCP_IGNORED_AFTER_CLOSE;
  if (state === STATE_NEW) {
    if (flow === FLOW_FWD || (Tcp.flags(l4) & FLAG_FIN) !== 0) return TCP_ACK_IN_HANDSHAKE;
    noteChallenge(conn, flow, Tcp.ack(l4));
    return TCP_IGNORED_CHALLENGE_ACK;
  }
  const isLoose = (load<u8>(conn, CONN_FLAGS) & CONN_F_LOOSE) !== 0;
  const isHeard = (TcpSide.flags(conn, flow) & TCP_F_HEARD) !== 0;
  if (isLoose && !isHeard) {
    const reason = joinPickedUp(conn, flow, l4, len);
    if (reason !== 0) return reason;
  } else {
    // Without a SYN from both ends there is no window yet to judge by.
    const isPeerHeard = (TcpSide.flags(conn, flow ^ 1) & TCP_F_HEARD) !== 0;
    if (!isLoose && !(isHeard && isPeerHeard)) return TCP_ACK_IN_HANDSHAKE;
    const reason = judgeWindow(conn, flow, l4, len);
    if (reason !== 0 && atomic.load<u32>(CTL_TCP_WINDOW) !== TCP_WINDOW_OFF) return reason;
    commitWindow(conn, flow, l4, len);
  }
  advance(conn, flow, l4, len);
  return 0;
}

/** Moves the state on by an ACK or FIN+ACK that was committed. */
function advance(conn: usize, flow: u32, l4: usize, len: u32): void {
  const peer = flow ^ 1;
  const hasFin = (TcpSide.flags(conn, flow) & TCP_F_FIN) !== 0;
  if (!hasFin && (Tcp.flags(l4) & FLAG_FIN) !== 0) {
    TcpSide.setIsnOrFin(conn, flow, Tcp.seq(l4) + len);
    TcpSide.addFlags(conn, flow, TCP_F_FIN);
  }
  const hasPeerFin = (TcpSide.flags(conn, peer) & TCP_F_FIN) !== 0;
  if (hasPeerFin && !isAfter(TcpSide.isnOrFin(conn, peer), Tcp.ack(l4)))
    TcpSide.addFlags(conn, peer, TCP_F_FIN_ACKED);

  const fwd = TcpSide.flags(conn, FLOW_FWD);
  const rev = TcpSide.flags(conn, FLOW_REV);
  if (((fwd | rev) & TCP_F_FIN) !== 0) {
    store<u8>(conn, <u8>finState(fwd, rev), CONN_STATE);
  } else if (load<u8>(conn, CONN_STATE) === STATE_SYN_RECV) {
    const isSimultaneous = (load<u8>(conn, CONN_FLAGS) & CONN_F_SIMOPEN) !== 0;
    if (flow === FLOW_FWD || isSimultaneous) store<u8>(conn, STATE_ESTABLISHED, CONN_STATE);
  }
}

/** Derives the state of a conn in which a FIN was seen from the flags of its sides. */
function finState(fwd: u32, rev: u32): u32 {
  const isFwdAcked = (fwd & TCP_F_FIN_ACKED) !== 0;
  const isRevAcked = (rev & TCP_F_FIN_ACKED) !== 0;
  if ((rev & TCP_F_FIN) === 0) return isFwdAcked ? STATE_FIN_WAIT : STATE_FIN_SENT;
  if ((fwd & TCP_F_FIN) === 0) return isRevAcked ? STATE_CLOSE_WAIT : STATE_FIN_RECV;
  if (isFwdAcked && isRevAcked) return STATE_TIME_WAIT;
  return isFwdAcked || isRevAcked ? STATE_LAST_ACK : STATE_CLOSING;
}
