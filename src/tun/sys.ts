// The system calls that Node does not offer, made through koffi. The only file that knows koffi.
//
// Two kinds of caller, two ways to fail. The datapath calls read, write, poll and enter millions of times
// a second: those return a negative errno, as the kernel itself does, and allocate nothing. All others
// are calls of set-up and tear-down: they throw a SyscallError.
//
// Addresses are passed as Numbers to `uintptr_t` parameters: user space ends at 2^47 (2^56 with
// five-level page tables only for those who ask), so a Number holds them exactly, and koffi neither
// allocates nor looks anything up. The address of a WebAssembly.Memory never changes, because V8
// reserves its maximum at once.
import { randomFillSync } from 'node:crypto';
import koffi from 'koffi';

/** The system calls that the datapath drives; offsets are bytes in shared memory. */
export interface DatapathSystem {
  /** Reads one packet of at most `length` bytes to `offset`: bytes read, or a negative errno. */
  read(fd: number, offset: number, length: number): number;
  /** Writes one packet of `length` bytes from `offset`: bytes written, or a negative errno. */
  write(fd: number, offset: number, length: number): number;
  /** Polls the `count` pollfds at `offset`: descriptors ready, 0 on time-out, or a negative errno. */
  poll(offset: number, count: number, timeoutMs: number): number;
  /** Says whether reads and writes of a descriptor wait: 0, or a negative errno. */
  setBlocking(fd: number, isBlocking: number): number;
  /**
   * Hands `count` submissions to an io_uring, runs what became ready, and waits for `wait`
   * completions: how many submissions were taken, or a negative errno.
   */
  enter(ring: number, count: number, wait: number): number;
  /** Calls io_uring_register(2) with `offset` as its argument: 0, or a negative errno. */
  register(ring: number, operation: number, offset: number, count: number): number;
  /** Writes a struct timespec of CLOCK_MONOTONIC_RAW to `offset`. */
  clock(offset: number): void;
  /** Returns 32 random bits of a cryptographically secure generator. */
  random(): number;
}

/** A failed system call. `code` is the errno's name, such as `EPERM`. */
export class SyscallError extends Error {
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoNameOf(errno);
    super(`${call}: ${code}`);
    this.name = 'SyscallError';
    this.code = code;
  }
}

export const O_RDWR = 2;
/** Also what socket(2) and eventfd(2) call SOCK_NONBLOCK, SOCK_CLOEXEC and so on. */
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
export const SO_SNDBUF = 7;
/** As SO_SNDBUF, over the host's limit: for CAP_NET_ADMIN only. */
export const SO_SNDBUFFORCE = 32;
export const EAGAIN = koffi.os.errno['EAGAIN'] ?? 11;

const CLOCK_MONOTONIC_RAW = 4;
const F_GETFL = 3;
const F_SETFL = 4;
/** Numbers of the system calls, the same on all of Linux's architectures. */
const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const SYS_IO_URING_REGISTER = 427;
const IORING_ENTER_GETEVENTS = 1;
const NS_PER_SEC = 1_000_000_000n;
const RANDOM_WORDS = 1024;

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  // Linux gives some numbers two names; the first one listed here is the one that strace prints.
  Object.entries(koffi.os.errno)
    .filter(([name]) => name !== 'EWOULDBLOCK' && name !== 'EDEADLOCK' && name !== 'EOPNOTSUPP')
    .map(([name, number]) => [number, name]),
);

const libc = koffi.load('libc.so.6');

type Call<T extends unknown[]> = (...args: T) => number;

const libcRead: Call<[fd: number, address: number, length: number]> = libc.func(
  'int read(int fd, uintptr_t address, size_t length)',
);
const libcWrite: Call<[fd: number, address: number, length: number]> = libc.func(
  'int write(int fd, uintptr_t address, size_t length)',
);
const libcPoll: Call<[address: number, count: number, timeoutMs: number]> = libc.func(
  'int poll(uintptr_t address, unsigned long count, int timeout)',
);
const libcClock: Call<[clock: number, address: number]> = libc.func(
  'int clock_gettime(int clock, uintptr_t address)',
);
const libcReadBytes: Call<[fd: number, bytes: Uint8Array, length: number]> = libc.func(
  'int read(int fd, void *bytes, size_t length)',
);
const libcWriteBytes: Call<[fd: number, bytes: Uint8Array, length: number]> = libc.func(
  'int write(int fd, const void *bytes, size_t length)',
);
const libcClockWords: Call<[clock: number, words: BigInt64Array]> = libc.func(
  'int clock_gettime(int clock, void *words)',
);
const libcOpen: Call<[path: string, flags: number]> = libc.func('int open(const char *, int, ...)');
const libcClose: Call<[fd: number]> = libc.func('int close(int fd)');
const libcIoctl: Call<[fd: number, request: number, type: string, argument: unknown]> = libc.func(
  'int ioctl(int fd, unsigned long request, ...)',
);
const libcSocket: Call<[family: number, type: number, protocol: number]> = libc.func(
  'int socket(int family, int type, int protocol)',
);
const libcSocketPair: Call<[family: number, type: number, protocol: number, pair: Int32Array]> =
  libc.func('int socketpair(int family, int type, int protocol, void *pair)');
