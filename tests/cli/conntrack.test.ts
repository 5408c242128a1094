import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { le, text } from './support/fake-daemon.js';
import {
  CONNTRACK_CONF_GET,
  CONNTRACK_CONF_SET,
  CONNTRACK_LIST,
  ERROR_GET,
  GATEWAY,
  gatewayWith,
  IFACE_GET,
  MAN_PAGE_CONFIG,
  MAN_PAGE_CONNS,
  NOW_NS,
} from './support/gateway.js';
import { runLine } from './support/run.js';

/** As the manual page prints it, byte for byte; the modes follow its last line. */
const MAN_PAGE_SHOW = `\
IFACE          ID  STATE        FLOW  SRC         DST         PROTO  SPORT  DPORT  LAST_UPDATE
p0     0x5caefe40  closed       fwd   10.99.0.99  172.16.0.2  TCP    55828   1234            0
                                rev   172.16.0.2  172.16.0.1          1234  21373
p0     0x5caeff00  established  fwd   10.99.0.99  172.16.0.2  UDP    37778   1234            0
                                rev   172.16.0.2  172.16.0.1          1234  28265
`;
const MAN_PAGE_CONFIG_SHOW = `\
used 2 (0.2%)
max 1024
closed-timeout 2
new-timeout 5
established-udp-timeout 30
established-tcp-timeout 300
half-close-timeout 120
time-wait-timeout 30
`;
const MODES_SHOW = `\
tcp-window strict
tcp-loose off
`;

/** The manual page's examples that change something, and what they send. */
const MAN_PAGE_EXAMPLES: readonly { line: string; sent: string }[] = [
  { line: 'conntrack flush', sent: 'c0c00002' },
  {
    line: 'conntrack config set max 1024 closed-timeout 2',
    sent: 'c0c00004 00040000020000000000000000000000000000000000000000000000',
  },
  {
    line: 'conntrack config set max 2048 established-tcp-timeout 3600',
    sent: 'c0c00004 00080000000000000000000000000000100e00000000000000000000',
  },
  {
    line: 'conntrack config set new-timeout 60 established-udp-timeout 1800',
    sent: 'c0c00004 00000000000000003c00000008070000000000000000000000000000',
  },
];

const CONNS = gatewayWith([CONNTRACK_LIST, { items: MAN_PAGE_CONNS }]);
const GET_P0 = 'acdc0003 020000000000000000000000000000000000';

const test = suite('cli conntrack');

test('conntrack show prints the table of the manual page', async () => {
  const { code, out, err, requests } = await runLine('conntrack show', { answers: CONNS });
  assert.is(out, MAN_PAGE_SHOW);
  assert.is(err, '');
  assert.is(code, 0);
  // A name is asked for once, and the clock after the list.
  assert.equal(requests, ['c0c00001', GET_P0, 'c0c00003']);
});

test('conntrack config show prints the lines of the manual page, then the modes', async () => {
  const { code, out, requests } = await runLine('conntrack config show', { answers: GATEWAY });
  assert.is(out, `${MAN_PAGE_CONFIG_SHOW}${MODES_SHOW}`);
  assert.is(code, 0);
  assert.equal(requests, ['c0c00003']);
});

for (const { line, sent } of MAN_PAGE_EXAMPLES) {
  test(`${line} sends exactly its request and prints nothing`, async () => {
    const { code, out, err, requests } = await runLine(line, { answers: GATEWAY });
    assert.equal(requests, [sent]);
    assert.equal({ code, out, err }, { code: 0, out: '', err: '' });
  });
}

for (const line of ['conntrack', 'conn', 'c sh', 'conntrack s']) {
  test(`${line} shows the connections`, async () => {
    assert.is((await runLine(line, { answers: CONNS })).out, MAN_PAGE_SHOW);
  });
}

for (const line of ['conntrack config', 'c c', 'c config sh']) {
  test(`${line} shows the settings`, async () => {
    const { out } = await runLine(line, { answers: GATEWAY });
    assert.is(out, `${MAN_PAGE_CONFIG_SHOW}${MODES_SHOW}`);
  });
}

test('settings come in any order, may be abbreviated, and 0 keeps', async () => {
  const line = 'c c set time-wait-timeout 1 h 2 established-t 3 established-u 4 n 5 c 6 m 0';
  const { code, requests } = await runLine(line, { answers: GATEWAY });
  const sent = 'c0c00004 00000000060000000500000004000000030000000200000001000000';
  assert.equal(requests, [sent]);
  assert.is(code, 0);
});

