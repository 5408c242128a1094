/*
 * Every message: number and sizes as in the C headers of the protocol, and values that survive the
 * wire. Golden bytes are in tests/host/api-golden.test.ts and tests/api/codec.test.ts.
 */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { IP4_ADDR_ADD, IP4_ADDR_DEL, IP4_ADDR_LIST, IP6_ADDR_LIST } from '../../src/api/address.js';
import {
  CONNTRACK_CONF_GET,
  CONNTRACK_CONF_SET,
  CONNTRACK_FLUSH,
  CONNTRACK_LIST,
} from '../../src/api/conntrack.js';
import { HELLO } from '../../src/api/hello.js';
import { IFACE_ADD, IFACE_DEL, IFACE_GET, IFACE_LIST } from '../../src/api/iface.js';
import { INVALID_LIST } from '../../src/api/invalid-packet.js';
import { ERROR_GET } from '../../src/api/last-error.js';
import type { Message } from '../../src/api/message.js';
import {
  IP4_ROUTE_ADD,
  IP4_ROUTE_DEL,
  IP4_ROUTE_LIST,
  IP6_ROUTE_LIST,
} from '../../src/api/route.js';
import { SNAT44_ADD, SNAT44_DEL, SNAT44_LIST } from '../../src/api/snat44.js';
import { IFACE_STATS_GET, STATS_GET, STATS_RESET } from '../../src/api/stats.js';
import { RECORDED_CONNS, RECORDED_PORT } from '../support/api-fixture.js';

const test = suite('api messages');

interface Case<Req, Res> {
  readonly message: Message<Req, Res>;
  readonly type: number;
  readonly isStream: boolean;
  readonly request: Req;
  /** Bytes of the encoded request, then of the encoded response. */
  readonly sizes: readonly [number, number];
  readonly response: Res;
}

const CONFIG = {
  max: 1,
  closedTimeoutSec: 2,
  newTimeoutSec: 3,
  establishedUdpTimeoutSec: 4,
  establishedTcpTimeoutSec: 5,
  halfCloseTimeoutSec: 6,
  timeWaitTimeoutSec: 0xffffffff,
  tcpWindow: 0,
  tcpLoose: 0,
  earlyDrop: 0,
  adaptiveStart: 0,
  adaptiveEnd: 0,
};
const POLICY = {
  ifaceId: 0xffff,
  subnet: { addr: '10.1.2.0', prefixLength: 24 },
  replace: '255.254.253.252',
};
const ADDRESS = { ifaceId: 3, addr: '10.98.0.1', prefixLength: 32 };
const ROUTE = {
  vrfId: 1,
  dest: { addr: '10.98.0.0', prefixLength: 24 },
  origin: 4,
  via: '172.16.0.2',
  nexthop: {
    type: 1,
    origin: 255,
    ifaceId: 3,
    vrfId: 1,
    id: 7,
    state: 2,
    flags: 5,
    af: 2,
    prefixLength: 24,
    mac: '02:00:00:00:00:01',
  },
};
const STAT = { name: 'drop', topoOrder: 1n, packets: 2n ** 64n - 1n, batches: 3n, cycles: 4n };
const IFACE_STATS = {
  ifaceId: 2,
  rxPackets: 1n,
  rxBytes: 2n ** 63n,
  rxDrops: 3n,
  txPackets: 4n,
  txBytes: 5n,
  txErrors: 6n,
  cpRxPackets: 7n,
  cpRxBytes: 8n,
  cpTxPackets: 9n,
  cpTxBytes: 10n,
};

