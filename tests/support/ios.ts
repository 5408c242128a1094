import type { Io } from '../../src/host/io.js';
import { createMemory } from '../../src/host/memory.js';
import { SyscallError } from '../../src/tun/sys.js';
import { openUring } from '../../src/tun/uring.js';

/** The ways of moving packets that this machine allows; says on the console what is left out. */
export function possibleIos(suite: string): readonly Io[] {
  try {
    openUring(createMemory(1).memory, 0).close();
    return ['poll', 'uring'];
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    process.stderr.write(`SKIPPED ${suite}: tests with io_uring cannot run: ${error.message}\n`);
    return ['poll'];
  }
}
