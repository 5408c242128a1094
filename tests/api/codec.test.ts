import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONN_STATES, CONNTRACK_CONF_GET, CONNTRACK_LIST } from '../../src/api/conntrack.js';
import { ControlError } from '../../src/api/errors.js';
import { IFACE_GET } from '../../src/api/iface.js';
import { IP4_ROUTE_LIST } from '../../src/api/route.js';
import { SNAT44_ADD, SNAT44_LIST } from '../../src/api/snat44.js';
import { STATS_GET } from '../../src/api/stats.js';
import { RECORDED_CONNS, RECORDED_PORT } from '../support/api-fixture.js';
import { hex } from '../support/raw-client.js';

const test = suite('api codecs');

const POLICY = {
  ifaceId: 0xffff,
  subnet: { addr: '10.1.2.0', prefixLength: 24 },
  replace: '255.254.253.252',
};

test('padding is zero, also in memory that was used before', () => {
  // Fills the pool that allocations without zeroing would come from.
  for (let i = 0; i < 64; i++) Buffer.allocUnsafe(4096).fill(0xa5);
  const conn = RECORDED_CONNS[0];
  assert.ok(conn);
  assert.is(CONNTRACK_LIST.encodeResponse(conn).readUInt32LE(28), 0);
  const policy = SNAT44_ADD.encodeRequest({ ...POLICY, existOk: true });
  assert.is(policy.readUInt16LE(2), 0);
  assert.is(policy.readUIntLE(9, 3), 0);
  assert.is(policy.readUIntLE(17, 3), 0);
});

test('a config without the clock has no time', () => {
  const payload = hex(`20000000 05000000 05000000 1e000000 2c010000 78000000 1e000000 02000000`);
  const status = CONNTRACK_CONF_GET.decodeResponse(payload);
  assert.is(status.nowNs, undefined);
  assert.is(status.max, 32);
  assert.is(status.used, 2);
  const extended = Buffer.concat([payload, hex('0807060504030201')]);
  assert.is(CONNTRACK_CONF_GET.decodeResponse(extended).nowNs, 0x0102030405060708n);
});

test('a recorded route is decoded', () => {
  const route = IP4_ROUTE_LIST.decodeResponse(
    hex(`0a620001 18560000 0100 02 00 01ff0300 0100aebd 00000000 02050218 0a620001
      ${'00'.repeat(12)} aaf2815afad1 0000`),
  );
  assert.equal(route, {
    vrfId: 1,
    dest: { addr: '10.98.0.1', prefixLength: 24 },
    origin: 2,
    via: '10.98.0.1',
    nexthop: {
      type: 1,
      origin: 255,
      ifaceId: 3,
      vrfId: 1,
      id: 0,
      state: 2,
      flags: 5,
      af: 2,
      prefixLength: 24,
      mac: 'aa:f2:81:5a:fa:d1',
    },
  });
});

test('a route to a next hop of another type has no address', () => {
  const route = IP4_ROUTE_LIST.decodeResponse(
    hex(`0a620000 18000000 0100 04 00 ${'02'.repeat(12)}`),
  );
  assert.is(route.via, undefined);
  assert.is(route.nexthop.type, 2);
});

test('an interface without its info, or of an unknown type, has none', () => {
  const port = IFACE_GET.encodeResponse(RECORDED_PORT);
  assert.is(IFACE_GET.decodeResponse(port.subarray(0, 292)).info, undefined);
  assert.is(IFACE_GET.decodeResponse(port.subarray(0, 465)).info, undefined);
  port.writeUInt8(8, 2);
  assert.is(IFACE_GET.decodeResponse(port).info, undefined);
});

test('texts without a NUL end with their field', () => {
  const payload = Buffer.alloc(18, 'x');
  assert.is(IFACE_GET.decodeRequest(payload).name, 'x'.repeat(16));
});

test('impossible values are refused by name', () => {
  const refuses = (code: string, action: () => unknown) =>
    assert.throws(action, (error: unknown) => {
      return error instanceof ControlError && error.code === code;
    });
  refuses('ENAMETOOLONG', () => IFACE_GET.encodeRequest({ id: 0, name: 'sixteen-bytes-xx' }));
  refuses('ENAMETOOLONG', () => IFACE_GET.encodeRequest({ id: 0, name: 'ü'.repeat(8) }));
  refuses('EINVAL', () => IFACE_GET.encodeRequest({ id: 0, name: 'a\0b' }));
  refuses('EINVAL', () => SNAT44_LIST.encodeResponse({ ...POLICY, replace: 'nowhere' }));
  const policy = SNAT44_LIST.encodeResponse(POLICY);
  policy.writeUInt8(33, 8);
  refuses('EINVAL', () => SNAT44_LIST.decodeResponse(policy));
  refuses('EMSGSIZE', () => STATS_GET.decodeResponse(hex(`0200 000000000000 ${'00'.repeat(191)}`)));
});

test('states are numbered as the protocol numbers them', () => {
  assert.is(CONN_STATES.indexOf('closed'), 0);
  assert.is(CONN_STATES.indexOf('established'), 4);
  assert.is(CONN_STATES.indexOf('time_wait'), 11);
  assert.is(CONN_STATES.length, 12);
});

test.run();
