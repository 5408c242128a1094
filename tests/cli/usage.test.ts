import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GATEWAY } from './support/gateway.js';
import { run } from './support/run.js';

/** A command that cannot be meant, and what the program says of it. */
interface Case {
  readonly args: readonly string[];
  readonly says: string;
}

const SET = ['conntrack', 'config', 'set'];
const SETTINGS = [
  'max',
  'closed-timeout',
  'new-timeout',
  'established-udp-timeout',
  'established-tcp-timeout',
  'half-close-timeout',
  'time-wait-timeout',
];
/** The others, with the words that they take. */
const MODES: readonly { name: string; choices: readonly string[]; expected: string }[] = [
  {
    name: 'tcp-window',
    choices: ['strict', 'liberal', 'off'],
    expected: 'strict, liberal or off',
  },
  { name: 'tcp-loose', choices: ['on', 'off'], expected: 'on or off' },
  { name: 'early-drop', choices: ['on', 'off'], expected: 'on or off' },
  { name: 'profile', choices: ['grout', 'rfc'], expected: 'grout or rfc' },
];
const EXPECTED = `${SETTINGS.join(', ')}, tcp-window, tcp-loose, adaptive, early-drop or profile`;
const POLICY = ['snat44', 'add', 'interface', 'p0', 'subnet', '10.99.0.0/24', 'replace', '1.2.3.4'];

const NOT_NUMBERS: readonly { text: string; shown: string }[] = [
  { text: '-1', shown: '-1' },
  { text: '-0', shown: '-0' },
  { text: '4294967296', shown: '4294967296' },
  { text: '99999999999999999999999', shown: '99999999999999999999999' },
  { text: '0x40', shown: '0x40' },
  { text: '64x', shown: '64x' },
  { text: 'ten', shown: 'ten' },
  { text: '1e3', shown: '1e3' },
  { text: '1.5', shown: '1.5' },
  { text: '+64', shown: '+64' },
  { text: ' 64', shown: '" 64"' },
  { text: '', shown: '""' },
  { text: '٣', shown: '"٣"' },
  { text: 'NaN', shown: 'NaN' },
  { text: 'Infinity', shown: 'Infinity' },
];