test('the largest value of a setting is sent as it is', async () => {
  const line = 'conntrack config set max 4294967295';
  const { requests } = await runLine(line, { answers: GATEWAY });
  assert.equal(requests, [`c0c00004 ffffffff${'00'.repeat(24)}`]);
});

test('without connections the table has no header, and JSON is an empty array', async () => {
  const { code, out, requests } = await runLine('conntrack show', { answers: GATEWAY });
  assert.equal({ code, out }, { code: 0, out: '' });
  assert.equal(requests, ['c0c00001']);
  assert.is((await runLine('-j conntrack show', { answers: GATEWAY })).out, '[]\n');
});

test('JSON tells of a connection in one object', async () => {
  const { out } = await runLine('-j conntrack show', { answers: CONNS });
  assert.equal(JSON.parse(out), [
    {
      iface: 'p0',
      id: '0x5caefe40',
      state: 'closed',
      proto: 'TCP',
      last_update: 0,
      fwd: { src: '10.99.0.99', dst: '172.16.0.2', sport: 55828, dport: 1234 },
      rev: { src: '172.16.0.2', dst: '172.16.0.1', sport: 1234, dport: 21373 },
    },
    {
      iface: 'p0',
      id: '0x5caeff00',
      state: 'established',
      proto: 'UDP',
      last_update: 0,
      fwd: { src: '10.99.0.99', dst: '172.16.0.2', sport: 37778, dport: 1234 },
      rev: { src: '172.16.0.2', dst: '172.16.0.1', sport: 1234, dport: 28265 },
    },
  ]);
});

test('JSON tells of the settings in one object', async () => {
  const payload = `20000000 05000000 05000000 1e000000 2c010000 78000000 1e000000 01000000`;
  const answers = gatewayWith([CONNTRACK_CONF_GET, { payload }]);
  assert.is(
    (await runLine('-j conntrack config show', { answers })).out,
    '{"used":1,"used_percent":3.1,"max":32,"closed-timeout":5,"new-timeout":5,' +
      '"established-udp-timeout":30,"established-tcp-timeout":300,"half-close-timeout":120,' +
      '"time-wait-timeout":30}\n',
  );
});

test('a max of 0 is used to 0.0 percent', async () => {
  const answers = gatewayWith([CONNTRACK_CONF_GET, { payload: '00'.repeat(40) }]);
  const { out } = await runLine('conntrack config show', { answers });
  assert.match(out, /^used 0 \(0\.0%\)\nmax 0\n/);
});

const STATES =
  'closed new simsyn_sent syn_recv established fin_sent fin_recv close_wait fin_wait closing ' +
  'last_ack time_wait ? ?';

test('every state has its name, an unknown one is ?', async () => {
  const items = STATES.split(' ').map((_, state) =>
    conn({ state: state === 13 ? 0xffffffff : state }),
  );
  const answers = gatewayWith([CONNTRACK_LIST, { items }]);
  const { out } = await runLine('-j conntrack show', { answers });
  const shown: readonly { state: string }[] = JSON.parse(out);
  assert.is(shown.map(({ state }) => state).join(' '), STATES);
});

test('protocols have names, others are told by number', async () => {
  const items = [1, 6, 17, 47].map((proto) => conn({ proto }));
  const { out } = await runLine('-j conntrack show', {
    answers: gatewayWith([CONNTRACK_LIST, { items }]),
  });
  const shown: readonly { proto: string }[] = JSON.parse(out);
  assert.equal(
    shown.map(({ proto }) => proto),
    ['ICMP', 'TCP', 'UDP', '47'],
  );
});

test('an interface that is gone is told by its number, and asked for once', async () => {
  const items = [conn({ iface: 9 }), conn({ iface: 2 }), conn({ iface: 9 })];
  const answers = gatewayWith([CONNTRACK_LIST, { items }]);
  const { code, out, requests } = await runLine('conntrack show', { answers });
  const shown = out.split('\n').filter((line) => /0x/.test(line));
  assert.equal(
    shown.map((line) => line.slice(0, 2).trim()),
    ['9', 'p0', '9'],
  );
  assert.is(requests.filter((request) => request.startsWith('acdc0003')).length, 2);
  assert.is(code, 0);
});

const AGES: readonly { name: string; agoNs: bigint; shown: number }[] = [
  { name: 'a packet that is newer than the clock is now', agoNs: -5_000_000_000n, shown: 0 },
  { name: 'less than a second is 0', agoNs: 999_999_999n, shown: 0 },
  { name: 'a second is 1', agoNs: 1_000_000_000n, shown: 1 },
  { name: 'a begun second does not count', agoNs: 301_999_999_999n, shown: 301 },
];

