import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  AF_INET,
  CONN_KEYS,
  CONN_LAST_UPDATE,
  CONN_POLICY,
  CONN_SIZE,
  CONN_STATE,
  CONN_TRAN_POOL,
  CTL_EARLY_DROP,
  CTL_TCP_LOOSE,
  CTL_TCP_WINDOW,
  KEY_AF,
  KEY_DST,
  KEY_IFACE,
  KEY_PROTO,
  KEY_SIZE,
  KEY_SRC,
  OWNER_CONTROL,
  POOL_BASE,
  PROTO_TCP,
  PROTO_UDP,
  STATE_CLOSED,
  STATE_COUNT,
  STATE_ESTABLISHED,
  STATE_FIN_SENT,
  STATE_LAST_ACK,
  STATE_NEW,
  STATE_SIMSYN_SENT,
  STATE_SYN_RECV,
  STATE_TIME_WAIT,
  TCP_WINDOW_LIBERAL,
  TCP_WINDOW_OFF,
  TCP_WINDOW_STRICT,
} from '../../assembly/layout.js';
import { CONNTRACK_LIST } from '../../src/api/conntrack.js';
import { ControlError } from '../../src/api/errors.js';
import { ConnTable } from '../../src/host/conn-table.js';
import { Conntrack, DEFAULT_CONFIG } from '../../src/host/conntrack.js';
import { ConnIndex } from '../../src/host/migration.js';
import { Qsbr } from '../../src/host/qsbr.js';
import { swapBytes } from '../../src/host/tables.js';
import { testDatapath } from '../support/datapath.js';

const test = suite('conntrack');

const NS_PER_SEC = 1_000_000_000n;
const KEEP = {
  max: 0,
  closedTimeoutSec: 0,
  newTimeoutSec: 0,
  establishedUdpTimeoutSec: 0,
  establishedTcpTimeoutSec: 0,
  halfCloseTimeoutSec: 0,
  timeWaitTimeoutSec: 0,
  tcpWindow: 0,
  tcpLoose: 0,
  earlyDrop: 0,
  adaptiveStart: 0,
  adaptiveEnd: 0,
};

interface ConnSpec {
  readonly iface?: number;
  readonly proto?: number;
  readonly state?: number;
  readonly policy?: number;
  readonly outside?: number;
  readonly lastUpdateNs?: bigint;
}

/** A control plane over a datapath without workers, with a way to put conns into its table. */
function controlPlane(ceiling = 256, max = 64) {
  const { shared, view, wasm } = testDatapath({ ceiling, max });
  const qsbr = new Qsbr(shared);
  const table = new ConnTable(shared, wasm, qsbr);
  const index = new ConnIndex(shared, wasm, qsbr, max);
  const config = { ...DEFAULT_CONFIG, max };
  const conntrack = new Conntrack({ shared, table, index, ceiling, config });
  let serial = 1;
  const insert = (spec: ConnSpec = {}) => {
    const slot = wasm.poolAlloc(OWNER_CONTROL);
    if (slot === 0) throw new Error('the pool is full');
    const conn = POOL_BASE + slot * CONN_SIZE;
    for (const key of [conn + CONN_KEYS, conn + CONN_KEYS + KEY_SIZE]) {
      view.setUint16(key + KEY_IFACE, spec.iface ?? 2, true);
      view.setUint8(key + KEY_AF, AF_INET);
      view.setUint8(key + KEY_PROTO, spec.proto ?? PROTO_UDP);
      view.setUint32(key + KEY_SRC, serial++, true);
      view.setUint32(key + KEY_DST, swapBytes(spec.outside ?? 0xac100001), true);
    }
    view.setUint8(conn + CONN_STATE, spec.state ?? STATE_ESTABLISHED);
    view.setUint32(conn + CONN_POLICY, spec.policy ?? 1, true);
    view.setUint16(conn + CONN_TRAN_POOL, 0xffff, true);
    view.setBigInt64(conn + CONN_LAST_UPDATE, spec.lastUpdateNs ?? 0n, true);
    assert.is(wasm.indexInsert(slot, OWNER_CONTROL), 0);
    return slot;
  };
  const isFound = (slot: number) => {
    const header = wasm.readIndex();
    const key = POOL_BASE + slot * CONN_SIZE + CONN_KEYS;
    return [0, 1].every((flow) => {
      const at = key + flow * KEY_SIZE;
      return wasm.indexLookup(header, at, wasm.hashKey(header, at)) === slot * 2 + flow;
    });
  };
  return { shared, table, conntrack, insert, isFound };
}

