import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GRCLI } from '../support/gateway.js';
import { Lab, WAN_HOST } from '../support/lab.js';
import { runCommand } from '../support/netns.js';

const lab = await Lab.open();
const test = suite('man-page');

test.after(async () => {
  await lab.close();
});

/** The example output of grcli-conntrack(1); `#` stands for what differs from run to run. */
const SHOWN = `\
IFACE          ID  STATE        FLOW  SRC         DST         PROTO  SPORT  DPORT  LAST_UPDATE
p0     0x########  closed       fwd   10.99.0.99  172.16.0.2  TCP    #####   1234            #
                                rev   172.16.0.2  172.16.0.1          1234  #####
p0     0x########  established  fwd   10.99.0.99  172.16.0.2  UDP    #####   1234            #
                                rev   172.16.0.2  172.16.0.1          1234  #####
`;
/** What follows the lines of the manual page. */
const MODES = `\
tcp-window strict
tcp-loose off
adaptive 60 120
early-drop on
`;
const CONFIG = `\
used 2 (0.2%)
max 1024
closed-timeout 2
new-timeout 5
established-udp-timeout 30
established-tcp-timeout 300
half-close-timeout 120
time-wait-timeout 30
${MODES}`;
const DEFAULT_CONFIG = `\
used 0 (0.0%)
max 16384
closed-timeout 5
new-timeout 5
established-udp-timeout 30
established-tcp-timeout 300
half-close-timeout 120
time-wait-timeout 30
${MODES}`;

test('a new gateway has the documented settings and no conn', async () => {
  assert.is(await lab.gateway.do('conntrack config show'), DEFAULT_CONFIG);
  assert.is(await lab.gateway.do('conntrack config'), DEFAULT_CONFIG);
  assert.is(await lab.gateway.do('conntrack show'), '');
  assert.is((await lab.gateway.cli('conntrack show', ['-j'])).stdout.trim(), '[]');
});

test('show and config show print what the manual shows', async () => {
  await lab.gateway.do('conntrack config set max 1024 closed-timeout 2');
  const listener = await lab.wanHost.call('tcpListen', 1234);
  const server = await lab.wanHost.call('udpBind', 1234);
  // Five digits in every port, as in the example.
  const udp = await lab.lanHost.call('udpBind', 37778);
  const tcp = await lab.lanHost.call('tcpConnect', WAN_HOST, 1234, 5000, 55828);
  await lab.wanHost.call('tcpAccept', listener);
  await lab.lanHost.call('tcpReset', tcp.id);
  await lab.lanHost.call('udpSend', udp.id, WAN_HOST, 1234, 'hello');
  const { address, port } = (await lab.wanHost.call('udpReceive', server.id)) ?? {};
  await lab.wanHost.call('udpSend', server.id, address ?? '', port ?? 0, 'hello');
  await lab.lanHost.call('udpReceive', udp.id);

  const [shown, bare] = [await lab.gateway.do('conntrack show'), await lab.gateway.do('conntrack')];
  for (const text of [shown, bare]) assert.match(text, pattern(SHOWN));
  assert.is(await lab.gateway.do('conntrack config show'), CONFIG);
});

test('the examples work as they are written, one by one and as a script', async () => {
  const examples = [
    'conntrack show',
    'conntrack flush',
    'conntrack config show',
    'conntrack config set max 1024 closed-timeout 2',
    'conntrack config set max 2048 established-tcp-timeout 3600',
    'conntrack config set new-timeout 60 established-udp-timeout 1800',
  ];
  await lab.gateway.do(...examples);
  const script = `${examples.join('\n')}\nconntrack config show\n`;
  const args = [GRCLI, '-s', lab.gateway.socketPath, '-e'];
  const { status, stdout } = await runCommand(process.execPath, args, { input: script });
  assert.is(status, 0);
  assert.ok(
    stdout.endsWith(`\
used 0 (0.0%)
max 2048
closed-timeout 2
new-timeout 60
established-udp-timeout 1800
established-tcp-timeout 3600
half-close-timeout 120
time-wait-timeout 30
${MODES}`),
    stdout,
  );
});

/** Returns the pattern of a text in which `#` is any hexadecimal digit. */
function pattern(text: string): RegExp {
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('#', '[0-9a-f]')}$`);
}

test.run();
