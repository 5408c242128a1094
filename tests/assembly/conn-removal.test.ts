import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONN_F_LOOSE,
  CONN_F_REPLIED,
  CONN_FLAGS,
  CONN_GENERATION,
  CONN_LAST_UPDATE,
  CONN_LIFE,
  CONN_LOCK,
  CONN_POLICY,
  CONN_STATE,
  CONN_TRAN_POOL,
  CTL_POOL_USED,
  CTL_TIMEOUTS,
  LIFE_DEAD,
  LIFE_FREE,
  LIFE_LIVE,
  PROTO_ICMP,
  PROTO_TCP,
  PROTO_UDP,
  SCRATCH_FILTER_ADDR_BE,
  SCRATCH_FILTER_IFACE,
  SCRATCH_FILTER_POLICY,
  SCRATCH_LIST,
  SCRATCH_NOW,
  STATE_COUNT,
  STATE_ESTABLISHED,
  STATE_NEW,
  TIMEOUTS_ROW,
  TRAN_BITMAP_SIZE,
  TRAN_BITMAPS_BASE,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST,
  TRAN_LOWEST_PORT,
} from '../../assembly/layout.js';
import { connAddr, revKey, writeKey, writeKeys } from '../support/conns.js';
import { type TestDatapath, testDatapath } from '../support/datapath.js';

const test = suite('conn-removal');

const OWNER = 1;
const ALL = 0xffffffff;
const NOW = 50_000_000_000_000n;
const OUTSIDE = 0xac100001;
const POOL = 9;

interface ConnOptions {
  readonly proto?: number;
  readonly state?: number;
  readonly flags?: number;
  readonly lastUpdate?: bigint;
  readonly iface?: number;
  readonly policy?: number;
  readonly outside?: number;
  readonly tranId?: number;
}

let nextPort = 1;

function addConn({ view, wasm }: TestDatapath, options: ConnOptions = {}): number {
  const slot = wasm.poolAlloc(OWNER);
  const conn = connAddr(slot);
  const srcId = nextPort++;
  const { proto = PROTO_UDP, iface = 2, tranId = srcId } = options;
  const fwd = { iface, proto, src: 0x0a000001, dst: 0x08080808, srcId, dstId: 53 };
  writeKeys(view, slot, fwd, revKey(fwd, options.outside ?? OUTSIDE, tranId));
  view.setUint8(conn + CONN_STATE, options.state ?? STATE_NEW);
  view.setUint8(conn + CONN_FLAGS, options.flags ?? 0);
  view.setBigInt64(conn + CONN_LAST_UPDATE, options.lastUpdate ?? NOW, true);
  view.setUint32(conn + CONN_POLICY, options.policy ?? 1, true);
  assert.is(wasm.indexInsert(slot, OWNER), 0);
  return slot;
}

function isFound({ view, wasm }: TestDatapath, slot: number): boolean {
  const header = wasm.readIndex();
  const found = [0, 16].map((key) => {
    const at = connAddr(slot) + key;
    return wasm.indexLookup(header, at, wasm.hashKey(header, at)) !== 0;
  });
  assert.is(found[0], found[1], `one key of conn ${slot} without the other`);
  assert.is(view.getUint8(connAddr(slot) + CONN_LIFE), found[0] ? LIFE_LIVE : LIFE_DEAD);
  return found[0] === true;
}

function listed({ shared }: TestDatapath, count: number): number[] {
  return [...shared.u32.subarray(SCRATCH_LIST >>> 2, (SCRATCH_LIST >>> 2) + count)];
}

/** Time-outs that all differ: row r, state s has (100 r + s + 1) seconds. */
function timeoutNs(row: number, state: number): bigint {
  return BigInt(100 * row + state + 1) * 1_000_000_000n;
}

function ageingDatapath(): TestDatapath {
  const path = testDatapath();
  for (const row of [0, 1])
    for (let state = 0; state < STATE_COUNT; state++)
      path.view.setBigInt64(
        CTL_TIMEOUTS + row * TIMEOUTS_ROW + state * 8,
        timeoutNs(row, state),
        true,
      );
  path.view.setBigInt64(SCRATCH_NOW, NOW, true);
  return path;
}

function expectAgesAt(options: ConnOptions, timeout: bigint, what: string): void {
  const path = ageingDatapath();
  const young = addConn(path, { ...options, lastUpdate: NOW - timeout + 1n });
  const old = addConn(path, { ...options, lastUpdate: NOW - timeout });
  const future = addConn(path, { ...options, lastUpdate: NOW + 5n });
  assert.is(path.wasm.ageConns(0, ALL), 1, what);
  assert.equal(listed(path, 1), [old], what);
  assert.ok(isFound(path, young), `${what}: a nanosecond early`);
  assert.not.ok(isFound(path, old), what);
  assert.ok(isFound(path, future), `${what}: updated after the scan began`);
  assert.is(path.wasm.ageConns(0, ALL), 0, `${what}: twice`);
}

