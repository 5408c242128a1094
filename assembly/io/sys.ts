// The system calls that the host lends to the datapath (import module `sys`). Offsets are addresses
// in shared memory; src/host/datapath.ts describes the other side.

/** Reads one packet of at most `length` bytes to `offset`: bytes read, or a negative errno. */
export declare function read(fd: i32, offset: usize, length: u32): i32;
/** Writes one packet of `length` bytes from `offset`: bytes written, or a negative errno. */
export declare function write(fd: i32, offset: usize, length: u32): i32;
/** Polls `count` pollfds at `offset`: descriptors ready, 0 on time-out, or a negative errno. */
export declare function poll(offset: usize, count: u32, timeoutMs: i32): i32;
/** Says whether reads and writes of a descriptor wait: 0, or a negative errno. */
export declare function setBlocking(fd: i32, isBlocking: bool): i32;
/**
 * Hands `count` submissions to an io_uring, runs what became ready, and waits for `wait` completions:
 * how many submissions were taken, or a negative errno.
 */
export declare function enter(ring: i32, count: u32, wait: u32): i32;
/** Calls io_uring_register(2) with `offset` as its argument: 0, or a negative errno. */
export declare function register(ring: i32, operation: u32, offset: usize, count: u32): i32;
/** Writes a struct timespec of CLOCK_MONOTONIC_RAW to `offset`. */
export declare function clock(offset: usize): void;
/** Returns 32 random bits of a cryptographically secure generator. */
export declare function random(): u32;
