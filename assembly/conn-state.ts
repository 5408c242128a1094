// The states of UDP and of ICMP echo: `new` until the first packet comes back, `established` from
// then on. Every packet of either flow refreshes the conn (RFC 4787 REQ-6).
//
// Two workers may see both flows of a conn at the same time. They store the same values and no
// state leads back, so that plain stores do.
import {
  CONN_F_REPLIED,
  CONN_FLAGS,
  CONN_LAST_UPDATE,
  CONN_STATE,
  FLOW_REV,
  STATE_ESTABLISHED,
} from './layout';

/** Tracks a packet of `flow` that belongs to the UDP or ICMP conn at `conn`. */
export function trackConn(conn: usize, flow: u32, now: i64): void {
  if (flow === FLOW_REV && load<u8>(conn, CONN_STATE) !== STATE_ESTABLISHED) {
    store<u8>(conn, load<u8>(conn, CONN_FLAGS) | CONN_F_REPLIED, CONN_FLAGS);
    store<u8>(conn, STATE_ESTABLISHED, CONN_STATE);
  }
  if (load<i64>(conn, CONN_LAST_UPDATE) !== now) store<i64>(conn, now, CONN_LAST_UPDATE);
}
