// Everything the host may call. Called by a worker: burst, run. By the control plane: the rest.
import { LAYOUT_VERSION } from './layout';

export { exportConns } from './conn-export';
export { ageConns, reclaimConns, removeConns } from './conn-removal';
export { copyIndex } from './index-copy';
export { recoverWorker } from './worker-recovery';

// For tests and micro-benchmarks: single steps of the structures.

export { connLock, connUnlock } from './conn';
export { indexInsert, indexLookup, indexRemove, readIndex } from './conn-index';
export { hashKey } from './conn-key';
export { poolAlloc, poolFree } from './conn-pool';
export { qsbrCheckpoint, qsbrOffline, qsbrOnline } from './qsbr';
export { tcpAdmits, tcpOpen, tcpTrack } from './tcp-track';
export { tranRelease, tranTake } from './tran-pool';

/** Returns the layout that this module was built from. */
export function layoutVersion(): u32 {
  return LAYOUT_VERSION;
}
