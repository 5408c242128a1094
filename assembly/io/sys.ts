// The system calls that the host lends to the datapath (import module `sys`). Offsets are addresses
// in shared memory; src/host/datapath.ts describes the other side.

/** Reads one packet of at most `length` bytes to `offset`: bytes read, or a negative errno. */
export declare function read(fd: i32, offset: usize, length: u32): i32;
/** Writes one packet of `length` bytes from `offset`: bytes written, or a negative errno. */
export declare function write(fd: i32, offset: usize, length: u32): i32;
/** Polls `count` pollfds at `offset`: descriptors ready, 0 on time-out, or a negative errno. */
export declare function poll(offset: usize, count: u32, timeoutMs: i32): i32;
/** Writes a struct timespec of CLOCK_MONOTONIC_RAW to `offset`. */
export declare function clock(offset: usize): void;
/** Returns 32 random bits of a cryptographically secure generator. */
export declare function random(): u32;
