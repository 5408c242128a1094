import { ApiError, ConnectionError, ControlError } from '../api/errors.js';

/** Everything was done. */
export const EXIT_OK = 0;
/** The daemon said no. */
export const EXIT_REFUSED = 1;
/** The command is wrong; nothing was sent. */
export const EXIT_USAGE = 2;
/** There is no daemon to talk to, or no longer. */
const EXIT_UNREACHABLE = 3;

/** A command that cannot be meant: found before anything is sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** No conversation with a daemon could be opened. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** A failed command as it is told to the user. */
export interface Failure {
  readonly exitCode: number;
  readonly message: string;
  /** Name of the errno of a request that was refused. */
  readonly errno?: string;
}

/** Returns what to tell of `error`; what is no expected failure is a bug and is thrown again. */
export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError) return { exitCode: EXIT_USAGE, message: error.message };
  if (error instanceof UnreachableError || error instanceof ConnectionError)
    return { exitCode: EXIT_UNREACHABLE, message: error.message };
  // A ControlError is this side's own: the daemon's answer cannot be read.
  if (error instanceof ApiError || error instanceof ControlError)
    return { exitCode: EXIT_REFUSED, message: error.message, errno: error.code };
  throw error;
}