const CASES: readonly Case[] = [
  ...SETTINGS.flatMap((name) =>
    NOT_NUMBERS.map(({ text, shown }) => ({
      args: [...SET, name, text],
      says: `${name} ${shown} is not in 0..4294967295`,
    })),
  ),
  ...SETTINGS.flatMap((name) => [
    { args: [...SET, name], says: `${name}: a value is missing, expected 0..4294967295` },
    { args: [...SET, name, '1', name, '1'], says: `${name} is given twice` },
  ]),
  ...MODES.flatMap(({ name, choices, expected }) => [
    { args: [...SET, name], says: `${name}: a value is missing, expected ${expected}` },
    {
      args: [...SET, name, choices[0] ?? '', 'max', '1', name, choices[1] ?? ''],
      says: `${name} is given twice`,
    },
    ...['', 'x', '0', 'OFF', 'keep', 'offf', 'on off'].map((text) => ({
      args: [...SET, name, text],
      says: `${name} ${/^\w+$/.test(text) ? text : JSON.stringify(text)} is not ${expected}`,
    })),
  ]),
  // The first letter of two of its words.
  { args: [...SET, 'tcp-loose', 'o'], says: 'tcp-loose o is not on or off' },
  {
    args: [...SET, 'tcp', 'off'],
    says: 'tcp is ambiguous: tcp-window or tcp-loose',
  },
  { args: [...SET, 't', '5'], says: 't is ambiguous: time-wait-timeout, tcp-window or tcp-loose' },
  { args: SET, says: `config set: at least one of ${EXPECTED} is expected` },
  { args: [...SET, 'max', '1', 'm', '2'], says: 'max is given twice' },
  {
    args: [...SET, 'maximum', '1'],
    says: `unknown word maximum: expected ${EXPECTED}`,
  },
  {
    args: [...SET, 'established', '1'],
    says: 'established is ambiguous: established-udp-timeout or established-tcp-timeout',
  },
  {
    args: [...SET, 'adaptive'],
    says: 'adaptive: a value is missing, expected two percentages START END',
  },
  {
    args: [...SET, 'adaptive', '60'],
    says: 'adaptive: a value is missing, expected two percentages START END',
  },
  { args: [...SET, 'adaptive', '60', 'max'], says: 'adaptive max is not in 0..65535' },
  { args: [...SET, 'adaptive', '60%%', '120'], says: 'adaptive 60% is not in 0..65535' },
  { args: [...SET, 'adaptive', '60', '65536'], says: 'adaptive 65536 is not in 0..65535' },
  {
    args: [...SET, 'adaptive', '60', '60'],
    says: 'adaptive 60 60: the start is not below the end',
  },
  {
    args: [...SET, 'adaptive', '1 2', '3'],
    says: 'adaptive "1 2 3" is not two percentages START END',
  },
  {
    args: [...SET, 'max', '5', '-x'],
    says: `unknown word -x: expected ${EXPECTED}`,
  },
  {
    args: ['conntrack', 'bogus'],
    says: 'unknown command "conntrack bogus": expected flush, config, invalid or show',
  },
  {
    args: ['conntrack', ''],
    says: 'unknown command "conntrack ": expected flush, config, invalid or show',
  },
  {
    args: ['conntrack', 'shows'],
    says: 'unknown command "conntrack shows": expected flush, config, invalid or show',
  },
  { args: ['c', 'c', 's'], says: 'ambiguous command "conntrack config s": set or show' },
  { args: ['s'], says: 'ambiguous command "s": snat44 or stats' },
  {
    args: ['bogus'],
    says: 'unknown command "bogus": expected address, conntrack, interface, quit, route, snat44 or stats',
  },
  { args: ['conntrack', 'show', 'all'], says: 'all is one word too many' },
  { args: ['conntrack', 'flush', 'now'], says: 'now is one word too many' },
  { args: ['interface', 'add'], says: 'interface add: a word is missing, expected tun or port' },
  {
    args: ['interface', 'add', 'p0'],
    says: 'unknown command "interface add p0": expected tun or port',
  },
  { args: POLICY.slice(0, -2), says: 'replace is missing, expected replace IP' },
  { args: POLICY.slice(0, 2), says: 'interface is missing, expected interface NAME' },
  { args: POLICY.slice(0, -1), says: 'replace: a value is missing, expected an IPv4 address' },
  { args: [...POLICY, 'subnet', '10.0.0.0/8'], says: 'subnet is given twice' },
  {
    args: policy({ subnet: '10.99.0.1/24' }),
    says: 'subnet 10.99.0.1/24 has host bits set, the network is 10.99.0.0/24',
  },
  {
    args: policy({ subnet: '255.255.255.255/0' }),
    says: 'subnet 255.255.255.255/0 has host bits set, the network is 0.0.0.0/0',
  },
  {
    args: policy({ subnet: '10.99.0.0' }),
    says: 'subnet 10.99.0.0 has no prefix length, expected NET/LEN',
  },
  {
    args: policy({ subnet: '10.99.0.0/33' }),
    says: 'subnet 10.99.0.0/33 is not NET/LEN with LEN in 0..32',
  },
  {
    args: policy({ subnet: '10.99.0.0/-1' }),
    says: 'subnet 10.99.0.0/-1 is not NET/LEN with LEN in 0..32',
  },
  {
    args: policy({ subnet: '10.99.0.0/' }),
    says: 'subnet 10.99.0.0/ is not NET/LEN with LEN in 0..32',
  },
  {
    args: policy({ subnet: '10.99.0/24' }),
    says: 'subnet 10.99.0/24 is not NET/LEN with LEN in 0..32',
  },
  {
    args: policy({ replace: '172.16.0.256' }),
    says: 'replace 172.16.0.256 is not an IPv4 address',
  },
  { args: policy({ replace: '172.16.1' }), says: 'replace 172.16.1 is not an IPv4 address' },
  {
    args: policy({ replace: '172.16.0.1/24' }),
    says: 'replace 172.16.0.1/24 is not an IPv4 address',
  },
  { args: policy({ replace: '010.0.0.1' }), says: 'replace 010.0.0.1 is not an IPv4 address' },
  { args: policy({ replace: '' }), says: 'replace "" is not an IPv4 address' },
  {
    args: policy({ interface: '' }),
    says: 'interface "" has 0 bytes, expected a name of 1..15 bytes',
  },
  {
    args: policy({ interface: '0123456789abcdef' }),
    says: 'interface 0123456789abcdef has 16 bytes, expected a name of 1..15 bytes',
  },
  {
    args: policy({ interface: 'éééééééé' }),
    says: 'interface "éééééééé" has 16 bytes, expected a name of 1..15 bytes',
  },
  {
    args: policy({ interface: 'a/b' }),
    says: 'interface a/b is not a name: no "/" and no white space is possible',
  },
  {
    args: policy({ interface: 'a b' }),
    says: 'interface "a b" is not a name: no "/" and no white space is possible',
  },
  {
    args: policy({ interface: 'a\tb' }),
    says: 'interface "a\\tb" is not a name: no "/" and no white space is possible',
  },
  {
    args: policy({ interface: '..' }),
    says: 'interface .. is not a name: no "/" and no white space is possible',
  },
  {
    args: policy({ interface: '.' }),
    says: 'interface . is not a name: no "/" and no white space is possible',
  },
  { args: ['interface', 'del'], says: 'name: a value is missing, expected a name of 1..15 bytes' },
  { args: ['interface', 'add', 'tun', 'gw0', 'mtu', '67'], says: 'mtu 67 is not in 68..65535' },
  {
    args: ['interface', 'add', 'tun', 'gw0', 'mtu', '65536'],
    says: 'mtu 65536 is not in 68..65535',
  },
  {
    args: ['interface', 'add', 'port', 'gw0'],
    says: 'devargs is missing, expected devargs DEVARGS',
  },
  {
    args: ['interface', 'add', 'port', 'gw0', 'devargs', 'a b'],
    says: 'devargs "a b" is not 1..127 bytes without white space',
  },
  {
    args: ['address', 'add', '10.0.0.1', 'iface', 'p0'],
    says: 'address 10.0.0.1 has no prefix length, expected IP/LEN',
  },
  {
    args: ['address', 'add', '10.0.0/8', 'iface', 'p0'],
    says: 'address 10.0.0/8 is not IP/LEN with LEN in 0..32',
  },
  { args: ['address', 'add', '10.0.0.1/8'], says: 'iface is missing, expected iface NAME' },
  {
    args: ['address', 'add'],
    says: 'address: a value is missing, expected an IPv4 address and its prefix length (IP/LEN)',
  },
  { args: ['route', 'add', 'default'], says: 'via is missing, expected via IP' },
  {
    args: ['route', 'add', '10.0.0.1', 'via', '1.2.3.4'],
    says: 'destination 10.0.0.1 has no prefix length, expected NET/LEN',
  },
  {
    args: ['route', 'del', '10.1.2.3/8'],
    says: 'destination 10.1.2.3/8 has host bits set, the network is 10.0.0.0/8',
  },
  {
    args: ['route', 'del'],
    says: 'destination: a value is missing, expected an IPv4 subnet (NET/LEN) or default',
  },
  { args: ['stats', 'show', 'zero', 'z'], says: 'zero is given twice' },
  { args: ['stats', 'show', 'a*', 'b*'], says: 'PATTERN is given twice' },
  {
    args: ['-s', '', 'conntrack'],
    says: 'socket "" has 0 bytes, expected a path of 1..107 bytes',
  },
  {
    args: ['-s', `/${'a'.repeat(107)}`, 'conntrack'],
    says: `socket /${'a'.repeat(107)} has 108 bytes, expected a path of 1..107 bytes`,
  },
  { args: ['-Z', 'conntrack'], says: 'unknown option -Z' },
  {
    args: ['-1'],
    says: 'unknown command "-1": expected address, conntrack, interface, quit, route, snat44 or stats',
  },
  { args: ['--bogus'], says: 'unknown option --bogus' },
  { args: ['-f'], says: "option '-f, --file <PATH>' argument missing" },
  { args: ['-f', 'x', 'conntrack', 'show'], says: 'conntrack show is not expected behind -f x' },
];

