// The two sides of a tracked TCP connection. Side FLOW_FWD is that of the packet that created the
// conn. Each field lies in the conn's slot as {fwd, rev}, so that one flow is one constant away.
//
//   END     highest sequence number + length that the side sent
//   MAXEND  highest right edge that its peer allowed it
//   MAXWIN  largest window that it advertised, scaled; at least 1 once heard
//   MAXACK  highest ack that it sent, if TCP_F_ACKED; the ack of a challenge, if TCP_F_CHALLENGE
//   ISN_FIN its initial sequence number; from its first FIN on the end of that FIN
//
// A side that was never heard is all zero. Written only under the conn's lock, or before the conn
// is published. Sequence numbers wrap: they are compared by signed difference, RFC 9293 section 3.4.
import {
  CONN_FLAGS,
  CONN_NOTE_OPTS,
  FLOW_FWD,
  FLOW_REV,
  TCP_END,
  TCP_F_ACKED,
  TCP_F_HEARD,
  TCP_FLAGS,
  TCP_ISN_FIN,
  TCP_MAXACK,
  TCP_MAXEND,
  TCP_MAXWIN,
} from './layout';

/** No window is larger (RFC 7323 section 2.3), and a larger one would blind the comparisons. */
const MAX_WINDOW: u32 = 1 << 30;

/** Returns true when sequence number `a` is behind `b` on the wire, that is, later. */
export function isAfter(a: u32, b: u32): bool {
  return <i32>(a - b) > 0;
}

/** Returns the later of two sequence numbers. */
export function laterOf(a: u32, b: u32): u32 {
  return isAfter(a, b) ? a : b;
}

/** Fields of one side; `conn` is the address of the slot. */
export class TcpSide {
  @inline static end(conn: usize, flow: u32): u32 {
    return load<u32>(conn + ((<usize>flow) << 2), TCP_END);
  }

  @inline static maxEnd(conn: usize, flow: u32): u32 {
    return load<u32>(conn + ((<usize>flow) << 2), TCP_MAXEND);
  }

  @inline static maxAck(conn: usize, flow: u32): u32 {
    return load<u32>(conn + ((<usize>flow) << 2), TCP_MAXACK);
  }

  @inline static maxWin(conn: usize, flow: u32): u32 {
    return load<u32>(conn + ((<usize>flow) << 2), TCP_MAXWIN);
  }

  @inline static isnOrFin(conn: usize, flow: u32): u32 {
    return load<u32>(conn + ((<usize>flow) << 2), TCP_ISN_FIN);
  }

  @inline static flags(conn: usize, flow: u32): u32 {
    return load<u16>(conn + ((<usize>flow) << 1), TCP_FLAGS);
  }

  @inline static setEnd(conn: usize, flow: u32, end: u32): void {
    store<u32>(conn + ((<usize>flow) << 2), end, TCP_END);
  }

  @inline static setMaxEnd(conn: usize, flow: u32, maxEnd: u32): void {
    store<u32>(conn + ((<usize>flow) << 2), maxEnd, TCP_MAXEND);
  }

  @inline static setMaxAck(conn: usize, flow: u32, maxAck: u32): void {
    store<u32>(conn + ((<usize>flow) << 2), maxAck, TCP_MAXACK);
  }

  @inline static setIsnOrFin(conn: usize, flow: u32, value: u32): void {
    store<u32>(conn + ((<usize>flow) << 2), value, TCP_ISN_FIN);
  }

  @inline static addFlags(conn: usize, flow: u32, flags: u32): void {
    store<u16>(conn + ((<usize>flow) << 1), <u16>(TcpSide.flags(conn, flow) | flags), TCP_FLAGS);
  }

  /** Sets the largest window, never above 2^30. */
  @inline static setMaxWin(conn: usize, flow: u32, maxWin: u32): void {
    store<u32>(conn + ((<usize>flow) << 2), min<u32>(maxWin, MAX_WINDOW), TCP_MAXWIN);
  }
}

/** Opens a side by its SYN or SYN+ACK: what it held is forgotten. `flags` are its options. */
export function openSide(
  conn: usize,
  flow: u32,
  seq: u32,
  len: u32,
  window: u32,
  flags: u32,
): void {
  TcpSide.setIsnOrFin(conn, flow, seq);
  TcpSide.setEnd(conn, flow, seq + len);
  TcpSide.setMaxEnd(conn, flow, seq + len);
  TcpSide.setMaxWin(conn, flow, max<u32>(window, 1));
  TcpSide.setMaxAck(conn, flow, 0);
  store<u16>(conn + ((<usize>flow) << 1), <u16>(flags | TCP_F_HEARD), TCP_FLAGS);
}

/** Raises the ends of a side that repeats its SYN or SYN+ACK, perhaps with more data. */
export function extendSide(conn: usize, flow: u32, end: u32): void {
  TcpSide.setEnd(conn, flow, laterOf(end, TcpSide.end(conn, flow)));
  TcpSide.setMaxEnd(conn, flow, laterOf(end, TcpSide.maxEnd(conn, flow)));
}

/** Notes an ack that the side sent: the highest is kept. */
export function noteAck(conn: usize, flow: u32, ack: u32): void {
  const hasAcked = (TcpSide.flags(conn, flow) & TCP_F_ACKED) !== 0;
  if (hasAcked && !isAfter(ack, TcpSide.maxAck(conn, flow))) return;
  TcpSide.setMaxAck(conn, flow, ack);
  TcpSide.addFlags(conn, flow, TCP_F_ACKED);
}

/** Raises the right edge that the side's peer allows it. */
export function allowUpTo(conn: usize, flow: u32, edge: u32): void {
  TcpSide.setMaxEnd(conn, flow, laterOf(edge, TcpSide.maxEnd(conn, flow)));
}

/** Forgets both sides, the annotated SYN and all flags of the conn. */
export function forgetSides(conn: usize): void {
  store<u8>(conn, 0, CONN_FLAGS);
  store<u8>(conn, 0, CONN_NOTE_OPTS);
  forgetSide(conn, FLOW_FWD);
  forgetSide(conn, FLOW_REV);
}

function forgetSide(conn: usize, flow: u32): void {
  TcpSide.setIsnOrFin(conn, flow, 0);
  TcpSide.setEnd(conn, flow, 0);
  TcpSide.setMaxEnd(conn, flow, 0);
  TcpSide.setMaxWin(conn, flow, 0);
  TcpSide.setMaxAck(conn, flow, 0);
  store<u16>(conn + ((<usize>flow) << 1), 0, TCP_FLAGS);
}
