import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CTL_POOL_MAX,
  DROP_INDEX_FULL,
  DROP_NO_CONN,
  DROP_TABLE_FULL,
  DROP_TRAN_IDS_EXHAUSTED,
  MAX_BURST,
  STATE_NEW,
  TRAN_HEADER_SIZE,
  TRAN_HEADERS_BASE,
  TRAN_LOWEST_PORT,
  TRAN_USED,
  VERDICT_DROP,
  VERDICT_FORWARD,
  VERDICT_LOCAL,
} from '../../assembly/layout.js';
import { printedSeed } from '../support/datapath.js';
import { buildIcmpEcho, buildIcmpError, buildTcp, buildUdp } from '../support/packets.js';
import { RACE_ROUNDS, RACERS } from '../support/race-burst.js';
import {
  host,
  INSIDE,
  OTHER_POOLS,
  OUTSIDE,
  POLICIES,
  ROUTES,
  SHARED_POOLS,
  TestGateway,
} from '../support/test-gateway.js';
import { runWorkers } from '../support/workers.js';

const OUT = { src: '10.99.0.5', dst: '192.0.2.9' };
const PORTS = { sport: 40000, dport: 53 };

const test = suite('conn create');

/** What the sender of a refused packet gets: the packet as it came, and that nobody is there. */
function hostUnreachable(packet: Buffer): Buffer {
  const error = { type: 3, code: 1, src: '10.99.0.1', dst: OUT.src, tos: 0xc0, df: true };
  return buildIcmpError(error, packet);
}

test('refuses the conn that is one too many, and takes its packets again when there is room', async () => {
  const gateway = await TestGateway.open({ ceiling: 2, max: 1 });
  const first = { iface: INSIDE, packet: buildUdp({ ...OUT, ...PORTS }) };
  const second = { iface: INSIDE, packet: buildUdp({ ...OUT, ...PORTS, sport: 40001 }) };
  assert.is(gateway.decideOne(first).verdict, VERDICT_FORWARD);
  const answer = gateway.decideOne(second);
  assert.equal([answer.verdict, answer.reason], [VERDICT_LOCAL, DROP_TABLE_FULL]);
  assert.equal(answer.packet, hostUnreachable(second.packet));
  assert.is(gateway.counter(DROP_TABLE_FULL), 1);
  assert.is(gateway.decideOne(first).verdict, VERDICT_FORWARD, 'the known conn goes on');
  assert.is(gateway.tranUsed(SHARED_POOLS.udp), 1);
  Atomics.store(gateway.datapath.shared.u32, CTL_POOL_MAX >>> 2, 2);
  assert.is(gateway.decideOne(second).verdict, VERDICT_FORWARD);
});

test('refuses a conn without a tran id, and gives its slot back', async () => {
  const gateway = await TestGateway.open();
  const used = TRAN_HEADERS_BASE + SHARED_POOLS.udp * TRAN_HEADER_SIZE + TRAN_USED;
  gateway.datapath.view.setUint32(used, 65536 - TRAN_LOWEST_PORT, true);
  const packet = buildUdp({ ...OUT, ...PORTS });
  const answer = gateway.decideOne({ iface: INSIDE, packet });
  assert.equal([answer.verdict, answer.reason], [VERDICT_LOCAL, DROP_TRAN_IDS_EXHAUSTED]);
  assert.equal(answer.packet, hostUnreachable(packet));
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
    const answer = gateway.decideOne({ iface: INSIDE, packet });
    isFull = answer.reason === DROP_INDEX_FULL;
    if (isFull) assert.equal(answer.packet, hostUnreachable(packet));
    assert.is(gateway.connCount, isFull ? conns : conns + 1);
    assert.is(gateway.tranUsed(SHARED_POOLS.udp), gateway.connCount);
  }
  assert.ok(isFull);
});

