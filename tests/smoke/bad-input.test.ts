import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Gateway, GRCLI } from '../support/gateway.js';
import { Lab, WAN_HOST } from '../support/lab.js';
import { runCommand } from '../support/netns.js';

const CONNS = 12;
const NO_SOCKET = '/nonexistent/grout.sock';

const lab = await Lab.open();
await lab.wanHost.call('tcpListen', 2030);
for (let i = 0; i < CONNS; i++) await lab.lanHost.call('tcpConnect', WAN_HOST, 2030);
const test = suite('bad-input');

test.after(async () => {
  await lab.close();
});

/** What the command line makes no sense of; `names` is the word that it must name. */
const USAGE_ERRORS: readonly { words: string; names: RegExp }[] = [
  { words: 'conntrack config set', names: /max/ },
  { words: 'conntrack config set max', names: /max/ },
  { words: 'conntrack config set max -1', names: /-1/ },
  { words: 'conntrack config set max 1.5', names: /1\.5/ },
  { words: 'conntrack config set max 0x40', names: /0x40/ },
  { words: 'conntrack config set max lots', names: /lots/ },
  { words: 'conntrack config set max 4294967296', names: /4294967296/ },
  { words: 'conntrack config set max 64 max 64', names: /max/ },
  { words: 'conntrack config set closed-timeout -1', names: /-1/ },
  { words: 'conntrack config set time-wait-timeout 4294967296', names: /4294967296/ },
  { words: 'conntrack config set bogus 5', names: /bogus/ },
  { words: 'conntrack bogus', names: /bogus/ },
  { words: 'bogus', names: /bogus/ },
  { words: 'conntrack flush now', names: /now/ },
  { words: 'address add 10.0.0.1 iface p0', names: /10\.0\.0\.1/ },
  { words: 'address add 10.0.0.256/24 iface p0', names: /10\.0\.0\.256/ },
  { words: 'snat44 add interface p0 subnet 10.0.0.0/33 replace 1.2.3.4', names: /10\.0\.0\.0\/33/ },
  { words: 'snat44 add interface p0 subnet 10.0.0.0/24', names: /replace/ },
];

for (const { words, names } of USAGE_ERRORS) {
  test(`usage error, and no daemon is asked: ${words}`, async () => {
    const args = [GRCLI, '-s', NO_SOCKET, ...words.split(' ')];
    const { status, stdout, stderr } = await runCommand(process.execPath, args);
    assert.is(status, 2, stderr);
    assert.is(stdout, '');
    assert.match(stderr, names);
  });
}

test('without a daemon the exit code is 3', async () => {
  const args = [GRCLI, '-s', NO_SOCKET, 'conntrack', 'show'];
  const { status, stderr } = await runCommand(process.execPath, args);
  assert.is(status, 3);
  assert.match(stderr, new RegExp(NO_SOCKET));
});

const REFUSED: readonly { words: string; says: RegExp }[] = [
  { words: 'conntrack config set max 5', says: /max 5 is below the 12 connections in use/ },
  { words: 'conntrack config set max 1048577', says: /1048577.*1048576/ },
  { words: 'conntrack config set max 4294967295', says: /4294967295.*1048576/ },
  { words: 'interface del nope', says: /nope/ },
  { words: 'address add 192.0.2.1/24 iface nope', says: /nope/ },
  { words: 'snat44 add interface nope subnet 10.9.0.0/24 replace 1.2.3.4', says: /nope/ },
];

for (const { words, says } of REFUSED) {
  test(`refused, and nothing is changed: ${words}`, async () => {
    const before = await everything(lab.gateway);
    const { status, stderr } = await lab.gateway.cli(words);
    assert.is(status, 1, stderr);
    assert.match(stderr, says);
    assert.is(await everything(lab.gateway), before);
  });
}

test('a zero keeps the present value', async () => {
  const before = await lab.gateway.do('conntrack config show');
  await lab.gateway.do('conntrack config set max 0 closed-timeout 0 time-wait-timeout 0');
  assert.is(await lab.gateway.do('conntrack config show'), before);
});

test('a full table refuses new connections and keeps the old ones', async () => {
  await lab.gateway.do(`conntrack config set max ${CONNS}`);
  const fails = await lab.lanHost.call('tcpConnect', WAN_HOST, 2030, 500).then(
    () => false,
    () => true,
  );
  assert.ok(fails, 'a connection beyond max was made');
  assert.is((await lab.gateway.conns()).length, CONNS);
  await lab.gateway.do('conntrack config set max 1024');
  await lab.lanHost.call('tcpConnect', WAN_HOST, 2030);
});

async function everything(gateway: Gateway): Promise<string> {
  const shows = ['conntrack config show', 'interface show', 'address show', 'route show'];
  return gateway.do(...shows, 'snat44 show');
}

test.run();