roundTrip({
  message: HELLO,
  type: 0xcafe1981,
  isStream: false,
  request: { apiVersion: 10, version: 'v1' },
  sizes: [132, 2],
  response: { maxIfaces: 64 },
});
roundTrip({
  message: CONNTRACK_LIST,
  type: 0xc0c00001,
  isStream: true,
  request: {},
  sizes: [0, 48],
  response: RECORDED_CONNS[0],
});
roundTrip({
  message: CONNTRACK_FLUSH,
  type: 0xc0c00002,
  isStream: false,
  request: {},
  sizes: [0, 0],
  response: undefined,
});
roundTrip({
  message: CONNTRACK_CONF_GET,
  type: 0xc0c00003,
  isStream: false,
  request: {},
  sizes: [0, 48],
  response: { ...CONFIG, tcpWindow: 3, tcpLoose: 1, used: 9, nowNs: 2n ** 63n, migratedPercent: 7 },
});
roundTrip({
  message: CONNTRACK_CONF_SET,
  type: 0xc0c00004,
  isStream: false,
  request: CONFIG,
  sizes: [28, 0],
  response: undefined,
});
for (const modes of [{ tcpWindow: 1 }, { tcpLoose: 2 }, { tcpWindow: 3, tcpLoose: 1 }])
  roundTrip({
    message: CONNTRACK_CONF_SET,
    type: 0xc0c00004,
    isStream: false,
    request: { ...CONFIG, ...modes },
    sizes: [32, 0],
    response: undefined,
  });
for (const existOk of [false, true])
  roundTrip({
    message: SNAT44_ADD,
    type: 0x0bad0004,
    isStream: false,
    request: { ...POLICY, existOk },
    sizes: [20, 0],
    response: undefined,
  });
for (const missingOk of [false, true])
  roundTrip({
    message: SNAT44_DEL,
    type: 0x0bad0005,
    isStream: false,
    request: { ...POLICY, missingOk },
    sizes: [20, 0],
    response: undefined,
  });