test('a conn dies when it was idle for its time-out, and not a nanosecond before', () => {
  for (let state = 0; state < STATE_COUNT; state++) {
    expectAgesAt({ proto: PROTO_TCP, state }, timeoutNs(0, state), `tcp ${state}`);
    expectAgesAt({ proto: PROTO_UDP, state }, timeoutNs(1, state), `udp ${state}`);
    expectAgesAt({ proto: PROTO_ICMP, state }, timeoutNs(1, state), `icmp ${state}`);
  }
});

test('a conn picked up in mid-stream lives on the new time-out until its reply', () => {
  const picked = { proto: PROTO_TCP, state: STATE_ESTABLISHED };
  const flags = CONN_F_LOOSE;
  expectAgesAt({ ...picked, flags }, timeoutNs(0, STATE_NEW), 'unanswered');
  const answered = CONN_F_LOOSE | CONN_F_REPLIED;
  expectAgesAt({ ...picked, flags: answered }, timeoutNs(0, STATE_ESTABLISHED), 'answered');
});

test('ages the slots asked for alone', () => {
  const path = ageingDatapath();
  const slots = Array.from({ length: 6 }, () => addConn(path, { lastUpdate: 0n }));
  assert.is(path.wasm.ageConns(slots[2] ?? 0, slots[4] ?? 0), 2);
  assert.equal(
    slots.map((slot) => isFound(path, slot)),
    [true, true, false, false, true, true],
  );
});

test('leaves a conn for the next pass whose lock is never given back', () => {
  const path = ageingDatapath();
  const slot = addConn(path, { lastUpdate: 0n });
  path.shared.u32[(connAddr(slot) + CONN_LOCK) >>> 2] = 5;
  assert.is(path.wasm.ageConns(0, ALL), 0);
  assert.ok(isFound(path, slot));
  path.wasm.connUnlock(connAddr(slot));
  assert.is(path.wasm.ageConns(0, ALL), 1);
});

test('removes what matches every filter', () => {
  const other = 0xac100002;
  const conns: ConnOptions[] = [
    { iface: 2, policy: 1, outside: OUTSIDE },
    { iface: 3, policy: 1, outside: OUTSIDE },
    { iface: 2, policy: 2, outside: OUTSIDE },
    { iface: 2, policy: 1, outside: other },
  ];
  for (const [iface, policy, outside, left] of [
    [0, 0, 0, []],
    [3, 0, 0, [0, 2, 3]],
    [0, 2, 0, [0, 1, 3]],
    [0, 0, other, [0, 1, 2]],
    [2, 1, OUTSIDE, [1, 2, 3]],
    [3, 2, 0, [0, 1, 2, 3]],
  ] as const) {
    const path = testDatapath();
    const slots = conns.map((options) => addConn(path, options));
    path.view.setUint32(SCRATCH_FILTER_IFACE, iface, true);
    path.view.setUint32(SCRATCH_FILTER_POLICY, policy, true);
    path.view.setUint32(SCRATCH_FILTER_ADDR_BE, outside);
    assert.is(path.wasm.removeConns(0, ALL), conns.length - left.length);
    const found = [...slots.keys()].filter((n) => isFound(path, slots[n] ?? 0));
    assert.equal(found, [...left], `iface ${iface}, policy ${policy}, address ${outside}`);
  }
});

test('reclaims tran id and slot, and counts the generation up', () => {
  const path = testDatapath({ ceiling: 4 });
  const { shared, view, wasm } = path;
  shared.u32[(TRAN_HEADERS_BASE + POOL * TRAN_HEADER_SIZE + TRAN_LOWEST) >>> 2] = TRAN_LOWEST_PORT;
  const tranId = wasm.tranTake(POOL, 0x9c41);
  const slot = addConn(path, { tranId });
  const conn = connAddr(slot);
  view.setUint16(conn + CONN_TRAN_POOL, POOL, true);
  view.setUint8(conn + CONN_GENERATION, 255);
  const untranslated = addConn(path);
  assert.is(wasm.removeConns(0, ALL), 2);
  const bit = (): number =>
    (shared.bytes[TRAN_BITMAPS_BASE + POOL * TRAN_BITMAP_SIZE + (tranId >>> 3)] ?? 0) &
    (1 << (tranId & 7));
  assert.is.not(bit(), 0, 'the id stays taken during the grace period');
  assert.is(shared.u32[CTL_POOL_USED >>> 2], 2);
  wasm.reclaimConns(2);
  assert.is(bit(), 0);
  assert.is(shared.u32[CTL_POOL_USED >>> 2], 0);
  assert.is(view.getUint8(conn + CONN_GENERATION), 0);
  assert.is(view.getUint8(connAddr(untranslated) + CONN_GENERATION), 1);
  assert.is(view.getUint8(conn + CONN_LIFE), LIFE_FREE);
  // The same keys may come back now, in the same slot or another.
  writeKey(view, conn, { src: 1, dst: 2, srcId: 3, dstId: 4 });
  for (let n = 0; n < 4; n++) assert.ok(wasm.poolAlloc(OWNER) !== 0);
  assert.is(wasm.poolAlloc(OWNER), 0);
});

test.run();
