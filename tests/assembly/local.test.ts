import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  COUNT_FORWARDED,
  COUNT_LOCAL,
  REASON_NONE,
  VERDICT_LOCAL,
  VNET_F_NEEDS_CSUM,
} from '../../assembly/layout.js';
import { buildIcmpEcho, buildVnet } from '../support/packets.js';
import { INSIDE, OUTSIDE, TestGateway } from '../support/test-gateway.js';

const gateway = await TestGateway.open();
const test = suite('local');

/** Who asks which of our addresses, and where the answer leaves. */
const ASKERS = [
  { name: 'an inside host', iface: INSIDE, src: '10.99.0.5', dst: '10.99.0.1', out: INSIDE },
  { name: 'an outside host', iface: OUTSIDE, src: '192.0.2.9', dst: '172.16.0.1', out: OUTSIDE },
  {
    name: 'an inside host that asks the outside address',
    iface: INSIDE,
    src: '10.99.0.5',
    dst: '172.16.0.1',
    out: INSIDE,
  },
  {
    name: 'an outside host that asks the inside address',
    iface: OUTSIDE,
    src: '192.0.2.9',
    dst: '10.99.0.1',
    out: OUTSIDE,
  },
];

for (const { name, iface, src, dst, out } of ASKERS)
  test(`answers the ping of ${name}`, () => {
    gateway.resetCounters();
    const payload = Buffer.from('sixteen odd bytes');
    const options = Buffer.from([1, 1, 1, 0]);
    const fields = { src, dst, type: 8, ttl: 1, id: 4711, tos: 4, options };
    const packet = buildIcmpEcho(fields, 77, 3, payload);
    const answer = gateway.decideOne({ iface, packet });
    assert.is(answer.verdict, VERDICT_LOCAL);
    assert.is(answer.reason, REASON_NONE);
    assert.is(answer.outIface, out);
    const wanted = { ...fields, src: dst, dst: src, type: 0, ttl: 64 };
    assert.equal(answer.packet, buildIcmpEcho(wanted, 77, 3, payload));
    assert.is(gateway.counter(COUNT_LOCAL), 1);
    assert.is(gateway.counter(COUNT_FORWARDED), 0);
    assert.is(gateway.reasonCount, 0);
    assert.is(gateway.connCount, 0, 'own answers are not translated');
  });

test('says that the answer is whole, whatever came before the request', () => {
  const packet = buildIcmpEcho({ src: '10.99.0.5', dst: '10.99.0.1', type: 8 }, 1, 1);
  const vnet = buildVnet({ flags: VNET_F_NEEDS_CSUM, gsoType: 1, gsoSize: 99, csumStart: 20 });
  assert.equal(gateway.decideOne({ iface: INSIDE, packet, vnet }).vnet, Buffer.alloc(10));
});

test('a wrong ICMP checksum stays wrong', () => {
  const ends = { src: '10.99.0.5', dst: '10.99.0.1' };
  const right = buildIcmpEcho({ ...ends, type: 8 }, 1, 1).readUInt16BE(22);
  const packet = buildIcmpEcho({ ...ends, type: 8, checksum: right - 1 }, 1, 1);
  const answer = gateway.decideOne({ iface: INSIDE, packet }).packet;
  const wanted = buildIcmpEcho({ src: ends.dst, dst: ends.src, type: 0 }, 1, 1);
  assert.is(answer.readUInt16BE(22), wanted.readUInt16BE(22) - 1);
});

test.run();
