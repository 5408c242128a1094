import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addressOf,
  closeFd,
  createEventFd,
  createSystem,
  EAGAIN,
  errnoNameOf,
  O_CLOEXEC,
  O_RDWR,
  openFile,
  rawClockNs,
  readFd,
  SyscallError,
  signalEventFd,
} from '../../src/tun/sys.js';

const POLLIN = 1;
const PAGE = 65536;
const EBADF = 9;

const test = suite('sys');

function makeMemory(pages = 1): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

test('the raw clock runs forward, at the rate of the uptime', async () => {
  // /proc/uptime counts CLOCK_BOOTTIME in hundredths of a second.
  const uptimeMs = () => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
  const [startNs, startUptimeMs] = [rawClockNs(), uptimeMs()];
  let lastNs = startNs;
  for (let reading = 0; reading < 1000; reading++) {
    const nowNs = rawClockNs();
    assert.ok(nowNs >= lastNs, `${nowNs} is before ${lastNs}`);
    lastNs = nowNs;
  }
  await setTimeout(200);
  const passedMs = Number(rawClockNs() - startNs) / 1e6;
  const passedUptimeMs = uptimeMs() - startUptimeMs;
  assert.ok(Math.abs(passedMs - passedUptimeMs) < 50, `${passedMs} and ${passedUptimeMs} ms`);
  assert.ok(passedMs >= 190, `${passedMs} ms`);
});

test('the clock in shared memory is the raw clock', () => {
  const memory = makeMemory();
  const words = new BigInt64Array(memory.buffer);
  const before = rawClockNs();
  createSystem(memory).clock(64);
  const after = rawClockNs();
  const [seconds = 0n, nanoseconds = -1n] = words.subarray(8);
  assert.ok(nanoseconds >= 0n && nanoseconds < 1_000_000_000n);
  const nowNs = seconds * 1_000_000_000n + nanoseconds;
  assert.ok(nowNs >= before && nowNs <= after, `${before} <= ${nowNs} <= ${after}`);
});

test('an eventfd wakes a poll, once per read', () => {
  const memory = makeMemory();
  const system = createSystem(memory);
  const fd = createEventFd();
  try {
    const view = new DataView(memory.buffer);
    view.setInt32(0, fd, true);
    view.setUint16(4, POLLIN, true);
    assert.is(system.poll(0, 1, 0), 0, 'not signalled');
    signalEventFd(fd);
    signalEventFd(fd);
    assert.is(system.poll(0, 1, 1000), 1, 'signalled');
    assert.is(view.getUint16(6, true), POLLIN);
    assert.is(system.read(fd, 8, 8), 8);
    assert.is(view.getBigUint64(8, true), 2n);
    assert.is(system.read(fd, 8, 8), -EAGAIN);
    assert.is(system.poll(0, 1, 0), 0, 'read');
  } finally {
    closeFd(fd);
  }
});

test('a full eventfd can still be signalled', () => {
  const fd = createEventFd();
  try {
    const memory = makeMemory();
    new BigUint64Array(memory.buffer)[0] = 0xffff_ffff_ffff_fffen;
    assert.is(createSystem(memory).write(fd, 0, 8), 8);
    signalEventFd(fd);
    assert.is(readFd(fd, new Uint8Array(8)), 8);
  } finally {
    closeFd(fd);
  }
});

test('reads and writes take offsets as WebAssembly passes them, above 2 GiB too', () => {
  // Reserved only: nothing but the pages of the two buffers is ever touched.
  const memory = makeMemory(0xc000_0000 / PAGE);
  const system = createSystem(memory);
  const bytes = new Uint8Array(memory.buffer);
  const fd = openFile('/dev/zero', O_RDWR | O_CLOEXEC);
  try {
    bytes.fill(0xa5, 0xb000_0000, 0xb000_0010);
    assert.is(system.read(fd, 0xb000_0004 | 0, 8), 8);
    assert.equal(
      [...bytes.subarray(0xb000_0000, 0xb000_0010)],
      [165, 165, 165, 165, 0, 0, 0, 0, 0, 0, 0, 0, 165, 165, 165, 165],
    );
    assert.is(system.write(fd, 0xb000_0004 | 0, 8), 8);
  } finally {
    closeFd(fd);
  }
});

test('the datapath gets a negative errno, everyone else an error with its name', () => {
  const system = createSystem(makeMemory());
  assert.is(system.read(-1, 0, 8), -EBADF);
  assert.is(system.write(-1, 0, 8), -EBADF);
  assert.is(errnoNameOf(EBADF), 'EBADF');
  assert.is(errnoNameOf(95), 'ENOTSUP');
  assert.is(errnoNameOf(4095), 'errno 4095');
  for (const [path, code] of [
    ['/nowhere', 'ENOENT'],
    ['/dev/null/x', 'ENOTDIR'],
  ] as const) {
    assert.throws(
      () => openFile(path, O_RDWR),
      (error: unknown) => error instanceof SyscallError && error.code === code,
    );
  }
});

test('the address of a memory is exact and stays', () => {
  const memory = makeMemory();
  const base = addressOf(memory);
  assert.ok(Number.isSafeInteger(base) && base > 0);
  assert.is(base % 4096, 0);
  assert.is(addressOf(memory), base);
});

test('random words do not repeat across refills and fill all bits', () => {
  const system = createSystem(makeMemory());
  const words = new Set<number>();
  let [ones, zeros] = [0, 0];
  for (let word = 0; word < 5000; word++) {
    const value = system.random() >>> 0;
    words.add(value);
    ones |= value;
    zeros |= ~value;
  }
  // 5000 of 2^32: the chance of ten collisions is below 10^-15.
  assert.ok(words.size > 4990, `${words.size} different words`);
  assert.is(ones >>> 0, 0xffff_ffff);
  assert.is(zeros >>> 0, 0xffff_ffff);
});

test.run();
