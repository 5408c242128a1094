import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, le, text } from './support/fake-daemon.js';
import {
  GATEWAY,
  gatewayWith,
  IFACE_ADD,
  IFACE_LIST,
  IFACE_STATS_GET,
  IP4_ADDR_LIST,
  IP4_ROUTE_LIST,
  MAIN,
  P0,
  P1,
  SNAT44_LIST,
  STATS_GET,
} from './support/gateway.js';
import { runLine } from './support/run.js';

const GET_P0 = `acdc0003 0000${text('p0', 16)}`;
const GET_P1 = `acdc0003 0000${text('p1', 16)}`;

/** Commands that change something: what they send, byte for byte as captured or as specified. */
const CHANGES: readonly { line: string; sent: readonly string[] }[] = [
  {
    line: 'snat44 add interface p0 subnet 10.99.1.0/24 replace 172.16.0.1',
    sent: [GET_P0, '0bad0004 020000000a63010018000000ac10000101000000'],
  },
  {
    line: 'sn a r 172.16.0.1 s 10.99.1.0/24 i p0',
    sent: [GET_P0, '0bad0004 020000000a63010018000000ac10000101000000'],
  },
  {
    line: 'snat44 del interface p0 subnet 10.99.1.0/24 replace 172.16.0.1',
    sent: [GET_P0, '0bad0005 020000000a63010018000000ac10000101000000'],
  },
  {
    line: 'address add 10.98.0.1/24 iface p1',
    sent: [GET_P1, 'f00d0005 030000000a6200011800000001000000'],
  },
  {
    line: 'address del 10.98.0.1/24 iface p1',
    sent: [GET_P1, 'f00d0006 030000000a6200011800000001000000'],
  },
  {
    line: 'route add default via 172.16.0.2',
    sent: ['f00d0001 010000000000000000000000ac1000020000000004010000'],
  },
  {
    line: 'route add 10.1.0.0/16 via 172.16.0.2',
    sent: ['f00d0001 010000000a01000010000000ac1000020000000004010000'],
  },
  { line: 'route del default', sent: ['f00d0002 01000000000000000000000001000000'] },
  { line: 'route del 10.1.0.0/16', sent: ['f00d0002 010000000a0100001000000001000000'] },
  { line: 'interface del p1', sent: [GET_P1, 'acdc0002 0300'] },
  { line: 'stats reset', sent: ['acdc000c'] },
  { line: 'interface add tun gw0', sent: [ifaceAdd('gw0', 'net_tap,iface=gw0', 0)] },
  { line: 'interface add tun p9 dev x-p9', sent: [ifaceAdd('p9', 'net_tap,iface=x-p9', 0)] },
  { line: 'int a t p9 m 1400 d x-p9', sent: [ifaceAdd('p9', 'net_tap,iface=x-p9', 1400)] },
  {
    line: 'interface add port p9 devargs net_tap9,iface=x-p9',
    sent: [ifaceAdd('p9', 'net_tap9,iface=x-p9', 0)],
  },
  {
    line: 'interface add port p9 devargs 0000:18:00.0 mtu 9000',
    sent: [ifaceAdd('p9', '0000:18:00.0', 9000)],
  },
];

const test = suite('cli nouns');

for (const { line, sent } of CHANGES) {
  test(`${line} sends exactly its requests and prints nothing`, async () => {
    const { code, out, err, requests } = await runLine(line, { answers: GATEWAY });
    assert.equal(requests, sent);
    assert.equal({ code, out, err }, { code: 0, out: '', err: '' });
  });
}

test('an interface that does not exist is refused, and nothing changes', async () => {
  for (const line of ['address add 10.0.0.1/8 iface nope', 'interface del nope']) {
    const { code, err, requests } = await runLine(line, { answers: GATEWAY });
    assert.is(err, 'error: command failed: No such device (ENODEV)\n');
    assert.is(code, 1);
    assert.equal(
      requests.filter((request) => !request.startsWith('6a5c0001')),
      [`acdc0003 0000${text('nope', 16)}`],
    );
  }
});