const test = suite('cli usage');

for (const { args, says } of CASES) {
  test(`${JSON.stringify(args.join(' '))} is refused before anything is sent`, async () => {
    const { code, out, err, connects, requests } = await run(args, { answers: GATEWAY });
    assert.is(err, `error: ${says}\n`);
    assert.equal(
      { code, out, connects, requests },
      { code: 2, out: '', connects: 0, requests: [] },
    );
  });
}

test('with -j a usage error is one JSON object', async () => {
  const { code, err } = await run(['-j', ...SET, 'max', '-1'], { answers: GATEWAY });
  assert.equal(JSON.parse(err), { error: 'max -1 is not in 0..4294967295', exit_code: 2 });
  assert.is(code, 2);
});

test('without a command on a terminal, help goes to stderr', async () => {
  const { code, out, err, connects } = await run([]);
  assert.match(err, /^Usage: grcli \[options\] \[COMMAND\]/);
  assert.equal({ code, out, connects }, { code: 2, out: '', connects: 0 });
});

const HELP: readonly { args: readonly string[]; usage: string }[] = [
  { args: ['-h'], usage: 'grcli [options] [COMMAND]' },
  { args: ['--help'], usage: 'grcli [options] [COMMAND]' },
  { args: ['conntrack', '-h'], usage: 'grcli conntrack [COMMAND]' },
  { args: ['c', 'c', '--help'], usage: 'grcli conntrack config [COMMAND]' },
  { args: ['conntrack', 'flush', '--help'], usage: 'grcli conntrack flush' },
  { args: ['interface', 'add', '-h'], usage: 'grcli interface add COMMAND' },
  {
    args: ['interface', 'add', 'tun', '-h'],
    usage: 'grcli interface add tun NAME [dev NAME] [mtu N]',
  },
  { args: ['route', 'add', 'default', '-h'], usage: 'grcli route add DEST via IP' },
  {
    args: ['conntrack', 'config', 'set', '--help'],
    usage: `grcli conntrack config set ${SETTINGS.map((name) => `[${name} N]`).join(' ')} ${MODES.map(
      ({ name, choices }) => `[${name} ${choices.join('|')}]`,
    )
      .join(' ')
      .replace('[early-drop', '[adaptive START END] [early-drop')}`,
  },
];

for (const { args, usage } of HELP) {
  test(`${args.join(' ')} prints help and sends nothing`, async () => {
    const { code, out, err, connects } = await run(args);
    assert.is(out.split('\n')[0]?.trimEnd(), `Usage: ${usage}`);
    assert.equal({ code, err, connects }, { code: 0, err: '', connects: 0 });
  });
}

test('the help of config set tells of every setting', async () => {
  const { out } = await run([...SET, '--help']);
  for (const name of SETTINGS) assert.match(out, new RegExp(`^  ${name} N  `, 'm'));
  for (const { name, choices } of MODES)
    assert.ok(out.includes(`  ${name} ${choices.join('|')}  `));
});

test('-V prints the version', async () => {
  const { code, out } = await run(['-V']);
  assert.equal({ code, out }, { code: 0, out: 'grcli 1.2.3\n' });
});

test.run();

/** Returns `snat44 add` with other values. */
function policy(values: Readonly<Record<string, string>>): string[] {
  return POLICY.map((word, at) => values[POLICY[at - 1] ?? ''] ?? word);
}
