// Everything the host may call. Called by a worker: burst, runPoll, runUring. By the control plane: the rest.
import { LAYOUT_VERSION } from './layout';

export { burst } from './burst';
export { exportConns } from './conn-export';
export {
  ageConns,
  reclaimConns,
  reclaimRetiredConns,
  removeConns,
  takeRetiredConns,
} from './conn-removal';
export { copyIndex } from './index-copy';
export { runPoll } from './io/poll';
export { runUring } from './io/uring';
export { probeUring } from './io/uring-probe';
export { track } from './replay';
export { recoverWorker } from './worker-recovery';

// For tests and micro-benchmarks: single steps of the structures.

export { checksum, delta16, delta32, fixChecksum, fixPartial, sumBytes } from './checksum';
export { connLock, connUnlock } from './conn';
export { indexInsert, indexLookup, indexRemove, readIndex } from './conn-index';
export { hashKey } from './conn-key';
export { poolAlloc, poolFree } from './conn-pool';
export { dropEarly } from './early-drop';
export { qsbrCheckpoint, qsbrOffline, qsbrOnline } from './qsbr';
export { takeIcmpToken } from './rate-limit';
export { routeLookup } from './route';
export { tcpAdmits, tcpOpen, tcpTrack } from './tcp-track';
export { tranRelease, tranTake } from './tran-pool';
export {
  icmpAnswerEcho,
  icmpCheck,
  icmpIdBe,
  icmpIsQuery,
  icmpSetIdBe,
  icmpType,
  icmpWriteError,
} from './wire/icmp';
export {
  ipv4Check,
  ipv4DstBe,
  ipv4HeaderLength,
  ipv4IsDf,
  ipv4IsFragment,
  ipv4IsLaterFragment,
  ipv4Proto,
  ipv4SetDstBe,
  ipv4SetSrcBe,
  ipv4SetTtl,
  ipv4SrcBe,
  ipv4SwapAddresses,
  ipv4TotalLength,
  ipv4Ttl,
  ipv4Write,
} from './wire/ipv4';
export {
  udpCheck,
  udpCompleteChecksum,
  udpFixChecksum,
  udpFixPartial,
  udpLength,
} from './wire/udp';

/** Returns the layout that this module was built from. */
export function layoutVersion(): u32 {
  return LAYOUT_VERSION;
}