/** Lists: what a daemon streams and what is shown of it. */
const LISTS: readonly {
  line: string;
  answer: readonly [number, Answer];
  sent: string;
  table: string;
  json: unknown;
}[] = [
  {
    line: 'snat44 show',
    answer: [SNAT44_LIST, { items: ['02000000 0a630000 18000000 ac100001'] }],
    sent: '0bad0006',
    table: 'INTERFACE  SUBNET        REPLACE\np0         10.99.0.0/24  172.16.0.1\n',
    json: [{ interface: 'p0', subnet: '10.99.0.0/24', replace: '172.16.0.1' }],
  },
  {
    line: 'address show',
    answer: [
      IP4_ADDR_LIST,
      { items: ['02000000 ac100001 18000000', '03000000 0a630001 18000000'] },
    ],
    sent: 'f00d0007 00000000',
    table: 'IFACE  FAMILY  ADDRESS\np0     ipv4    172.16.0.1/24\np1     ipv4    10.99.0.1/24\n',
    json: [
      { iface: 'p0', family: 'ipv4', address: '172.16.0.1/24' },
      { iface: 'p1', family: 'ipv4', address: '10.99.0.1/24' },
    ],
  },
  {
    line: 'route show',
    answer: [
      IP4_ROUTE_LIST,
      {
        items: [
          `0a630000 18000000 0100 02 00 01 ff 0300 0100 0000 00000000
           02 05 02 18 0a630001 ${'00'.repeat(12)} a681faf4e012 0000`,
          `00000000 00000000 0100 04 00 01 04 0200 0100 0000 00000000
           02 02 02 00 ac100002 ${'00'.repeat(12)} 000000000000 0000`,
        ].map((hex) => hex.replace(/\s/g, '')),
      },
    ],
    sent: 'f00d0004 00000000',
    table:
      'VRF   FAMILY  DESTINATION   ORIGIN  NEXT_HOP\n' +
      'main  ipv4    10.99.0.0/24  link    ' +
      'type=L3 iface=p1 addr=10.99.0.1/24 state=reachable flags=local link\n' +
      'main  ipv4    0.0.0.0/0     static  ' +
      'type=L3 iface=p0 addr=172.16.0.2 state=reachable flags=gateway\n',
    json: [
      {
        vrf: 'main',
        family: 'ipv4',
        destination: '10.99.0.0/24',
        origin: 'link',
        next_hop: 'type=L3 iface=p1 addr=10.99.0.1/24 state=reachable flags=local link',
      },
      {
        vrf: 'main',
        family: 'ipv4',
        destination: '0.0.0.0/0',
        origin: 'static',
        next_hop: 'type=L3 iface=p0 addr=172.16.0.2 state=reachable flags=gateway',
      },
    ],
  },
  {
    line: 'interface show',
    answer: [IFACE_LIST, { items: [MAIN, P0, P1] }],
    sent: 'acdc0004 00',
    table: `\
NAME  ID  FLAGS                     MODE  DOMAIN  TYPE  INFO
main   1  up running                VRF   main    vrf
p0     2  up running allmulti snat  VRF   main    port  devargs=net_tap0,iface=x-p0 mac=36:7f:da:16:40:f2
p1     3  up running allmulti       VRF   main    port  devargs=net_tap1,iface=x-p1
`,
    json: [
      {
        name: 'main',
        id: 1,
        flags: 'up running',
        mode: 'VRF',
        domain: 'main',
        type: 'vrf',
        info: '',
      },
      {
        name: 'p0',
        id: 2,
        flags: 'up running allmulti snat',
        mode: 'VRF',
        domain: 'main',
        type: 'port',
        info: 'devargs=net_tap0,iface=x-p0 mac=36:7f:da:16:40:f2',
      },
      {
        name: 'p1',
        id: 3,
        flags: 'up running allmulti',
        mode: 'VRF',
        domain: 'main',
        type: 'port',
        info: 'devargs=net_tap1,iface=x-p1',
      },
    ],
  },
  {
    line: 'interface stats',
    answer: [
      IFACE_STATS_GET,
      {
        payload:
          `0200 000000000000 0100 000000000000 ${'00'.repeat(80)} 0200 000000000000` +
          [14, 1083, 0, 10, 659, 0, 1, 2, 3, 4].map((value) => le(value, 8)).join(''),
      },
    ],
    sent: 'acdc0006',
    table: `\
INTERFACE  RX_PACKETS  RX_BYTES  RX_DROPS  TX_PACKETS  TX_BYTES  TX_ERRORS  CP_RX_PACKETS  CP_RX_BYTES  CP_TX_PACKETS  CP_TX_BYTES
main                0         0         0           0         0          0              0            0              0            0
p0                 14      1083         0          10       659          0              1            2              3            4
`,
    json: [
      {
        interface: 'main',
        rx_packets: 0,
        rx_bytes: 0,
        rx_drops: 0,
        tx_packets: 0,
        tx_bytes: 0,
        tx_errors: 0,
        cp_rx_packets: 0,
        cp_rx_bytes: 0,
        cp_tx_packets: 0,
        cp_tx_bytes: 0,
      },
      {
        interface: 'p0',
        rx_packets: 14,
        rx_bytes: 1083,
        rx_drops: 0,
        tx_packets: 10,
        tx_bytes: 659,
        tx_errors: 0,
        cp_rx_packets: 1,
        cp_rx_bytes: 2,
        cp_tx_packets: 3,
        cp_tx_bytes: 4,
      },
    ],
  },
  {
    line: 'stats show',
    answer: [
      STATS_GET,
      {
        payload: [
          '0200 000000000000',
          `${text('forward', 64)} ${le(0, 8)} ${le(1n << 33n, 8)} ${le(300, 8)} ${le(0, 8)}`,
          `${text('drop_ttl', 64)} ${le(1, 8)} ${le(5, 8)} ${le(2, 8)} ${le(0, 8)}`,
        ].join(''),
      },
    ],
    sent: `acdc000b 0100ffff${text('*', 64)}`,
    table:
      'NAME         PACKETS  BATCHES\n' +
      'forward   8589934592      300\n' +
      'drop_ttl           5        2\n',
    json: [
      { name: 'forward', packets: 8589934592, batches: 300 },
      { name: 'drop_ttl', packets: 5, batches: 2 },
    ],
  },
];

