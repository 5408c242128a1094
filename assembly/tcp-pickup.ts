// Picking a connection up in mid-stream (tcp-loose): its SYNs were never seen, perhaps because the
// gateway was restarted. Each side is initialised by its first segment. As the window scale was in
// the SYNs, such a conn is judged liberally for life; SACK is assumed to be permitted.
import {
  CONN_F_LOOSE,
  CONN_FLAGS,
  CONN_STATE,
  FLOW_FWD,
  FLOW_REV,
  STATE_ESTABLISHED,
  TCP_F_ACKED,
  TCP_F_HEARD,
  TCP_F_SACK,
  TCP_LOOSE_ACK,
} from './layout';
import { allowUpTo, forgetSides, TcpSide } from './tcp-side';
import { isAckNear } from './tcp-window';
import { Tcp } from './wire/tcp';

/** How far below the peer's end the first answer may ack: one unscaled window and headers. */
export const JOIN_SLACK: u32 = 66000;

/** Makes an unpublished conn `established` by an ACK of `len` sequence numbers. */
export function pickUp(conn: usize, l4: usize, len: u32): void {
  forgetSides(conn);
  initialise(conn, FLOW_FWD, l4, len);
  // All that is known of the peer is how far it was acked.
  TcpSide.setEnd(conn, FLOW_REV, Tcp.ack(l4));
  TcpSide.setMaxEnd(conn, FLOW_REV, Tcp.ack(l4));
  TcpSide.addFlags(conn, FLOW_REV, TCP_F_SACK);
  store<u8>(conn, CONN_F_LOOSE, CONN_FLAGS);
  store<u8>(conn, STATE_ESTABLISHED, CONN_STATE);
}

/** Initialises the side that was not heard yet, by its first ACK or FIN+ACK: 0, or a reason. */
export function joinPickedUp(conn: usize, flow: u32, l4: usize, len: u32): u32 {
  const ack = Tcp.ack(l4);
  if (!isAckNear(conn, flow, ack, JOIN_SLACK)) return TCP_LOOSE_ACK;
  initialise(conn, flow, l4, len);
  allowUpTo(conn, flow ^ 1, ack + max<u32>(Tcp.window(l4), 1));
  return 0;
}

function initialise(conn: usize, flow: u32, l4: usize, len: u32): void {
  const window = max<u32>(Tcp.window(l4), 1);
  const end = Tcp.seq(l4) + len;
  TcpSide.setEnd(conn, flow, end);
  TcpSide.setMaxEnd(conn, flow, end + window);
  TcpSide.setMaxWin(conn, flow, window);
  TcpSide.setMaxAck(conn, flow, Tcp.ack(l4));
  TcpSide.addFlags(conn, flow, TCP_F_HEARD | TCP_F_ACKED | TCP_F_SACK);
}
