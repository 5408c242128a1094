import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CTL_POOL_MAX,
  DROP_INDEX_FULL,
  DROP_TABLE_FULL,
  DROP_TRAN_IDS_EXHAUSTED,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST_PORT,
  TRAN_USED,
  VERDICT_FORWARD,
} from '../../assembly/layout.js';
import { buildIcmpEcho, buildUdp } from '../support/packets.js';
import { INSIDE, SHARED_POOLS, TestGateway } from '../support/test-gateway.js';

const OUT = { src: '10.99.0.5', dst: '192.0.2.9' };
const PORTS = { sport: 40000, dport: 53 };

const test = suite('conn create');

test('refuses the conn that is one too many, and takes its packets again when there is room', async () => {
  const gateway = await TestGateway.open({ ceiling: 2, max: 1 });
  const first = { iface: INSIDE, packet: buildUdp({ ...OUT, ...PORTS }) };
  const second = { iface: INSIDE, packet: buildUdp({ ...OUT, ...PORTS, src: '10.99.0.6' }) };
  assert.is(gateway.decideOne(first).verdict, VERDICT_FORWARD);
  assert.is(gateway.decideOne(second).reason, DROP_TABLE_FULL);
  assert.is(gateway.decideOne(first).verdict, VERDICT_FORWARD, 'the known conn goes on');
  assert.is(gateway.tranUsed(SHARED_POOLS.udp), 1);
  Atomics.store(gateway.datapath.shared.u32, CTL_POOL_MAX >>> 2, 2);
  assert.is(gateway.decideOne(second).verdict, VERDICT_FORWARD);
});

test('refuses a conn without a tran id, and gives its slot back', async () => {
  const gateway = await TestGateway.open();
  const used = TRAN_HEADERS_BASE + SHARED_POOLS.udp * TRAN_HEADER_SIZE + TRAN_USED;
  gateway.datapath.view.setUint32(used, 65536 - TRAN_LOWEST_PORT, true);
  assert.is(
    gateway.decideOne({ iface: INSIDE, packet: buildUdp({ ...OUT, ...PORTS }) }).reason,
    DROP_TRAN_IDS_EXHAUSTED,
  );
  assert.is(gateway.connCount, 0);
  const other = { iface: INSIDE, packet: buildIcmpEcho({ ...OUT, type: 8 }, 77, 1) };
  assert.is(gateway.decideOne(other).verdict, VERDICT_FORWARD, 'another pool has some');
});

test('refuses a conn that finds no place in the index, and gives slot and id back', async () => {
  const gateway = await TestGateway.open({ ceiling: 1000, max: 1 });
  Atomics.store(gateway.datapath.shared.u32, CTL_POOL_MAX >>> 2, 1000);
  let isFull = false;
  for (let conns = 0; !isFull && conns < 1000; conns++) {
    const packet = buildUdp({ ...OUT, sport: 2000 + conns, dport: 53 });
    const { reason } = gateway.decideOne({ iface: INSIDE, packet });
    isFull = reason === DROP_INDEX_FULL;
    assert.is(gateway.connCount, isFull ? conns : conns + 1);
    assert.is(gateway.tranUsed(SHARED_POOLS.udp), gateway.connCount);
  }
  assert.ok(isFull);
});

test.run();