for (const { line, answer, sent, table, json } of LISTS) {
  test(`${line} prints its table`, async () => {
    const { code, out, requests } = await runLine(line, { answers: gatewayWith(answer) });
    assert.is(out, table);
    assert.is(requests[0], sent);
    assert.is(code, 0);
    const [noun = ''] = line.split(' ');
    if (line.endsWith(' show'))
      assert.is((await runLine(noun, { answers: gatewayWith(answer) })).out, table);
  });

  test(`-j ${line} prints an array of objects`, async () => {
    const { out } = await runLine(`-j ${line}`, { answers: gatewayWith(answer) });
    assert.equal(JSON.parse(out), json);
  });
}

test('address show of one interface asks for that one', async () => {
  const answers = gatewayWith([IP4_ADDR_LIST, { items: ['03000000 0a630001 18000000'] }]);
  const { out, requests } = await runLine('address show iface p1', { answers });
  assert.equal(requests.slice(0, 2), [GET_P1, 'f00d0007 00000300']);
  assert.is(out, 'IFACE  FAMILY  ADDRESS\np1     ipv4    10.99.0.1/24\n');
});

test('interface show of one interface tells all that is known of it', async () => {
  const { out } = await runLine('interface show name p0', { answers: GATEWAY });
  assert.is(
    out,
    'name: p0\ntype: port\nid: 2\nflags: up running allmulti snat\nmode: VRF\nvrf: main\n' +
      'mtu: 1500\nspeed: 10000\ndevargs: net_tap0,iface=x-p0\ndriver: net_tap\n' +
      'mac: 36:7f:da:16:40:f2\nn_rxq: 1\nn_txq: 1\nrxq_size: 32\ntxq_size: 32\n',
  );
  const json = JSON.parse((await runLine('-j interface show name p1', { answers: GATEWAY })).out);
  assert.equal(
    { name: json.name, id: json.id, mac: json.mac },
    { name: 'p1', id: 3, mac: undefined },
  );
});

const QUERIES: readonly { line: string; sent: string }[] = [
  { line: 'stats show software', sent: `0100ffff${text('*', 64)}` },
  { line: 'stats show software drop_* zero', sent: `0500ffff${text('drop_*', 64)}` },
  { line: 'stats show --zero drop_*', sent: `0500ffff${text('drop_*', 64)}` },
  { line: 'stats show z drop_*', sent: `0500ffff${text('drop_*', 64)}` },
];

for (const { line, sent } of QUERIES) {
  test(`${line} asks for just that`, async () => {
    const answers = gatewayWith([STATS_GET, { payload: '00'.repeat(8) }]);
    const { code, out, requests } = await runLine(line, { answers });
    assert.equal(requests, [`acdc000b ${sent}`]);
    assert.equal({ code, out }, { code: 0, out: '' });
  });
}

test('a refusal in the midst of a stream shows nothing of it', async () => {
  const answers = gatewayWith([SNAT44_LIST, { status: 12 }]);
  const { code, out, err } = await runLine('snat44 show', { answers });
  assert.is(err, 'error: command failed: Cannot allocate memory (ENOMEM)\n');
  assert.equal({ code, out }, { code: 1, out: '' });
});

test('the reply to interface add is not printed, as JSON neither', async () => {
  const answers = gatewayWith([IFACE_ADD, { payload: '0700' }]);
  const { code, out } = await runLine('-j interface add tun gw0', { answers });
  assert.equal({ code, out }, { code: 0, out: '' });
});

test.run();

/** Returns the request that creates a port: as captured from upstream's client, mtu aside. */
function ifaceAdd(name: string, devargs: string, mtu: number): string {
  return [
    `acdc0001 0000020001000000${le(mtu, 2)}${'00'.repeat(10)}${text(name, 16)}`,
    '00'.repeat(256),
    `${'00'.repeat(14)}${text(devargs, 128)}${'00'.repeat(32)}`,
  ].join('');
}