roundTrip({
  message: SNAT44_LIST,
  type: 0x0bad0006,
  isStream: true,
  request: {},
  sizes: [0, 16],
  response: POLICY,
});
roundTrip({
  message: IFACE_ADD,
  type: 0xacdc0001,
  isStream: false,
  request: RECORDED_PORT,
  sizes: [466, 2],
  response: 4,
});
roundTrip({
  message: IFACE_DEL,
  type: 0xacdc0002,
  isStream: false,
  request: 0xffff,
  sizes: [2, 0],
  response: undefined,
});
roundTrip({
  message: IFACE_GET,
  type: 0xacdc0003,
  isStream: false,
  request: { id: 0, name: 'fifteen-bytes-x' },
  sizes: [18, 466],
  response: RECORDED_PORT,
});
roundTrip({
  message: IFACE_LIST,
  type: 0xacdc0004,
  isStream: true,
  request: 2,
  sizes: [1, 316],
  response: {
    ...RECORDED_PORT,
    type: 1,
    speedMbps: 0xffffffff,
    description: 'd'.repeat(255),
    info: {
      kind: 'vrf',
      ip4: { maxRoutes: 1, tbl8Count: 2 },
      ip6: { maxRoutes: 3, tbl8Count: 4 },
    },
  },
});
roundTrip({
  message: IFACE_STATS_GET,
  type: 0xacdc0006,
  isStream: false,
  request: {},
  sizes: [0, 8 + 2 * 88],
  response: [IFACE_STATS, { ...IFACE_STATS, ifaceId: 3 }],
});
roundTrip({
  message: STATS_GET,
  type: 0xacdc000b,
  isStream: false,
  request: { flags: 1, cpu: 0xffff, pattern: 'drop_*' },
  sizes: [68, 8 + 3 * 96],
  response: [STAT, STAT, { ...STAT, name: '' }],
});
roundTrip({
  message: STATS_RESET,
  type: 0xacdc000c,
  isStream: false,
  request: {},
  sizes: [0, 0],
  response: undefined,
});
roundTrip({
  message: IP4_ROUTE_ADD,
  type: 0xf00d0001,
  isStream: false,
  request: {
    vrfId: 1,
    dest: { addr: '0.0.0.0', prefixLength: 0 },
    via: '172.16.0.2',
    nexthopId: 9,
    origin: 4,
    existOk: true,
  },
  sizes: [24, 0],
  response: undefined,
});
roundTrip({
  message: IP4_ROUTE_DEL,
  type: 0xf00d0002,
  isStream: false,
  request: { vrfId: 0, dest: { addr: '10.0.0.0', prefixLength: 8 }, missingOk: true },
  sizes: [16, 0],
  response: undefined,
});
roundTrip({
  message: IP4_ROUTE_LIST,
  type: 0xf00d0004,
  isStream: true,
  request: { vrfId: 0, max: 1000 },
  sizes: [4, 52],
  response: ROUTE,
});
roundTrip({
  message: IP4_ADDR_ADD,
  type: 0xf00d0005,
  isStream: false,
  request: { ...ADDRESS, existOk: true },
  sizes: [16, 0],
  response: undefined,
});
roundTrip({
  message: IP4_ADDR_DEL,
  type: 0xf00d0006,
  isStream: false,
  request: { ...ADDRESS, missingOk: false },
  sizes: [16, 0],
  response: undefined,
});
roundTrip({
  message: IP4_ADDR_LIST,
  type: 0xf00d0007,
  isStream: true,
  request: { vrfId: 1, ifaceId: 2 },
  sizes: [4, 12],
  response: ADDRESS,
});
roundTrip({
  message: IP6_ADDR_LIST,
  type: 0xfeed0007,
  isStream: true,
  request: { vrfId: 1, ifaceId: 2 },
  sizes: [4, 20],
  response: Buffer.alloc(20, 7),
});
roundTrip({
  message: IP6_ROUTE_LIST,
  type: 0xfeed0004,
  isStream: true,
  request: { vrfId: 1, max: 2 },
  sizes: [4, 40],
  response: Buffer.alloc(40, 7),
});
roundTrip({
  message: INVALID_LIST,
  type: 0x6a5c0002,
  isStream: true,
  request: {},
  sizes: [0, 128],
  response: {
    timeNs: 2n ** 62n,
    connId: 0xffffffff,
    ifaceId: 0xffff,
    flow: 1,
    state: 11,
    flags: 0xff,
    isForwarded: true,
    window: 0xfffe,
    src: '255.254.253.252',
    dst: '1.2.3.4',
    sport: 0xfffd,
    dport: 1,
    seq: 0xfffffffc,
    ack: 2,
    sack: 0xfffffffb,
    ackSlack: 66_000,
    headerBytes: 60,
    segmentBytes: 65_515,
    own: {
      isHeard: true,
      hasAcked: false,
      hasChallenged: true,
      end: 3,
      maxEnd: 4,
      maxAck: 5,
      isnOrFin: 6,
      maxWin: 0xfffffffa,
    },
    peer: {
      isHeard: false,
      hasAcked: true,
      hasChallenged: false,
      end: 7,
      maxEnd: 8,
      maxAck: 9,
      isnOrFin: 10,
      maxWin: 11,
    },
    reason: 'a'.repeat(27),
  },
});
roundTrip({
  message: ERROR_GET,
  type: 0x6a5c0001,
  isStream: false,
  request: {},
  sizes: [0, 13],
  response: 'zu groß: 10 ',
});

function roundTrip<Req, Res>(row: Case<Req, Res>): void {
  const { message, type, isStream, request, sizes, response } = row;
  test(`${message.name} keeps its number, its sizes and its values`, () => {
    assert.is(message.type, type);
    assert.is(message.isStream, isStream);
    const sent = message.encodeRequest(request);
    const answered = message.encodeResponse(response);
    assert.equal([sent.length, answered.length], sizes);
    assert.ok(message.requestSize <= sent.length && message.responseSize <= answered.length);
    assert.equal(message.decodeRequest(sent), request);
    assert.equal(message.decodeResponse(answered), response);
    // A structure may have grown at its end. A text's end is its payload's.
    if (message.name === 'ERROR_GET' || Buffer.isBuffer(response)) return;
    const tail = Buffer.alloc(3, 0xa5);
    assert.equal(message.decodeRequest(Buffer.concat([sent, tail])), request);
    assert.equal(message.decodeResponse(Buffer.concat([answered, tail])), response);
  });
}

test.run();
