// Reader side of quiescent-state-based reclamation; src/host/qsbr.ts is the writer. A worker shows
// in its line the epoch it saw last. Showing it says: all that I loaded from shared memory before,
// I have forgotten. What was unlinked before an epoch was opened is thus free to be reused once
// every line shows that epoch or a later one, or READER_OFFLINE.
//
// Going online: the store of the epoch is seq-cst and comes before the first load of the burst. A
// writer that still read "offline" did so before that store, and unlinked earlier still: the burst
// cannot find what it unlinked. A writer that read the epoch waits. That the epoch loaded may be
// out of date when it is stored only makes a writer wait once more.
import { CTL_EPOCH, READER_EPOCH, READER_OFFLINE, READER_SIZE, READERS_BASE } from './layout';

/** Worker: is a reader from here on. Called before anything is loaded from shared tables. */
export function qsbrOnline(worker: u32): void {
  atomic.store<u64>(reader(worker), atomic.load<u64>(CTL_EPOCH), READER_EPOCH);
}

/** Worker: holds nothing from here on, so that it may block. */
export function qsbrOffline(worker: u32): void {
  atomic.store<u64>(reader(worker), READER_OFFLINE, READER_EPOCH);
}

/** Worker, online: has forgotten what it loaded. Stores only a new epoch, as the store is dear. */
export function qsbrCheckpoint(worker: u32): void {
  const line = reader(worker);
  const epoch = atomic.load<u64>(CTL_EPOCH);
  if (load<u64>(line, READER_EPOCH) !== epoch) atomic.store<u64>(line, epoch, READER_EPOCH);
}

function reader(worker: u32): usize {
  return <usize>READERS_BASE + <usize>worker * <usize>READER_SIZE;
}
