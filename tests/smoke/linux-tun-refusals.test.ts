// Which device names, sizes and rights are refused, and what becomes of persistent devices.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlError, type ErrnoName } from '../../src/api/errors.js';
import { openLinuxTun } from '../../src/tun/linux.js';
import { Netns, requireTun, runCommand } from '../support/netns.js';

const all = suite('linux tun refusals');
const test = (await requireTun('linux tun refusals')) ? all : all.skip;
// Device names are unique to this process: another run of these tests may share the namespace.
const NAME = `g${process.pid}`;

function refuses(code: ErrnoName, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ControlError && error.code === code && message.test(error.message);
}

test('a name in use is refused, be it a device like ours or any other', async () => {
  const netns = await Netns.create();
  const first = openLinuxTun({ name: NAME, mtu: 1500, queueCount: 2 });
  try {
    for (const queueCount of [1, 2])
      assert.throws(
        () => openLinuxTun({ name: NAME, mtu: 1500, queueCount }),
        refuses('EBUSY', new RegExp(`${NAME} is taken`)),
      );
    assert.throws(
      () => openLinuxTun({ name: 'lo', mtu: 1500, queueCount: 1 }),
      refuses('EBUSY', /lo is taken/),
    );
  } finally {
    first.close();
    await netns.dispose();
  }
});

for (const { kind, queueCount } of [
  { kind: [], queueCount: 1 },
  { kind: ['multi_queue'], queueCount: 1 },
  { kind: ['multi_queue'], queueCount: 2 },
]) {
  test(`a persistent device (${kind.join() || 'one queue'}) serves ${queueCount} and stays`, async () => {
    const tuntap = (verb: string) =>
      runCommand('ip', ['tuntap', verb, 'dev', NAME, 'mode', 'tun', ...kind]);
    assert.is((await tuntap('add')).status, 0);
    try {
      const device = openLinuxTun({ name: NAME, mtu: 1400, queueCount });
      assert.is(device.queues.length, queueCount);
      if (kind.length === 0)
        assert.throws(
          () => openLinuxTun({ name: NAME, mtu: 1400, queueCount }),
          refuses('EBUSY', /is taken/),
        );
      device.close();
      const { stdout } = await runCommand('ip', ['-details', 'link', 'show', 'dev', NAME]);
      assert.match(stdout, /mtu 1400 .*persist on/s);
    } finally {
      await tuntap('del');
    }
  });
}

test('a persistent device of one queue cannot serve two workers', async () => {
  const tuntap = (verb: string) => runCommand('ip', ['tuntap', verb, 'dev', NAME, 'mode', 'tun']);
  assert.is((await tuntap('add')).status, 0);
  try {
    assert.throws(
      () => openLinuxTun({ name: NAME, mtu: 1500, queueCount: 2 }),
      refuses('EBUSY', /free for 2 queues/),
    );
  } finally {
    await tuntap('del');
  }
});

test('nothing stays open after a failure half-way', async () => {
  const openCount = () => readdirSync('/proc/self/fd').length;
  const before = openCount();
  // The kernel gives a device 256 queues at most.
  assert.throws(
    () => openLinuxTun({ name: NAME, mtu: 1500, queueCount: 257 }),
    refuses('ENOSPC', /no queue left/),
  );
  assert.is(openCount(), before);
  assert.is((await runCommand('ip', ['link', 'show', 'dev', NAME])).status, 1);
});

for (const { name, message } of [
  { name: '', message: /"" has 0 bytes, 1\.\.15 are allowed/ },
  { name: 'abcdefghijklmnop', message: /has 16 bytes/ },
  { name: 'tun%d', message: /"tun%d" is a dot, or has/ },
  { name: 'a/b', message: /"a\/b"/ },
  { name: 'a b', message: /"a b"/ },
  { name: '..', message: /"\.\."/ },
]) {
  test(`the name ${JSON.stringify(name)} is refused`, () => {
    assert.throws(
      () => openLinuxTun({ name, mtu: 1500, queueCount: 1 }),
      refuses('EINVAL', message),
    );
  });
}

for (const mtu of [0, 67, 65536, 1500.5]) {
  test(`an MTU of ${mtu} is refused`, () => {
    assert.throws(
      () => openLinuxTun({ name: NAME, mtu, queueCount: 1 }),
      refuses('EINVAL', new RegExp(`mtu ${mtu} is not in 68\\.\\.65535`)),
    );
  });
}

// That the node may not be opened is shown in start-stop: it takes a node of the test's own, as its
// mode differs from host to host, and another user could perhaps not even read this code.
test('root without CAP_NET_ADMIN is told which right is missing', async () => {
  const module = fileURLToPath(new URL('../../src/tun/linux.js', import.meta.url));
  const script = `import(${JSON.stringify(module)}).then(({ probeTun }) => {
    try { probeTun(); console.log('opened'); }
    catch (error) { console.log(error.name, error.code, error.message); }
  });`;
  const { stdout, stderr } = await runCommand('setpriv', [
    '--bounding-set=-net_admin',
    '--inh-caps=-net_admin',
    process.execPath,
    '-e',
    script,
  ]);
  assert.match(`${stdout}${stderr}`, /^ControlError EPERM .*CAP_NET_ADMIN/);
});

all.run();
