// How a conn comes to be: a slot, a tran id, both keys, the state of its first packet, and then both
// keys into the index. Whatever is refused is undone, and another worker that was faster wins.
//
// Until the insert the conn is this worker's alone, and its slot notes so. The tran pool is noted
// only once the id stands in the rev key, and forgotten before the id is given back, so that whoever
// cleans up after a dead worker finds an id to give back where there is one.
import { connAddr, connKey, connTranId, connTranPool } from './conn';
import { INDEX_NO_ROOM, indexInsert } from './conn-index';
import { poolAlloc, poolFree } from './conn-pool';
import { dropEarly } from './early-drop';
import {
  CONN_LAST_UPDATE,
  CONN_POLICY,
  CONN_STATE,
  CONN_TRAN_POOL,
  DROP_INDEX_FULL,
  DROP_NO_CONN,
  DROP_TABLE_FULL,
  DROP_TRAN_IDS_EXHAUSTED,
  FLOW_FWD,
  FLOW_REV,
  KEY_DST,
  KEY_DST_ID,
  KEY_SIZE,
  KEY_SRC,
  KEY_SRC_ID,
  PKT_ENTRY,
  PKT_KEY,
  PKT_L4,
  PKT_POLICY,
  PKT_PROTO,
  POLICY_ID,
  POLICY_REPLACE_BE,
  PROTO_ICMP,
  PROTO_TCP,
  REASON_NONE,
  STATE_NEW,
  TRAN_POOL_NONE,
} from './layout';
import { policyPool } from './snat-policy';
import { tcpOpen } from './tcp-track';
import { tranRelease, tranTake } from './tran-pool';

/** Returned, above all reasons, when another worker was faster: its conn has yet to be tracked. */
export const CONN_EXISTS: u32 = 256;

/**
 * Makes the conn that the fwd packet at `ip` begins, and stores its entry in the descriptor. Without
 * a policy there it is tracked as it is, and nothing of it translated.
 *
 * Returns why there is none, REASON_NONE when the conn has taken the packet in, or CONN_EXISTS.
 */
export function createConn(pkt: usize, ip: usize, owner: u32, now: i64): u32 {
  let slot = poolAlloc(owner);
  if (slot === 0) slot = dropEarly(owner);
  if (slot === 0) return DROP_TABLE_FULL;
  const conn = connAddr(slot);
  const key = pkt + PKT_KEY;
  const policy: usize = load<u32>(pkt, PKT_POLICY);
  const proto: u32 = load<u8>(pkt, PKT_PROTO);
  if (policy === 0) {
    writeKeys(conn, key, proto, load<u32>(key, KEY_SRC), load<u16>(key, KEY_SRC_ID));
  } else if (!writeTranslated(conn, key, proto, policy)) {
    poolFree(slot);
    return DROP_TRAN_IDS_EXHAUSTED;
  }
  store<i64>(conn, now, CONN_LAST_UPDATE);
  if (proto === PROTO_TCP) tcpOpen(conn, ip, ip + load<u16>(pkt, PKT_L4));
  else store<u8>(conn, STATE_NEW, CONN_STATE);

  const holder = indexInsert(slot, owner);
  if (holder === 0) {
    store<u32>(pkt, (slot << 1) | FLOW_FWD, PKT_ENTRY);
    return REASON_NONE;
  }
  giveBackTranId(conn);
  poolFree(slot);
  if (holder === INDEX_NO_ROOM) return DROP_INDEX_FULL;
  store<u32>(pkt, holder, PKT_ENTRY);
  // Or the key is that of a reply to what was an outside address until just now: its conn goes.
  return (holder & 1) === FLOW_FWD ? CONN_EXISTS : DROP_NO_CONN;
}

/** Writes the keys of a conn that `policy` translates, and notes both; false without a tran id. */
function writeTranslated(conn: usize, key: usize, proto: u32, policy: usize): bool {
  const pool = policyPool(policy, proto);
  const tranId = tranTake(pool, bswap<u16>(load<u16>(key, KEY_SRC_ID)));
  if (tranId === 0) return false;
  writeKeys(conn, key, proto, load<u32>(policy, POLICY_REPLACE_BE), bswap<u16>(<u16>tranId));
  store<u16>(conn, <u16>pool, CONN_TRAN_POOL);
  store<u32>(conn, load<u32>(policy, POLICY_ID), CONN_POLICY);
  return true;
}

function giveBackTranId(conn: usize): void {
  const pool = connTranPool(conn);
  if (pool === TRAN_POOL_NONE) return;
  const tranId = connTranId(conn);
  store<u16>(conn, TRAN_POOL_NONE, CONN_TRAN_POOL);
  tranRelease(pool, tranId);
}

function writeKeys(conn: usize, key: usize, proto: u32, outsideBe: u32, tranIdBe: u32): void {
  const fwdKey = connKey(conn, FLOW_FWD);
  const revKey = connKey(conn, FLOW_REV);
  memory.copy(fwdKey, key, KEY_SIZE);
  // Interface, address family and protocol are the same.
  store<u32>(revKey, load<u32>(key));
  store<u32>(revKey, load<u32>(key, KEY_DST), KEY_SRC);
  store<u32>(revKey, outsideBe, KEY_DST);
  const remoteIdBe: u32 = proto === PROTO_ICMP ? tranIdBe : load<u16>(key, KEY_DST_ID);
  store<u16>(revKey, <u16>remoteIdBe, KEY_SRC_ID);
  store<u16>(revKey, <u16>tranIdBe, KEY_DST_ID);
}