async function refusal(promise: Promise<unknown>): Promise<ControlError> {
  try {
    await promise;
  } catch (cause) {
    if (cause instanceof ControlError) return cause;
    throw cause;
  }
  throw new Error('nothing was refused');
}

test('a setting of 0 keeps its value, others are applied', async () => {
  const { conntrack } = controlPlane();
  await conntrack.set({ ...KEEP, closedTimeoutSec: 2 });
  assert.equal(conntrack.config, { ...DEFAULT_CONFIG, max: 64, closedTimeoutSec: 2 });
});

test('the modes of the TCP tracker are the words that the workers read', async () => {
  const { shared, conntrack } = controlPlane();
  const words = () =>
    [CTL_TCP_WINDOW, CTL_TCP_LOOSE].map((at) => Atomics.load(shared.u32, at >>> 2));
  assert.equal(words(), [TCP_WINDOW_STRICT, 0], 'strict and not loose by default');
  await conntrack.set({ ...KEEP, tcpWindow: 2 });
  assert.equal(words(), [TCP_WINDOW_LIBERAL, 0]);
  await conntrack.set({ ...KEEP, tcpWindow: 1, tcpLoose: 2 });
  assert.equal(words(), [TCP_WINDOW_OFF, 1]);
  await conntrack.set({ ...KEEP, closedTimeoutSec: 9 });
  assert.equal(words(), [TCP_WINDOW_OFF, 1], 'both are kept');
  await conntrack.set({ ...KEEP, tcpWindow: 3, tcpLoose: 1 });
  assert.equal(words(), [TCP_WINDOW_STRICT, 0]);
});

test('a full table drops conns early unless that is switched off', async () => {
  const { shared, conntrack } = controlPlane();
  assert.is(Atomics.load(shared.u32, CTL_EARLY_DROP >>> 2), 1);
  await conntrack.set({ ...KEEP, earlyDrop: 1 });
  assert.is(Atomics.load(shared.u32, CTL_EARLY_DROP >>> 2), 0);
  await conntrack.set({ ...KEEP, earlyDrop: 2 });
  assert.is(Atomics.load(shared.u32, CTL_EARLY_DROP >>> 2), 1);
});

test('time-outs shrink in proportion between the two ends of the adaptive range', async () => {
  const { conntrack, insert } = controlPlane(256, 100);
  const shrinks: number[] = [];
  for (let used = 0; used <= 100; used += 15) {
    shrinks.push(conntrack.timeoutShrink);
    for (let n = 0; n < 15 && used + n < 100; n++) insert();
  }
  // pf: (END - used) / (END - START) of each time-out are left above START.
  assert.equal(shrinks, [0, 0, 0, 0, 0, 0.25, 0.5]);
  await conntrack.set({ ...KEEP, adaptiveStart: 50, adaptiveEnd: 100 });
  assert.is(conntrack.timeoutShrink, 1);
  await conntrack.set({ ...KEEP, adaptiveStart: 100, adaptiveEnd: 200 });
  assert.is(conntrack.timeoutShrink, 0, 'a start that is not exceeded switches it off');
});

test('a shrunk time-out ends no conn early', async () => {
  const { table, insert, isFound } = controlPlane();
  const slot = insert();
  const thirtySec = 30n * NS_PER_SEC;
  const left = thirtySec - (thirtySec * BigInt(Math.floor(0.3 * 65536))) / 65536n;
  assert.is(await table.age(left - 1n, 0.3), 0);
  assert.ok(isFound(slot));
  assert.is(await table.age(left, 0.3), 1);
  const longest = insert({ proto: PROTO_TCP });
  assert.is(await table.age(300n * NS_PER_SEC - 1n, 0), 0);
  assert.ok(isFound(longest));
  assert.is(await table.age(0n, 1), 1, 'nothing is left at the end of the range');
});

