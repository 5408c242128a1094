/** Linux errno numbers that cross the API as a response's status. */
const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ENAMETOOLONG: 36,
  EBADMSG: 74,
  EMSGSIZE: 90,
  ENOTSUP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  EHOSTUNREACH: 113,
} as const;

/** Name of an expected failure: what callers branch on. */
export type ErrnoName = keyof typeof ERRNO;

/** Returns the errno number of `name`, a response's status. */
export function errnoNumber(name: ErrnoName): number {
  return ERRNO[name];
}

/** Returns the name of a response's status, or undefined for a number this project never sends. */
export function errnoName(status: number): ErrnoName | undefined {
  for (const [name, value] of Object.entries(ERRNO)) {
    // Object.entries widens its keys to string; they are ERRNO's own.
    if (value === status) return name as ErrnoName;
  }
  return undefined;
}

/** An expected failure of the control plane: refused with a reason, and nothing was changed. */
export class ControlError extends Error {
  readonly code: ErrnoName;

  constructor(code: ErrnoName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ControlError';
    this.code = code;
  }
}