for (const { name, agoNs, shown } of AGES) {
  test(`last update: ${name}`, async () => {
    const items = [conn({ lastUpdateNs: NOW_NS - agoNs })];
    const answers = gatewayWith([CONNTRACK_LIST, { items }]);
    const { out } = await runLine('-j conntrack show', { answers, monotonicNs: 7n });
    assert.is(JSON.parse(out)[0].last_update, shown);
  });
}

test('a daemon that does not tell its clock is measured with this one', async () => {
  const answers = gatewayWith(
    [CONNTRACK_LIST, { items: [conn({ lastUpdateNs: 100_000_000_000n })] }],
    [CONNTRACK_CONF_GET, { payload: MAN_PAGE_CONFIG.slice(0, 8 * 9) }],
  );
  const { out } = await runLine('-j conntrack show', { answers, monotonicNs: 142_500_000_000n });
  assert.is(JSON.parse(out)[0].last_update, 42);
});

test('columns grow with their cells and JSON stays whole over many chunks', async () => {
  const items = Array.from({ length: 3000 }, (_, id) => conn({ id }));
  const answers = gatewayWith([CONNTRACK_LIST, { items }]);
  const { out } = await runLine('-j conntrack show', { answers });
  const shown: readonly { id: string }[] = JSON.parse(out);
  assert.is(shown.length, 3000);
  assert.is(shown[2999]?.id, '0x00000bb7');
  const table = (await runLine('conntrack show', { answers })).out.split('\n');
  assert.is(table.length, 1 + 2 * 3000 + 1);
  assert.not.ok(table.some((line) => line !== line.trimEnd()));
});

test("a refusal is told in the daemon's words", async () => {
  const answers = gatewayWith(
    [CONNTRACK_CONF_SET, { status: 28 }],
    [
      ERROR_GET,
      { payload: Buffer.from('max 10 is below the 37 connections in use').toString('hex') },
    ],
  );
  const { code, out, err } = await runLine('conntrack config set max 10', { answers });
  const told = 'error: command failed: max 10 is below the 37 connections in use (ENOSPC)\n';
  assert.equal({ code, out, err }, { code: 1, out: '', err: told });
  const json = await runLine('-j conntrack config set max 10', { answers });
  assert.equal(JSON.parse(json.err), {
    error: 'max 10 is below the 37 connections in use',
    errno: 'ENOSPC',
    exit_code: 1,
  });
  assert.is(json.err.split('\n').length, 2);
});

test('a refusal without a reason is told in the words of its errno', async () => {
  const answers = gatewayWith([CONNTRACK_CONF_SET, { status: 16 }]);
  const { code, err } = await runLine('conntrack config set max 64', { answers });
  assert.is(err, 'error: command failed: Device or resource busy (EBUSY)\n');
  assert.is(code, 1);
});

test('an answer that is too short is refused', async () => {
  const answers = gatewayWith([CONNTRACK_CONF_GET, { payload: '00'.repeat(31) }]);
  const { code, err } = await runLine('conntrack config show', { answers });
  assert.match(err, /EMSGSIZE/);
  assert.is(code, 1);
});

test('a name that a daemon cannot have made is no reason to crash', async () => {
  const answers = gatewayWith(
    [CONNTRACK_LIST, { items: [conn({})] }],
    [
      IFACE_GET,
      { payload: `${'00'.repeat(20)}${text('0123456789abcdef', 16)}${'00'.repeat(256)}` },
    ],
  );
  const { out } = await runLine('-j conntrack show', { answers });
  assert.is(JSON.parse(out)[0].iface, '0123456789abcdef');
});

test.run();

interface ConnFields {
  readonly iface?: number;
  readonly proto?: number;
  readonly lastUpdateNs?: bigint;
  readonly id?: number;
  readonly state?: number;
}

/** Returns a conn as it is on the wire. */
function conn({
  iface = 2,
  proto = 6,
  lastUpdateNs = NOW_NS,
  id = 1,
  state = 4,
}: ConnFields): string {
  return [
    le(iface, 2),
    '02',
    le(proto, 1),
    '0a630063 ac100002 0001 0002 ac100002 ac100001 0002 0003 00000000',
    le(lastUpdateNs, 8),
    le(id, 4),
    le(state, 4),
  ].join('');
}