test('a conn notes what it was made by', async () => {
  const gateway = await TestGateway.open();
  const { clock } = gateway.datapath;
  const sources = ['10.99.0.5', '10.98.0.5', '10.97.0.5'];
  const packets = sources.flatMap((src) => [
    buildUdp({ ...OUT, ...PORTS, src }),
    buildTcp({ ...OUT, ...PORTS, src, flags: 'S' }),
    buildIcmpEcho({ ...OUT, src, type: 8 }, 77, 1),
  ]);
  const pools = [SHARED_POOLS, SHARED_POOLS, OTHER_POOLS];
  for (const [n, packet] of packets.entries()) {
    clock.advance(1n);
    gateway.decideOne({ iface: INSIDE, packet });
    const policy = Math.floor(n / 3);
    const { udp, tcp, icmp } = pools[policy] ?? SHARED_POOLS;
    assert.equal(gateway.conn(n + 1), {
      state: STATE_NEW,
      flags: 0,
      lastUpdateNs: clock.nowNs,
      policyId: 11 + policy,
      tranPool: [udp, tcp, icmp][n % 3],
    });
  }
});

test('the policy with the longest prefix makes the conn, whatever their lengths', async () => {
  const gateway = await TestGateway.open();
  const prefixes = ['0.0.0.0/0', '10.0.0.0/8', '10.99.0.0/24', '10.99.0.128/25', '10.99.0.200/32'];
  const policies = prefixes.map((prefix, n) => {
    const [network = '', prefixLength] = prefix.split('/');
    const replace = host('172.16.0.1');
    const fields = { network: host(network), prefixLength: Number(prefixLength), replace };
    return { id: 20 + n, ifaceId: OUTSIDE, ...fields, pools: SHARED_POOLS };
  });
  await gateway.publish({ policies });
  const sources = ['192.0.2.77', '10.50.0.5', '10.99.0.5', '10.99.0.201', '10.99.0.200'];
  for (const [n, src] of sources.entries()) {
    gateway.decideOne({ iface: INSIDE, packet: buildUdp({ ...OUT, ...PORTS, src }) });
    assert.is(gateway.conn(n + 1).policyId, 20 + n, src);
  }
});

test("begins no conn by a key that is another's reply", async () => {
  const gateway = await TestGateway.open();
  const inside = { ...PORTS, src: '10.97.0.5', dst: '192.0.2.9' };
  assert.is(gateway.decideOne({ iface: INSIDE, packet: buildUdp(inside) }).outIface, OUTSIDE);
  // The outside address becomes a host's, and what was remote is now translated.
  await gateway.publish({
    routes: ROUTES.filter(({ network }) => network !== host('172.16.0.9')),
    policies: POLICIES.map((policy) => ({ ...policy, network: host('192.0.2.0') })),
  });
  const reply = { src: '192.0.2.9', dst: '172.16.0.9', sport: PORTS.dport, dport: PORTS.sport };
  const departure = gateway.decideOne({ iface: OUTSIDE, packet: buildUdp(reply) });
  assert.equal([departure.verdict, departure.reason], [VERDICT_DROP, DROP_NO_CONN]);
  assert.equal([gateway.connCount, gateway.tranUsed(SHARED_POOLS.udp)], [1, 0]);
});

test('workers that begin the same conns at the same time share them', async () => {
  const gateway = await TestGateway.open({ ceiling: 8192 });
  const seed = printedSeed('conn create race');
  const jobs = Array.from({ length: RACERS }, (_, n) => ({
    task: 'race-burst' as const,
    owner: n + 1,
    ms: 0,
    seed: seed + n,
  }));
  for (const { errors, first } of await runWorkers(gateway.datapath, jobs)) {
    assert.is(first, '');
    assert.is(errors, 0);
  }
  // Whoever came second has given back what it took.
  const begun = RACE_ROUNDS * MAX_BURST;
  assert.equal([gateway.connCount, gateway.tranUsed(SHARED_POOLS.udp)], [begun, begun]);
});

test.run();
