import type { ApiClient } from '../api/client.js';
import type { Output, Write } from './output.js';

/** What a command works with: its edges to the world, so that tests can be the world. */
export interface CliContext {
  readonly output: Output;
  /** Returns the conversation with the daemon; opened when first asked for. */
  connect(): Promise<ApiClient>;
  /** Opens one more conversation, which the caller closes. */
  connectAgain(): Promise<ApiClient>;
  /** Writes to the terminal behind the standard error; undefined when that is none. */
  readonly terminal: Write | undefined;
  /** Returns a monotonic clock's nanoseconds, for a daemon that does not tell its own. */
  monotonicNs(): bigint;
  /** Ends the script that the command stands in. */
  quit(): void;
}
