// Conns as the API lists them: the conntrack entry of 48 bytes, little-endian but for addresses and
// ids, which stay in network order.
//
//   0 u16 iface, u8 af, u8 proto        16 rev source, destination, source id, destination id
//   4 fwd source, destination,          28 u32 zero
//     source id, destination id         32 i64 last update in ns
//                                       40 u32 id: generation << 24 | slot
//                                       44 u32 state
//
// The workers go on meanwhile, so the list is no snapshot: a conn that begins or ends during the
// listing may be in it or not. Only the control plane reclaims, therefore an entry is never a
// mixture of two conns; one that died while it was copied is left out.
import { connAddr, connId, connKey, connLastUpdate, connLife, connState } from './conn';
import {
  CTL_POOL_NEXT,
  EXPORT_SIZE,
  FLOW_FWD,
  FLOW_REV,
  KEY_SRC,
  KEY_SRC_ID,
  LIFE_LIVE,
  SCRATCH_CURSOR,
  SCRATCH_LIST,
  SCRATCH_LIST_SIZE,
} from './layout';

const ENTRY_REV = 16;
const ENTRY_REV_IDS = 24;
const ENTRY_PADDING = 28;
const ENTRY_LAST_UPDATE = 32;
const ENTRY_ID = 40;
const ENTRY_STATE = 44;
/** Slots looked at in one call, so that an almost empty pool does not hold up the control plane. */
const MAX_SCAN: u32 = 262144;

/**
 * Writes the live conns from slot `from` on to SCRATCH_LIST, at most `limit`. Returns how many, and
 * in SCRATCH_CURSOR the slot to go on from, 0 at the end; it may be none without being the end.
 */
export function exportConns(from: u32, limit: u32): u32 {
  const room = min(limit, <u32>(SCRATCH_LIST_SIZE / EXPORT_SIZE));
  const end = atomic.load<u32>(CTL_POOL_NEXT);
  const pause = min(end, max<u32>(from, 1) + MAX_SCAN);
  let entry: usize = SCRATCH_LIST;
  let count: u32 = 0;
  let slot = max<u32>(from, 1);
  for (; slot < pause && count < room; slot++) {
    const conn = connAddr(slot);
    if (connLife(conn) !== LIFE_LIVE) continue;
    writeEntry(entry, conn, slot);
    if (connLife(conn) !== LIFE_LIVE) continue;
    entry += <usize>EXPORT_SIZE;
    count++;
  }
  store<u32>(SCRATCH_CURSOR, slot < end ? slot : 0);
  return count;
}

function writeEntry(entry: usize, conn: usize, slot: u32): void {
  const rev = connKey(conn, FLOW_REV);
  v128.store(entry, v128.load(connKey(conn, FLOW_FWD)));
  store<u64>(entry, load<u64>(rev, KEY_SRC), ENTRY_REV);
  store<u32>(entry, load<u32>(rev, KEY_SRC_ID), ENTRY_REV_IDS);
  store<u32>(entry, 0, ENTRY_PADDING);
  store<i64>(entry, connLastUpdate(conn), ENTRY_LAST_UPDATE);
  store<u32>(entry, connId(conn, slot), ENTRY_ID);
  store<u32>(entry, connState(conn), ENTRY_STATE);
}
