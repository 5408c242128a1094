import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONN_KEYS,
  CONN_LAST_UPDATE,
  CONN_LIFE,
  CONN_LOCK,
  COUNT_CONNS_DROPPED_EARLY,
  CTL_EARLY_DROP,
  CTL_POOL_NEXT,
  CTL_POOL_SLOTS,
  CTL_POOL_USED,
  CTL_RETIRED_COUNT,
  DROP_TABLE_FULL,
  FLOW_FWD,
  FLOW_REV,
  KEY_SIZE,
  LIFE_DEAD,
  LIFE_FREE,
  LIFE_LIVE,
  VERDICT_FORWARD,
  VERDICT_LOCAL,
} from '../../assembly/layout.js';
import { ConnTable } from '../../src/host/conn-table.js';
import { startReclaiming } from '../../src/host/early-drop.js';
import { Qsbr } from '../../src/host/qsbr.js';
import { connAddr } from '../support/conns.js';
import { waitUntil } from '../support/datapath-rig.js';
import { buildTcp, buildUdp } from '../support/packets.js';
import { INSIDE, OUTSIDE, SHARED_POOLS, TestGateway } from '../support/test-gateway.js';
import { runWorkers } from '../support/workers.js';

const SERVER = '192.0.2.9';
const MAX = 8;
const READER = 5;

const test = suite('early drop');

/** A gateway whose table is full of `MAX` unreplied conns, one ns after the other, sports from 1. */
async function fullGateway(max = MAX, ceiling = 64): Promise<TestGateway> {
  const gateway = await TestGateway.open({ ceiling, max });
  Atomics.store(gateway.datapath.shared.u32, CTL_EARLY_DROP >>> 2, 1);
  for (let n = 0; n < max; n++) {
    gateway.datapath.clock.advance(1n);
    assert.is(open(gateway, 2001 + n).verdict, VERDICT_FORWARD);
  }
  return gateway;
}

function open(gateway: TestGateway, sport: number) {
  const packet = buildUdp({ src: '10.99.0.5', dst: SERVER, sport, dport: 53 });
  return gateway.decideOne({ iface: INSIDE, packet });
}

function reply(gateway: TestGateway, sport: number) {
  const packet = buildUdp({ src: SERVER, dst: '172.16.0.1', sport: 53, dport: sport });
  return gateway.decideOne({ iface: OUTSIDE, packet });
}

function tableOf({ datapath: { shared, wasm } }: TestGateway): ConnTable {
  return new ConnTable(shared, wasm, new Qsbr(shared));
}

function word({ datapath: { shared } }: TestGateway, at: number): number {
  return Atomics.load(shared.u32, at >>> 2);
}

function lifeOf({ datapath: { view } }: TestGateway, slot: number): number {
  return view.getUint8(connAddr(slot) + CONN_LIFE);
}

test('a full table drops the conn that idled longest, and takes the packet', async () => {
  const gateway = await fullGateway();
  const { view } = gateway.datapath;
  // The third conn is the oldest.
  view.setBigInt64(connAddr(3) + CONN_LAST_UPDATE, 1n, true);
  assert.is(open(gateway, 3000).verdict, VERDICT_FORWARD);
  assert.is(lifeOf(gateway, 3), LIFE_DEAD);
  assert.is(lifeOf(gateway, MAX + 1), LIFE_LIVE, 'the new conn has a spare slot');
  assert.is(gateway.connCount, MAX, 'max holds');
  assert.is(gateway.counter(COUNT_CONNS_DROPPED_EARLY), 1);
  assert.is(gateway.counter(DROP_TABLE_FULL), 0);
  assert.is(reply(gateway, 3000).verdict, VERDICT_FORWARD);
  assert.is(reply(gateway, 2003).verdict, 0, 'what was dropped is not found');
});

test('replied conns stay: the sender is told that nobody can be reached', async () => {
  const gateway = await fullGateway();
  for (let n = 0; n < MAX; n++) assert.is(reply(gateway, 2001 + n).verdict, VERDICT_FORWARD);
  const answer = open(gateway, 3000);
  assert.equal([answer.verdict, answer.reason], [VERDICT_LOCAL, DROP_TABLE_FULL]);
  assert.is(answer.packet.readUInt16BE(20), 0x0301, 'host unreachable');
  assert.is(gateway.counter(COUNT_CONNS_DROPPED_EARLY), 0);
  assert.is(word(gateway, CTL_RETIRED_COUNT), 0);
  for (let n = 0; n < MAX; n++) assert.is(lifeOf(gateway, n + 1), LIFE_LIVE);
});

test('of TCP the handshakes without an answer go', async () => {
  const gateway = await TestGateway.open({ ceiling: 64, max: 2 });
  Atomics.store(gateway.datapath.shared.u32, CTL_EARLY_DROP >>> 2, 1);
  const syn = (sport: number) => ({
    iface: INSIDE,
    packet: buildTcp({ src: '10.99.0.5', dst: SERVER, sport, dport: 80, flags: 'S', seq: 100 }),
  });
  gateway.decideOne(syn(2001));
  const back = { src: SERVER, dst: '172.16.0.1', sport: 80, dport: 2001 };
  const packet = buildTcp({ ...back, flags: 'SA', seq: 500, ack: 101 });
  assert.is(gateway.decideOne({ iface: OUTSIDE, packet }).verdict, VERDICT_FORWARD);
  gateway.datapath.clock.advance(1n);
  gateway.decideOne(syn(2002));
  assert.is(gateway.decideOne(syn(2003)).verdict, VERDICT_FORWARD);
  assert.equal(
    [1, 2].map((slot) => lifeOf(gateway, slot)),
    [LIFE_LIVE, LIFE_DEAD],
  );
});

