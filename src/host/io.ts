import { ControlError } from '../api/errors.js';
import { openTunProbe } from '../tun/probe.js';
import { errnoNameOf, SyscallError } from '../tun/sys.js';
import { openUring } from '../tun/uring.js';
import type { Datapath } from './datapath.js';
import type { Log } from './log.js';
import type { SharedMemory } from './memory.js';

/** How workers move packets: by read, write and poll, or through an io_uring. */
export type Io = 'poll' | 'uring';
/** What may be asked for; `auto` is uring where it works. */
export const IO_WISHES = ['auto', 'poll', 'uring'] as const;
export type IoWish = (typeof IO_WISHES)[number];

/**
 * Returns how packets are to be moved here. An io_uring counts only once a packet has gone through one,
 * as kernels, containers and limits forbid it in many ways. No worker may run yet.
 *
 * @throws {ControlError} ENOTSUP when uring is asked for by name and does not work.
 */
export function chooseIo(wish: IoWish, shared: SharedMemory, datapath: Datapath, log: Log): Io {
  if (wish === 'poll') return wish;
  const obstacle = findObstacle(shared, datapath);
  if (obstacle === undefined) return 'uring';
  if (wish === 'uring') throw new ControlError('ENOTSUP', `io_uring does not work: ${obstacle}`);
  log.info(`workers poll, as io_uring does not work: ${obstacle}`);
  return 'poll';
}

/** Returns why no packet goes through an io_uring here, or undefined when one does. */
function findObstacle({ memory }: SharedMemory, datapath: Datapath): string | undefined {
  const probe = openTunProbe();
  try {
    const ring = openUring(memory, 0);
    try {
      probe.provoke();
      const result = datapath.probeUring(0, probe.fd);
      return result < 0 ? `a packet is stuck: ${errnoNameOf(-result)}` : undefined;
    } finally {
      ring.close();
    }
  } catch (error) {
    if (error instanceof SyscallError) return error.message;
    throw error;
  } finally {
    probe.close();
  }
}