test('the longest time-out shrinks without an overflow', async () => {
  const { conntrack, table, insert } = controlPlane();
  await conntrack.set({ ...KEEP, establishedUdpTimeoutSec: 0xffffffff });
  insert();
  const half = (0xffffffffn * NS_PER_SEC) / 2n;
  assert.is(await table.age(half - 1n, 0.5), 0);
  assert.is(await table.age(half + 1n, 0.5), 1);
});

test('a range whose start is not below its end is refused, with what it would keep', async () => {
  const { conntrack } = controlPlane();
  const { code, message } = await refusal(conntrack.set({ ...KEEP, adaptiveStart: 120 }));
  assert.is(code, 'EINVAL');
  assert.is(message, 'adaptive 120 120: the start is not below the end');
  assert.equal(conntrack.config, { ...DEFAULT_CONFIG, max: 64 });
});

test('a refused max leaves the modes of the same request alone', async () => {
  const { shared, conntrack } = controlPlane();
  await refusal(conntrack.set({ ...KEEP, max: 257, tcpWindow: 1, tcpLoose: 2 }));
  assert.equal(conntrack.config, { ...DEFAULT_CONFIG, max: 64 });
  assert.is(Atomics.load(shared.u32, CTL_TCP_WINDOW >>> 2), TCP_WINDOW_STRICT);
  assert.is(Atomics.load(shared.u32, CTL_TCP_LOOSE >>> 2), 0);
});

