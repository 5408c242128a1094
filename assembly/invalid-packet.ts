// The record of invalid packets: what the TCP tracker refused lately, and what it judged by.
//
// Overview. Each worker has a ring of INVALID_KEPT records, the next one overwriting the oldest. It
// is written where a verdict is invalid and nowhere else, so that a valid packet costs nothing. What
// liberal mode forwards all the same is recorded too, with TCP_TOLERATED in its reason.
//
// Life of a record. A rule that asks the conn is judged under the conn's lock: there noteSides()
// copies both sides, as the next segment of the other flow may change them. Outside the lock
// recordInvalid() adds the packet's header and publishes the record.
//
// Synchronisation. A ring has one writer. A record's number is 0 while it is being written, and its
// own number, one more than the last, is stored when all else stands; both stores are seq-cst, all
// others plain. A reader takes a record whose number was the same before and after it was copied. A
// worker that died in between leaves a record without a number, which nobody takes; its replacement
// writes the same one again.
import { connAddr, connId, connState } from './conn';
import {
  CONN_STATE,
  FLOW_FWD,
  FLOW_REV,
  INVALID_ACK,
  INVALID_ACK_SLACK,
  INVALID_BASE,
  INVALID_CONN_ID,
  INVALID_DST_BE,
  INVALID_FLAGS,
  INVALID_FLOW,
  INVALID_HEADER_BYTES,
  INVALID_IFACE,
  INVALID_KEPT,
  INVALID_NUMBER,
  INVALID_OWN,
  INVALID_PEER,
  INVALID_PORTS_BE,
  INVALID_PUBLISHED,
  INVALID_REASON,
  INVALID_RECORDS,
  INVALID_RING_SIZE,
  INVALID_SACK,
  INVALID_SEGMENT_BYTES,
  INVALID_SEQ,
  INVALID_SIDE_END,
  INVALID_SIDE_FLAGS,
  INVALID_SIDE_ISN_FIN,
  INVALID_SIDE_MAXACK,
  INVALID_SIDE_MAXEND,
  INVALID_SIDE_MAXWIN,
  INVALID_SIZE,
  INVALID_SRC_BE,
  INVALID_STATE,
  INVALID_TIME,
  INVALID_WINDOW,
  MAX_WORKERS,
  PATH_REV,
  PKT_ENTRY,
  PKT_IN_IFACE,
  PKT_L4,
  PKT_PATH,
  REASON_MASK,
  TCP_INVALID_END,
  TCP_LOOSE_ACK,
  TCP_REASON_FIRST,
} from './layout';
import { JOIN_SLACK } from './tcp-pickup';
import { TcpSide } from './tcp-side';
import { ackSlack, rightmostAck } from './tcp-window';
import { ipv4DstBe, ipv4SrcBe } from './wire/ipv4';
import { portsBe } from './wire/ports';
import { Tcp } from './wire/tcp';

/** Returns true when the tracker refuses for this reason, be it tolerated or not. */
export function isInvalid(reason: u32): bool {
  const bare = reason & REASON_MASK;
  return bare >= <u32>TCP_REASON_FIRST && bare < <u32>TCP_INVALID_END;
}

/**
 * Notes in the worker's next record what a segment was judged by. Called under the conn's lock, for
 * a reason from TCP_LOOSE_ACK on; the segment's lengths are right.
 */
export function noteSides(worker: u32, conn: usize, flow: u32, l4: usize, reason: u32): void {
  const record = nextRecord(worker);
  atomic.store<u64>(record, 0, INVALID_NUMBER);
  const isJoin = (reason & REASON_MASK) === TCP_LOOSE_ACK;
  store<u8>(record, load<u8>(conn, CONN_STATE), INVALID_STATE);
  store<u32>(record, rightmostAck(conn, flow, l4), INVALID_SACK);
  store<u32>(record, isJoin ? JOIN_SLACK : ackSlack(conn, flow), INVALID_ACK_SLACK);
  noteSide(record + INVALID_OWN, conn, flow);
  noteSide(record + INVALID_PEER, conn, flow ^ 1);
}