const libcSetSocketOption: Call<
  [fd: number, level: number, option: number, value: Uint8Array, length: number]
> = libc.func('int setsockopt(int fd, int level, int option, const void *value, uint32_t length)');
const libcConnect: Call<[fd: number, address: Uint8Array, length: number]> = libc.func(
  'int connect(int fd, const void *address, uint32_t length)',
);
const libcEventFd: Call<[initial: number, flags: number]> = libc.func(
  'int eventfd(unsigned int initial, int flags)',
);

const libcFcntl: Call<[fd: number, command: number, type: string, argument: number]> = libc.func(
  'int fcntl(int fd, int command, ...)',
);
// glibc has no functions for these. Not declared as variadic: koffi takes a slower path for that, and
// numbers and addresses go the same way in either on Linux.
const libcUringSetup: Call<[call: number, entries: number, address: number]> = libc.func(
  'syscall',
  'int',
  ['long', 'uint32_t', 'uintptr_t'],
);
const libcUringEnter: Call<
  [
    call: number,
    ring: number,
    count: number,
    wait: number,
    flags: number,
    argument: number,
    size: number,
  ]
> = libc.func('syscall', 'int', [
  ...['long', 'int', 'uint32_t', 'uint32_t', 'uint32_t', 'uintptr_t', 'size_t'],
]);
const libcUringRegister: Call<
  [call: number, ring: number, operation: number, address: number, count: number]
> = libc.func('syscall', 'int', ['long', 'int', 'uint32_t', 'uintptr_t', 'uint32_t']);

const timespec = new BigInt64Array(2);
const eventOne = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Returns the system calls over `memory`, for the calling thread's instance of the datapath. */
export function createSystem(memory: WebAssembly.Memory): DatapathSystem {
  const base = addressOf(memory);
  const pool = new Uint32Array(RANDOM_WORDS);
  let poolNext = RANDOM_WORDS;
  // WebAssembly passes offsets as i32, and memory may reach beyond 2 GiB. Plain arrow functions stand
  // between the two, because Node 20 takes a slow path where WebAssembly imports a koffi function.
  return {
    read: (fd, offset, length) => {
      const count = libcRead(fd, base + (offset >>> 0), length);
      return count < 0 ? -koffi.errno() : count;
    },
    write: (fd, offset, length) => {
      const count = libcWrite(fd, base + (offset >>> 0), length);
      return count < 0 ? -koffi.errno() : count;
    },
    poll: (offset, count, timeoutMs) => {
      const ready = libcPoll(base + (offset >>> 0), count, timeoutMs);
      return ready < 0 ? -koffi.errno() : ready;
    },
    setBlocking: (fd, isBlocking) => {
      const flags = libcFcntl(fd, F_GETFL, 'int', 0);
      if (flags < 0) return -koffi.errno();
      const wanted = isBlocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
      return libcFcntl(fd, F_SETFL, 'int', wanted) < 0 ? -koffi.errno() : 0;
    },
    enter: (ring, count, wait) => {
      const flags = IORING_ENTER_GETEVENTS;
      const taken = libcUringEnter(SYS_IO_URING_ENTER, ring, count, wait, flags, 0, 0);
      return taken < 0 ? -koffi.errno() : taken;
    },
    register: (ring, operation, offset, count) => {
      const address = base + (offset >>> 0);
      const result = libcUringRegister(SYS_IO_URING_REGISTER, ring, operation, address, count);
      return result < 0 ? -koffi.errno() : 0;
    },
    clock: (offset) => {
      libcClock(CLOCK_MONOTONIC_RAW, base + (offset >>> 0));
    },
    random: () => {
      if (poolNext === RANDOM_WORDS) {
        randomFillSync(pool);
        poolNext = 0;
      }
      return pool[poolNext++] ?? 0;
    },
  };
}