test('switched off, a full table refuses', async () => {
  const gateway = await fullGateway();
  Atomics.store(gateway.datapath.shared.u32, CTL_EARLY_DROP >>> 2, 0);
  assert.is(open(gateway, 3000).reason, DROP_TABLE_FULL);
  assert.is(lifeOf(gateway, 1), LIFE_LIVE);
});

test('a conn whose packet is being tracked is left alone', async () => {
  const gateway = await fullGateway(1);
  gateway.datapath.view.setUint32(connAddr(1) + CONN_LOCK, 7, true);
  assert.is(open(gateway, 3000).reason, DROP_TABLE_FULL);
  assert.is(word(gateway, CTL_RETIRED_COUNT), 0);
  gateway.datapath.view.setUint32(connAddr(1) + CONN_LOCK, 0, true);
  assert.is(open(gateway, 3000).verdict, VERDICT_FORWARD);
});

test('slot and tran id are not given out again before a grace period has passed', async () => {
  const gateway = await fullGateway();
  const { wasm, view } = gateway.datapath;
  const table = tableOf(gateway);
  wasm.qsbrOnline(READER);
  open(gateway, 3000);
  assert.is(gateway.tranUsed(SHARED_POOLS.udp), MAX + 1);
  let isDone = false;
  const done = table.reclaimRetired().then((count) => {
    isDone = true;
    return count;
  });
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.not.ok(isDone, 'a reader may still hold it');
  assert.is(lifeOf(gateway, 1), LIFE_DEAD);
  assert.is(view.getUint16(connAddr(1) + CONN_KEYS + KEY_SIZE - 4), 2001, 'its key is untouched');
  wasm.qsbrOffline(READER);
  assert.is(await done, 1);
  assert.is(lifeOf(gateway, 1), LIFE_FREE);
  assert.is(gateway.tranUsed(SHARED_POOLS.udp), MAX);
  assert.equal([gateway.connCount, word(gateway, CTL_RETIRED_COUNT)], [MAX, 0]);
});

test('no more conns wait than there are spare slots', async () => {
  const gateway = await fullGateway(MAX, MAX);
  const { shared } = gateway.datapath;
  Atomics.store(shared.u32, CTL_POOL_SLOTS >>> 2, MAX + 2);
  assert.is(open(gateway, 3000).verdict, VERDICT_FORWARD);
  assert.is(open(gateway, 3001).verdict, VERDICT_FORWARD);
  assert.is(open(gateway, 3002).reason, DROP_TABLE_FULL);
  assert.is(word(gateway, CTL_POOL_NEXT), MAX + 3, 'every slot was used');
  assert.is(await tableOf(gateway).reclaimRetired(), 2);
  assert.is(open(gateway, 3002).verdict, VERDICT_FORWARD);
  assert.is(word(gateway, CTL_POOL_USED), MAX);
});

test('the first conn that is dropped wakes the control plane', async () => {
  const gateway = await fullGateway();
  const bugs: unknown[] = [];
  const stop = startReclaiming(gateway.datapath.shared, tableOf(gateway), (cause) =>
    bugs.push(cause),
  );
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 5; n++) open(gateway, 3000 + round * 10 + n);
    assert.is(word(gateway, CTL_RETIRED_COUNT), 5);
    await waitUntil('all are reclaimed', () => word(gateway, CTL_RETIRED_COUNT) === 0);
  }
  await stop();
  assert.equal(bugs, []);
  assert.equal([gateway.connCount, gateway.tranUsed(SHARED_POOLS.udp)], [MAX, MAX]);
});

test('workers that drop conns under each other never see a slot change in a burst', async () => {
  const gateway = await TestGateway.open({ ceiling: 256, max: 200 });
  const { datapath } = gateway;
  Atomics.store(datapath.shared.u32, CTL_EARLY_DROP >>> 2, 1);
  const bugs: unknown[] = [];
  const stop = startReclaiming(datapath.shared, tableOf(gateway), (cause) => bugs.push(cause));
  const jobs = [1, 2].map((owner) => ({ task: 'drop-early' as const, owner, ms: 500 }));
  for (const { errors, first, operations } of await runWorkers(datapath, jobs)) {
    assert.is(first, '');
    assert.is(errors, 0);
    assert.ok(operations > 1000);
  }
  await waitUntil('all are reclaimed', () => word(gateway, CTL_RETIRED_COUNT) === 0);
  await stop();
  assert.equal(bugs, []);
  assert.is(gateway.connCount, 200);
  const { wasm } = datapath;
  const header = wasm.readIndex();
  let live = 0;
  for (let slot = 1; slot < word(gateway, CTL_POOL_NEXT); slot++) {
    const found = [FLOW_FWD, FLOW_REV].map((flow) => {
      const key = connAddr(slot) + CONN_KEYS + flow * KEY_SIZE;
      return wasm.indexLookup(header, key, wasm.hashKey(header, key)) >>> 0 === slot * 2 + flow;
    });
    const isLive = lifeOf(gateway, slot) === LIFE_LIVE;
    assert.equal(found, [isLive, isLive], `slot ${slot}`);
    if (isLive) live++;
  }
  assert.is(live, 200, 'every live conn is found, and no other');
});

test.run();
