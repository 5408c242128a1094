import { getSystemErrorMap } from 'node:util';

/** Linux errno numbers that cross the API as a response's status, and the words of strerror(3). */
const ERRNO = {
  EPERM: [1, 'Operation not permitted'],
  ENOENT: [2, 'No such file or directory'],
  EIO: [5, 'Input/output error'],
  ENXIO: [6, 'No such device or address'],
  EAGAIN: [11, 'Resource temporarily unavailable'],
  ENOMEM: [12, 'Cannot allocate memory'],
  EACCES: [13, 'Permission denied'],
  EBUSY: [16, 'Device or resource busy'],
  EEXIST: [17, 'File exists'],
  ENODEV: [19, 'No such device'],
  EINVAL: [22, 'Invalid argument'],
  ENOSPC: [28, 'No space left on device'],
  ENAMETOOLONG: [36, 'File name too long'],
  EBADMSG: [74, 'Bad message'],
  EMSGSIZE: [90, 'Message too long'],
  ENOTSUP: [95, 'Operation not supported'],
  EADDRINUSE: [98, 'Address already in use'],
  EADDRNOTAVAIL: [99, 'Cannot assign requested address'],
  EHOSTUNREACH: [113, 'No route to host'],
} as const;

/** Name of an expected failure: what callers branch on. */
export type ErrnoName = keyof typeof ERRNO;

/** Returns the errno number of `name`, a response's status. */
export function errnoNumber(name: ErrnoName): number {
  return ERRNO[name][0];
}

/** Returns whether `name` is the name of an errno that crosses the API. */
export function isErrnoName(name: unknown): name is ErrnoName {
  return typeof name === 'string' && Object.hasOwn(ERRNO, name);
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

/** A request that the daemon refused, or an answer of it that makes no sense. */
export class ApiError extends Error {
  /** The response's status, an errno number. */
  readonly status: number;
  /** The errno's name. */
  readonly code: string;
  /** Why, in the daemon's own words, or those of strerror(3) where it gave none. */
  readonly text: string;

  constructor(status: number, text: string) {
    const { name, words } = describeStatus(status);
    const reason = text === '' ? words : text;
    super(reason);
    this.name = 'ApiError';
    this.status = status;
    this.code = name;
    this.text = reason;
  }
}

/** There is no daemon to talk to, or no longer: not reached, gone, silent, or incomprehensible. */
export class ConnectionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConnectionError';
  }
}

/** Returns name and words of any status, those that only other daemons send too. */
function describeStatus(status: number): { name: string; words: string } {
  for (const [name, [value, words]] of Object.entries(ERRNO))
    if (value === status) return { name, words };
  const [name, words] = getSystemErrorMap().get(-status) ?? [
    `E${status}`,
    `unknown error ${status}`,
  ];
  return { name, words };
}
