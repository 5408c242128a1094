// Early drop: a worker that finds the table full drops a conn that nobody has answered yet, so that
// a flood of first packets - a scan, SYNs from forged sources - cannot keep new conns out. A conn
// that was answered is never dropped: whoever has one keeps it, full table or not.
//
// A search looks at PROBES slots from where the one before ended, and takes the one that was idle for
// longest; its cost is bounded, and in turn it looks at every slot. The conn dies under its lock, as
// in the control plane: a transaction that runs is finished first, and one that begins later finds
// itself in a dead conn, which goes on to translate until the burst ends. A lock that is taken means
// a packet that is being tracked: that conn is left alone.
//
// The dead conn is unlinked at once, but its slot and its tran id may be in other workers' bursts and
// in this one. So it is retired: the control plane is woken, waits for a grace period and reclaims,
// which takes about a millisecond. The packet does not wait for that. It gets a spare slot, of which
// there are SPARE_SLOTS; when a flood uses them up faster than grace periods pass, conns are refused.
import {
  connAddr,
  connFlags,
  connLastUpdate,
  connLife,
  connTryLock,
  connUnlock,
  moveConnLife,
} from './conn';
import { indexRemove } from './conn-index';
import { poolReserve, poolRetire, poolUnreserve } from './conn-pool';
import {
  CONN_F_REPLIED,
  COUNT_CONNS_DROPPED_EARLY,
  CTL_DROP_HAND,
  CTL_EARLY_DROP,
  CTL_POOL_NEXT,
  LIFE_DEAD,
  LIFE_LIVE,
} from './layout';
import { count, countersOf } from './stats';

/** Slots looked at for one to drop. */
const PROBES: u32 = 32;

/**
 * Worker: drops an unreplied conn and returns a slot as poolAlloc() does; 0 when there is none to
 * drop, or when that is switched off. The caller holds no lock.
 */
export function dropEarly(owner: u32): u32 {
  if (atomic.load<u32>(CTL_EARLY_DROP) === 0 || !poolReserve()) return 0;
  const slot = oldestUnreplied();
  if (slot === 0 || !kill(connAddr(slot), owner)) {
    poolUnreserve();
    return 0;
  }
  indexRemove(slot, owner);
  count(countersOf(owner - 1), COUNT_CONNS_DROPPED_EARLY, 1);
  return poolRetire(slot, owner);
}

function oldestUnreplied(): u32 {
  const total = atomic.load<u32>(CTL_POOL_NEXT) - 1;
  const probes = min(total, PROBES);
  let slot = total === 0 ? 0 : atomic.add<u32>(CTL_DROP_HAND, probes) % total;
  let oldest: u32 = 0;
  let oldestNs = i64.MAX_VALUE;
  for (let probe: u32 = 0; probe < probes; probe++) {
    slot = slot === total ? 1 : slot + 1;
    const conn = connAddr(slot);
    if (!isDroppable(conn) || connLastUpdate(conn) >= oldestNs) continue;
    oldest = slot;
    oldestNs = connLastUpdate(conn);
  }
  return oldest;
}

/** Moves the conn to LIFE_DEAD; false when it is in use, was answered meanwhile, or died already. */
function kill(conn: usize, owner: u32): bool {
  if (!connTryLock(conn, owner)) return false;
  const dies = isDroppable(conn) && moveConnLife(conn, LIFE_LIVE, LIFE_DEAD);
  connUnlock(conn);
  return dies;
}

function isDroppable(conn: usize): bool {
  return connLife(conn) === LIFE_LIVE && (connFlags(conn) & CONN_F_REPLIED) === 0;
}
