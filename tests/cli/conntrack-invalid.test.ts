import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { le, text } from './support/fake-daemon.js';
import { CONNTRACK_CONF_GET, GATEWAY, gatewayWith, NOW_NS } from './support/gateway.js';
import { runLine } from './support/run.js';

const INVALID_LIST = 0x6a5c0002;
const SEC = 1_000_000_000n;

interface Fields {
  readonly agoNs?: bigint;
  readonly id?: number;
  readonly iface?: number;
  readonly flow?: number;
  readonly state?: number;
  readonly flags?: number;
  readonly isForwarded?: boolean;
  readonly seq?: number;
  readonly reason?: string;
}

/** Returns a record as it is on the wire; the side that sent it ends at 7, its edge is 1009001. */
function record(fields: Fields): string {
  const { agoNs = 0n, id = 0x01000002, iface = 3, flow = 0, state = 4, flags = 0x10 } = fields;
  const { isForwarded = false, seq = 999_999_999, reason = 'tcp_above_window' } = fields;
  return [
    le(NOW_NS - agoNs, 8),
    le(id, 4),
    le(iface, 2),
    le(flow, 1),
    le(state, 1),
    le(flags, 1),
    isForwarded ? '01' : '00',
    '2823',
    '0a630063 ac100002 9c40 0050',
    [seq, 5001, 5002, 66_000].map((word) => le(word, 4)).join(''),
    '2000 3000',
    `${[7, 1_009_001, 5001, 1_000_000, 500].map((word) => le(word, 4)).join('')} 03 000000`,
    `${[5002, 6000, 7, 5000, 9000].map((word) => le(word, 4)).join('')} 01 000000`,
    text(reason, 28),
  ].join('');
}

const ITEMS = [
  record({ agoNs: 100n * SEC, id: 0, state: 0, flags: 0, reason: 'tcp_bad_flags' }),
  record({ agoNs: 3n * SEC }),
  record({
    agoNs: -SEC,
    flow: 1,
    iface: 2,
    flags: 0x12,
    state: 3,
    isForwarded: true,
    seq: 1_009_003,
  }),
  record({ iface: 9, flow: 7, state: 99, flags: 0xff, reason: 'tcp_of_tomorrow' }),
];
const ANSWERS = gatewayWith([INVALID_LIST, { items: ITEMS }]);

const TABLE = `\
AGE  IFACE  FLOW  SRC         DST         SPORT  DPORT  FLAGS     STATE        REASON
100  p1     fwd   10.99.0.99  172.16.0.2  40000     80  -         -            tcp_bad_flags: no flag is set at all
  3  p1     fwd   10.99.0.99  172.16.0.2  40000     80  A         established  tcp_above_window: seq 999999999 is 998990998 above the window's edge
  0  p0     rev   10.99.0.99  172.16.0.2  40000     80  SA        syn_recv     tcp_above_window: seq 1009003 is 2 above the window's edge (forwarded all the same)
  0  9      ?     10.99.0.99  172.16.0.2  40000     80  SFRPAUEC  ?            tcp_of_tomorrow
`;

const test = suite('cli conntrack invalid');

for (const line of ['conntrack invalid show', 'conntrack invalid', 'c i s']) {
  test(`${line} shows a table with the reason in words`, async () => {
    const { code, out, err, requests } = await runLine(line, { answers: ANSWERS });
    assert.is(out, TABLE);
    assert.equal({ code, err }, { code: 0, err: '' });
    assert.is(requests[0], '6a5c0002');
    // Each name is asked for once, and the clock after the list.
    assert.is(requests.filter((request) => request.startsWith('acdc0003')).length, 3);
    assert.is(requests.at(-1), 'c0c00003');
  });
}

test('JSON has an object for each packet, with what it was judged by', async () => {
  const { out } = await runLine('-j conntrack invalid show', { answers: ANSWERS });
  const shown = JSON.parse(out);
  assert.is(shown.length, 4);
  assert.equal(shown[1], {
    age: 3,
    iface: 'p1',
    flow: 'fwd',
    src: '10.99.0.99',
    dst: '172.16.0.2',
    sport: 40000,
    dport: 80,
    flags: 'A',
    state: 'established',
    reason: 'tcp_above_window',
    why: "seq 999999999 is 998990998 above the window's edge",
    forwarded: false,
    conn: '0x01000002',
    seq: 999_999_999,
    ack: 5001,
    sack: 5002,
    window: 0x2328,
    length: 16,
    own: { end: 7, max_end: 1_009_001, max_ack: 5001, max_win: 500 },
    peer: { end: 5002, max_end: 6000, max_ack: 7, max_win: 9000 },
  });
  assert.equal([shown[0].conn, shown[0].state, shown[2].forwarded], ['-', '-', true]);
  // SYN takes a number of its own.
  assert.is(shown[2].length, 17);
  assert.is(shown[3].why, '');
});

test('without invalid packets there is no header, and JSON is an empty array', async () => {
  const answers = gatewayWith([INVALID_LIST, { items: [] }]);
  const { code, out, requests } = await runLine('conntrack invalid', { answers });
  assert.equal({ code, out, requests }, { code: 0, out: '', requests: ['6a5c0002'] });
  assert.is((await runLine('-j conntrack invalid', { answers })).out, '[]\n');
});

test('a daemon without a record says so', async () => {
  const { code, err } = await runLine('conntrack invalid', { answers: GATEWAY });
  assert.is(err, 'error: command failed: Operation not supported (ENOTSUP)\n');
  assert.is(code, 1);
});

test('a daemon that does not tell its clock is measured with this one', async () => {
  const payload = '00'.repeat(32);
  const answers = gatewayWith(
    [INVALID_LIST, { items: [record({})] }],
    [CONNTRACK_CONF_GET, { payload }],
  );
  const options = { answers, monotonicNs: NOW_NS + 42n * SEC };
  const { out } = await runLine('-j conntrack invalid', options);
  assert.is(JSON.parse(out)[0].age, 42);
});

test.run();
