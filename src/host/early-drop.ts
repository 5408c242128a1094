import { CTL_RETIRED } from '../../assembly/layout.js';
import type { ConnTable } from './conn-table.js';
import type { SharedMemory } from './memory.js';

/** Ends the reclaiming; resolves when what is under way has ended. */
export type StopReclaiming = () => Promise<void>;

/**
 * Reclaims the conns that workers drop early as soon as there are any: the first one wakes this
 * thread. All that come while a grace period passes are taken together afterwards. A failure is a
 * bug and goes to `onBug`.
 */
export function startReclaiming(
  shared: SharedMemory,
  table: ConnTable,
  onBug: (cause: unknown) => void,
): StopReclaiming {
  const word = CTL_RETIRED >>> 2;
  let isStopped = false;
  const run = async () => {
    while (!isStopped) {
      const wait = Atomics.waitAsync(shared.i32, word, 0);
      if (wait.async) await wait.value;
      else await table.reclaimRetired();
    }
  };
  const running = run().catch(onBug);
  return async () => {
    isStopped = true;
    Atomics.notify(shared.i32, word);
    await running;
  };
}
