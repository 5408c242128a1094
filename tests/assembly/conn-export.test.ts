import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONN_GENERATION,
  CONN_LAST_UPDATE,
  CONN_STATE,
  EXPORT_SIZE,
  PROTO_TCP,
  SCRATCH_CURSOR,
  SCRATCH_LIST,
} from '../../assembly/layout.js';
import { connAddr, revKey, writeKeys } from '../support/conns.js';
import { type TestDatapath, testDatapath } from '../support/datapath.js';

const test = suite('conn-export');

const OWNER = 1;

function addConn({ view, wasm }: TestDatapath, srcId: number): number {
  const slot = wasm.poolAlloc(OWNER);
  const fwd = { iface: 3, proto: PROTO_TCP, src: 0x0a630063, dst: 0xac100002, srcId, dstId: 1234 };
  writeKeys(view, slot, fwd, revKey(fwd, 0xac100001, 0xc001));
  view.setUint8(connAddr(slot) + CONN_STATE, 4);
  view.setUint8(connAddr(slot) + CONN_GENERATION, 0x80);
  view.setBigInt64(connAddr(slot) + CONN_LAST_UPDATE, 0x0102030405060708n, true);
  return slot;
}

function cursor({ shared }: TestDatapath): number {
  return shared.u32[SCRATCH_CURSOR >>> 2] ?? 0;
}

test('writes the entry of the API, its padding zero', () => {
  const path = testDatapath();
  const slot = addConn(path, 40001);
  assert.is(slot, 1);
  assert.is(path.wasm.indexInsert(slot, OWNER), 0);
  path.shared.bytes.fill(0xa5, SCRATCH_LIST, SCRATCH_LIST + 2 * EXPORT_SIZE);
  assert.is(path.wasm.exportConns(0, 10), 1);
  assert.is(cursor(path), 0);
  // By hand: iface, af, proto; fwd; rev; padding; last update; id; state.
  const expected = [
    '0300 02 06',
    '0a630063 ac100002 9c41 04d2',
    'ac100002 ac100001 04d2 c001',
    '00000000',
    '0807060504030201',
    '01000080',
    '04000000',
  ]
    .join('')
    .replaceAll(' ', '');
  const entry = Buffer.from(path.shared.bytes.slice(SCRATCH_LIST, SCRATCH_LIST + EXPORT_SIZE));
  assert.is(entry.toString('hex'), expected);
  assert.is(path.shared.bytes[SCRATCH_LIST + EXPORT_SIZE], 0xa5);
});

test('lists live conns in slices, each once', () => {
  const path = testDatapath();
  const live: number[] = [];
  for (let n = 0; n < 50; n++) {
    const slot = addConn(path, n);
    // Every third is still being filled.
    if (n % 3 === 0) continue;
    assert.is(path.wasm.indexInsert(slot, OWNER), 0);
    live.push(slot);
  }
  const [removed = 0] = live.splice(10, 1);
  path.wasm.removeConns(removed, removed + 1);
  const seen: number[] = [];
  let from = 0;
  do {
    const count = path.wasm.exportConns(from, 7);
    assert.ok(count <= 7);
    for (let n = 0; n < count; n++)
      seen.push(path.view.getUint32(SCRATCH_LIST + n * EXPORT_SIZE + 40, true) & 0xffffff);
    from = cursor(path);
  } while (from !== 0);
  assert.equal(seen, live);
});

test('goes on by its cursor when a long stretch of slots is empty', () => {
  const path = testDatapath({ ceiling: 600000, max: 10 });
  for (let n = 0; n < 9; n++) path.wasm.poolFree(path.wasm.poolAlloc(OWNER));
  // As if the pool had once been full: only the last slot is live.
  const next = 600001;
  Atomics.store(path.shared.u32, (0x10000 + 512) >>> 2, next - 1);
  for (let n = 0; n < 2; n++) addConn(path, n);
  assert.is(path.wasm.indexInsert(next - 1, OWNER), 0);
  let calls = 0;
  let found = 0;
  let from = 0;
  do {
    found += path.wasm.exportConns(from, 100);
    from = cursor(path);
    calls++;
  } while (from !== 0);
  assert.is(found, 1);
  assert.ok(calls > 1 && calls < 10, `${calls} calls`);
});

test.run();