/** Returns where `memory` lies in this process: exact, and the same for as long as it lives. */
export function addressOf(memory: WebAssembly.Memory): number {
  return Number(koffi.address(new Uint8Array(memory.buffer)));
}

/** Returns CLOCK_MONOTONIC_RAW in nanoseconds: never steps, and no one disciplines its rate. */
export function rawClockNs(): bigint {
  check('clock_gettime', libcClockWords(CLOCK_MONOTONIC_RAW, timespec));
  const [seconds = 0n, nanoseconds = 0n] = timespec;
  return seconds * NS_PER_SEC + nanoseconds;
}

/** Returns a new non-blocking eventfd: readable once it was signalled, until it is read. */
export function createEventFd(): number {
  return check('eventfd', libcEventFd(0, O_NONBLOCK | O_CLOEXEC));
}

/** Makes an eventfd readable: wakes a poll that waits for it, in whatever thread. */
export function signalEventFd(fd: number): void {
  // EAGAIN means that the counter is full: it is readable already, which is all that is wanted.
  const written = libcWriteBytes(fd, eventOne, eventOne.length);
  if (written < 0 && koffi.errno() !== EAGAIN) throw new SyscallError('write', koffi.errno());
}

/** Calls io_uring_setup(2) with parameters at `address`, which the kernel changes; returns the ring. */
export function setUpUring(entries: number, address: number): number {
  return check('io_uring_setup', libcUringSetup(SYS_IO_URING_SETUP, entries, address));
}

/** @throws {SyscallError} as open(2). */
export function openFile(path: string, flags: number): number {
  return check(`open ${path}`, libcOpen(path, flags));
}

/** Closes a descriptor. Its number may be reused at once: never close twice. */
export function closeFd(fd: number): void {
  check(`close ${fd}`, libcClose(fd));
}

/** Calls ioctl(2) with a pointer to `argument`, which the kernel may change. */
export function ioctl(name: string, fd: number, request: number, argument: Uint8Array): void {
  check(name, libcIoctl(fd, request, 'void *', argument));
}

/** Calls ioctl(2) with the number `argument` itself. */
export function ioctlNumber(name: string, fd: number, request: number, argument: number): void {
  check(name, libcIoctl(fd, request, 'unsigned long', argument));
}

/** @throws {SyscallError} as socket(2). */
export function openSocket(family: number, type: number): number {
  return check('socket', libcSocket(family, type, 0));
}

/** @throws {SyscallError} as socketpair(2). */
export function openSocketPair(family: number, type: number): readonly [number, number] {
  const pair = new Int32Array(2);
  check('socketpair', libcSocketPair(family, type, 0, pair));
  const [left = -1, right = -1] = pair;
  return [left, right];
}

/** @throws {SyscallError} as setsockopt(2). */
export function setSocketOption(fd: number, level: number, option: number, value: number): void {
  const word = new Uint8Array(Int32Array.of(value).buffer);
  check('setsockopt', libcSetSocketOption(fd, level, option, word, word.length));
}

/** Has a socket send and receive through one device only. @throws {SyscallError} as setsockopt(2). */
export function bindToDevice(fd: number, device: string): void {
  const name = new TextEncoder().encode(device);
  const result = libcSetSocketOption(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length);
  check(`bind to ${device}`, result);
}

/** Connects a socket to a struct sockaddr. @throws {SyscallError} as connect(2). */
export function connectSocket(fd: number, address: Uint8Array): void {
  check('connect', libcConnect(fd, address, address.length));
}

/** Reads at most `bytes.length` bytes: bytes read, or a negative errno. */
export function readFd(fd: number, bytes: Uint8Array): number {
  const count = libcReadBytes(fd, bytes, bytes.length);
  return count < 0 ? -koffi.errno() : count;
}

/** Writes all of `bytes` by one call: bytes written, or a negative errno. */
export function writeFd(fd: number, bytes: Uint8Array): number {
  const count = libcWriteBytes(fd, bytes, bytes.length);
  return count < 0 ? -koffi.errno() : count;
}

/** Returns the name of a positive errno, as `EAGAIN`. */
export function errnoNameOf(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

function check(call: string, result: number): number {
  if (result < 0) throw new SyscallError(call, koffi.errno());
  return result;
}