test('a refused max leaves the time-outs of the same request alone', async () => {
  const { conntrack } = controlPlane();
  const change = { ...KEEP, max: 257, closedTimeoutSec: 2 };
  const { code, message } = await refusal(conntrack.set(change));
  assert.is(code, 'EINVAL');
  assert.match(message, /max 257 is above the daemon's ceiling 256/);
  assert.equal(conntrack.config, { ...DEFAULT_CONFIG, max: 64 });
});

test('a max below the conns in use is refused and changes nothing', async () => {
  const { conntrack, insert, isFound } = controlPlane();
  const slots = Array.from({ length: 37 }, () => insert());
  const { code, message } = await refusal(conntrack.set({ ...KEEP, max: 10 }));
  assert.is(code, 'ENOSPC');
  assert.is(message, 'max 10 is below the 37 connections in use');
  assert.is(conntrack.config.max, 64);
  assert.ok(slots.every(isFound));
  insert();
});

test('growing and shrinking keep every conn, and the new max is what binds', async () => {
  const { conntrack, table, insert, isFound } = controlPlane();
  const slots = Array.from({ length: 37 }, () => insert());
  for (const max of [256, 37, 100]) {
    await conntrack.set({ ...KEEP, max });
    assert.is(conntrack.config.max, max);
    assert.ok(slots.every(isFound), `all conns are found after max ${max}`);
  }
  for (let n = 37; n < 100; n++) insert();
  assert.is(table.used, 100);
  assert.throws(() => insert(), /the pool is full/);
});

test('a second migration is refused while one runs, time-outs are not', async () => {
  const { conntrack } = controlPlane();
  const first = conntrack.set({ ...KEEP, max: 128 });
  const { code } = await refusal(conntrack.set({ ...KEEP, max: 32 }));
  assert.is(code, 'EBUSY');
  await conntrack.set({ ...KEEP, newTimeoutSec: 9 });
  await first;
  assert.equal(conntrack.config, { ...DEFAULT_CONFIG, max: 128, newTimeoutSec: 9 });
});

test('flush removes every conn, and their slots are free on return', async () => {
  const { table, insert, isFound } = controlPlane();
  const slots = Array.from({ length: 64 }, () => insert());
  assert.is(await table.remove({}), 64);
  assert.is(table.used, 0);
  assert.not(slots.some(isFound));
  for (let n = 0; n < 64; n++) insert();
});

test('a removal by interface, policy or outside address takes exactly its conns', async () => {
  const { table, insert, isFound } = controlPlane();
  const stays = insert({ iface: 3, policy: 7, outside: 1 });
  const byIface = insert({ iface: 2, policy: 8, outside: 2 });
  const byPolicy = insert({ iface: 3, policy: 9, outside: 3 });
  const byAddr = insert({ iface: 3, policy: 7, outside: 0xac100009 });
  assert.is(await table.remove({ ifaceId: 2 }), 1);
  assert.is(await table.remove({ policyId: 9 }), 1);
  assert.is(await table.remove({ addr: 0xac100009 }), 1);
  assert.ok(isFound(stays));
  assert.not([byIface, byPolicy, byAddr].some(isFound));
});

/** Which setting governs a conn's time, by protocol and state. */
const TIMERS: readonly { proto: number; state: number; sec: number }[] = [
  { proto: PROTO_TCP, state: STATE_CLOSED, sec: 1 },
  { proto: PROTO_TCP, state: STATE_NEW, sec: 2 },
  { proto: PROTO_TCP, state: STATE_SIMSYN_SENT, sec: 2 },
  { proto: PROTO_TCP, state: STATE_SYN_RECV, sec: 2 },
  { proto: PROTO_TCP, state: STATE_ESTABLISHED, sec: 4 },
  ...[STATE_FIN_SENT, 6, 7, 8, 9, STATE_LAST_ACK].map((state) => ({
    proto: PROTO_TCP,
    state,
    sec: 5,
  })),
  { proto: PROTO_TCP, state: STATE_TIME_WAIT, sec: 6 },
  { proto: PROTO_UDP, state: STATE_NEW, sec: 2 },
  { proto: PROTO_UDP, state: STATE_ESTABLISHED, sec: 3 },
];

test('every state expires at its own time-out, not a nanosecond earlier', async () => {
  assert.is(new Set(TIMERS.map(({ proto, state }) => `${proto} ${state}`)).size, STATE_COUNT + 2);
  const { conntrack, table, insert, isFound } = controlPlane();
  await conntrack.set({
    ...KEEP,
    closedTimeoutSec: 1,
    newTimeoutSec: 2,
    establishedUdpTimeoutSec: 3,
    establishedTcpTimeoutSec: 4,
    halfCloseTimeoutSec: 5,
    timeWaitTimeoutSec: 6,
  });
  for (const { proto, state, sec } of TIMERS) {
    const lastUpdateNs = 1000n;
    const slot = insert({ proto, state, lastUpdateNs });
    const deadline = lastUpdateNs + BigInt(sec) * NS_PER_SEC;
    await table.age(deadline - 1n);
    assert.ok(isFound(slot), `proto ${proto} state ${state} lives until ${sec} s`);
    await table.age(deadline);
    assert.not(isFound(slot), `proto ${proto} state ${state} dies at ${sec} s`);
  }
  assert.is(table.used, 0);
});

test('the longest time-out that can be asked for does not overflow', async () => {
  const { conntrack, table, insert, isFound } = controlPlane();
  await conntrack.set({ ...KEEP, establishedUdpTimeoutSec: 0xffffffff });
  const slot = insert({ lastUpdateNs: 0n });
  await table.age(4_000_000_000n * NS_PER_SEC);
  assert.ok(isFound(slot));
  await table.age(4_294_967_295n * NS_PER_SEC);
  assert.not(isFound(slot));
});

test('the list has every live conn once, as the contract encodes it', async () => {
  const { table, insert } = controlPlane();
  const slots = Array.from({ length: 50 }, (_, n) => insert({ lastUpdateNs: BigInt(n) }));
  await table.remove({ policyId: 99 });
  const ids: number[] = [];
  for await (const buffer of table.list()) {
    for (let at = 0; at < buffer.length; at += 48) {
      const conn = CONNTRACK_LIST.decodeResponse(buffer.subarray(at, at + 48));
      ids.push(conn.id & 0xffffff);
      assert.is(conn.state, STATE_ESTABLISHED);
      assert.is(conn.rev.dst, '172.16.0.1');
    }
  }
  assert.equal(
    ids.sort((a, b) => a - b),
    slots.sort((a, b) => a - b),
  );
});

test.run();