/**
 * Records the invalid packet of a descriptor: `reason` is what tcpTrack() or tcpAdmits() has just
 * returned for it to this worker, and the packet at `ip` is as it came.
 */
export function recordInvalid(pkt: usize, ip: usize, worker: u32, reason: u32, now: i64): void {
  const record = nextRecord(worker);
  const entry = load<u32>(pkt, PKT_ENTRY);
  if ((reason & REASON_MASK) < <u32>TCP_LOOSE_ACK) noteNoSides(record, entry);
  store<i64>(record, now, INVALID_TIME);
  store<u32>(record, entry === 0 ? 0 : connId(connAddr(entry >> 1), entry >> 1), INVALID_CONN_ID);
  store<u16>(record, load<u16>(pkt, PKT_IN_IFACE), INVALID_IFACE);
  store<u8>(record, <u8>reason, INVALID_REASON);
  const isRev = load<u8>(pkt, PKT_PATH) === PATH_REV;
  store<u8>(record, isRev ? FLOW_REV : FLOW_FWD, INVALID_FLOW);
  writeHeader(record, ip, ip + load<u16>(pkt, PKT_L4));
  publish(worker, record);
}

/** The packet was refused for what it is, before any conn was asked. */
function noteNoSides(record: usize, entry: u32): void {
  atomic.store<u64>(record, 0, INVALID_NUMBER);
  memory.fill(record + INVALID_SACK, 0, INVALID_SIZE - INVALID_SACK);
  store<u8>(record, <u8>(entry === 0 ? 0 : connState(connAddr(entry >> 1))), INVALID_STATE);
}

function writeHeader(record: usize, ip: usize, l4: usize): void {
  store<u8>(record, <u8>Tcp.flags(l4), INVALID_FLAGS);
  store<u16>(record, <u16>Tcp.window(l4), INVALID_WINDOW);
  store<u32>(record, ipv4SrcBe(ip), INVALID_SRC_BE);
  store<u32>(record, ipv4DstBe(ip), INVALID_DST_BE);
  store<u32>(record, portsBe(l4), INVALID_PORTS_BE);
  store<u32>(record, Tcp.seq(l4), INVALID_SEQ);
  store<u32>(record, Tcp.ack(l4), INVALID_ACK);
  store<u16>(record, <u16>Tcp.dataOffset(l4), INVALID_HEADER_BYTES);
  store<u16>(record, <u16>Tcp.segmentBytes(ip, l4), INVALID_SEGMENT_BYTES);
}

function noteSide(to: usize, conn: usize, flow: u32): void {
  store<u32>(to, TcpSide.end(conn, flow), INVALID_SIDE_END);
  store<u32>(to, TcpSide.maxEnd(conn, flow), INVALID_SIDE_MAXEND);
  store<u32>(to, TcpSide.maxAck(conn, flow), INVALID_SIDE_MAXACK);
  store<u32>(to, TcpSide.isnOrFin(conn, flow), INVALID_SIDE_ISN_FIN);
  store<u32>(to, TcpSide.maxWin(conn, flow), INVALID_SIDE_MAXWIN);
  store<u16>(to, <u16>TcpSide.flags(conn, flow), INVALID_SIDE_FLAGS);
}

function publish(worker: u32, record: usize): void {
  const ring = ringOf(worker);
  const number = load<u64>(ring, INVALID_PUBLISHED) + 1;
  store<u64>(ring, number, INVALID_PUBLISHED);
  atomic.store<u64>(record, number, INVALID_NUMBER);
}

function nextRecord(worker: u32): usize {
  const ring = ringOf(worker);
  const at = <usize>(load<u64>(ring, INVALID_PUBLISHED) % INVALID_KEPT);
  return ring + INVALID_RECORDS + at * INVALID_SIZE;
}

function ringOf(worker: u32): usize {
  assert(worker < <u32>MAX_WORKERS);
  return <usize>INVALID_BASE + <usize>worker * <usize>INVALID_RING_SIZE;
}
