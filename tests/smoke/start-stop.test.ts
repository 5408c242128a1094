import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Gateway, GROUT, isThere } from '../support/gateway.js';
import { eventually, LAN_NET, Lab, WAN_GATEWAY, WAN_HOST } from '../support/lab.js';
import { isInitialUserNamespace, Netns, type Outcome } from '../support/netns.js';

const STOP_MAX_MS = 1000;

const folder = await mkdtemp(join(tmpdir(), 'grout-test-'));
const netns = await Netns.create();
const test = suite('start-stop');

test.after(async () => {
  await netns.dispose();
  await rm(folder, { recursive: true, force: true });
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops at once, and nothing is left`, async () => {
    const lab = await Lab.open();
    try {
      await lab.lan.exec('ping', ['-c', '1', '-W', '2', WAN_HOST]);
      const { code, ms } = await lab.gateway.stop(signal);
      assert.is(code, 0, lab.gateway.log);
      assert.ok(ms < STOP_MAX_MS, `it took ${ms} ms`);
      assert.not.ok(await isThere(lab.gateway.socketPath));
      for (const [netns, device] of [
        [lab.wan, 'p0'],
        [lab.lan, 'p1'],
      ] as const)
        assert.is.not((await netns.run('ip', ['link', 'show', device])).status, 0, device);
    } finally {
      await lab.close();
    }
  });
}

test('a socket that a killed daemon left is replaced', async () => {
  const path = join(folder, 'stale.sock');
  const killed = await Gateway.start(netns, [], path);
  await killed.close();
  assert.ok(await isThere(path));
  const next = await Gateway.start(netns, [], path);
  assert.is((await next.stop()).code, 0);
  await next.close();
});

test('the socket of a running daemon is refused to another', async () => {
  const path = join(folder, 'live.sock');
  const first = await Gateway.start(netns, [], path);
  try {
    const second = await netns.run(process.execPath, [GROUT, '-s', path]);
    assert.is(second.status, 1);
    assert.match(second.stderr, new RegExp(path));
    await first.do('conntrack config show');
  } finally {
    await first.close();
  }
});

test('two gateways on one host do not meet', async () => {
  const lab = await Lab.open();
  const [lan, wan] = [await Netns.create(), await Netns.create()];
  const other = await Gateway.start(lab.router);
  try {
    await other.connect('q0', wan, `${WAN_HOST}/24`, `${WAN_GATEWAY}/24`);
    await other.connect('q1', lan, '10.99.0.98/24', '10.99.0.1/24');
    await lan.addRoute('default', '10.99.0.1');
    await other.do(`snat44 add interface q0 subnet ${LAN_NET} replace ${WAN_GATEWAY}`);
    for (const netns of [lab.lan, lan]) await netns.exec('ping', ['-c', '1', '-W', '2', WAN_HOST]);
    assert.equal(
      (await other.conns()).map(({ fwd }) => fwd.src),
      ['10.99.0.98'],
    );
    assert.equal(
      (await lab.gateway.conns()).map(({ fwd }) => fwd.src),
      ['10.99.0.99'],
    );

    // Both are in one namespace: a device's name can be had once.
    await lab.gateway.do('interface add tun shared');
    const taken = await other.cli('interface add tun mine dev shared');
    assert.is(taken.status, 1);
    assert.match(taken.stderr, /shared/);
    assert.is((await other.stop()).code, 0);
    await lab.lan.exec('ping', ['-c', '1', '-W', '2', WAN_HOST]);
  } finally {
    await other.close();
    await Promise.all([lan.dispose(), wan.dispose()]);
    await lab.close();
  }
});

test('a start-up file is run; one that fails ends the daemon', async () => {
  const file = join(folder, 'init');
  await writeFile(
    file,
    `# a gateway
interface add tun p0
address add 172.16.0.1/24 iface p0
snat44 add interface p0 subnet ${LAN_NET} replace ${WAN_GATEWAY}
conntrack config set max 2048
`,
  );
  const gateway = await Gateway.start(netns, ['-f', file]);
  await eventually('setting of the last line', async () =>
    (await gateway.do('conntrack config show')).includes('max 2048\n'),
  );
  assert.match(await gateway.do('snat44 show'), /^p0 +10\.99\.0\.0\/24 +172\.16\.0\.1$/m);
  await gateway.close();

  await writeFile(file, 'conntrack config set max 2048\nconntrack config set max -1\n');
  const failed = await start(netns, [], folder, '-f', file);
  assert.is.not(failed.status, 0);
  assert.match(failed.stderr, /-1/);
});

for (const { args, says } of [
  { args: ['--max-conntracks', '0'], says: /max-conntracks/ },
  { args: ['--max-conntracks', '99999999999'], says: /max-conntracks/ },
  { args: ['--max-conntracks', '16777217'], says: /16777216/ },
  { args: ['--workers', '0'], says: /workers/ },
  { args: ['--workers', 'many'], says: /workers/ },
  { args: ['--bogus'], says: /bogus/ },
  { args: ['surplus'], says: /argument/ },
]) {
  test(`a wrong option is a usage error: ${args.join(' ')}`, async () => {
    const { status, stderr } = await start(netns, [], folder, ...args);
    assert.is(status, 2, stderr);
    assert.match(stderr, says);
  });
}

test('the highest ceiling starts, and costs nothing while unused', async () => {
  const gateway = await Gateway.start(netns, ['--max-conntracks', '16777216']);
  await gateway.do('conntrack config set max 65536');
  await gateway.close();
});

// Only the machine's own root may make device nodes.
if (isInitialUserNamespace() && process.getuid?.() === 0) {
  test('without /dev/net/tun it says so', async () => {
    const { status, stderr } = await start(netns, inPrivateMounts(':'), folder);
    assert.is(status, 1);
    assert.match(stderr, /\/dev\/net\/tun/);
  });

  test('without permission it says so', async () => {
    // Root who may not overrule modes: another user could perhaps not even read this code.
    const rights = '-dac_override,-dac_read_search';
    const bound = ['setpriv', `--bounding-set=${rights}`, `--inh-caps=${rights}`];
    const prefix = [...inPrivateMounts('mknod -m 000 /dev/net/tun c 10 200'), ...bound];
    const { status, stderr } = await start(netns, prefix, folder);
    assert.is(status, 1);
    assert.match(stderr, /\/dev\/net\/tun.*(permission|EACCES|EPERM)/i);
  });
}

test('without a say over the network it says so', async () => {
  // Root of a user namespace of its own is nobody in a network namespace that others made.
  const { status, stderr } = await start(netns, ['unshare', '-Ur'], folder);
  assert.is(status, 1);
  assert.match(stderr, /CAP_NET_ADMIN|permission/i);
});

/** Starts a daemon that is expected to end by itself. */
function start(
  netns: Netns,
  prefix: readonly string[],
  folder: string,
  ...args: readonly string[]
): Promise<Outcome> {
  const path = join(folder, 'never.sock');
  const [file = '', ...rest] = [...prefix, process.execPath, GROUT, '-s', path, ...args];
  return netns.run(file, rest);
}

/** Returns the command prefix that empties /dev/net for the command alone, then runs `script`. */
function inPrivateMounts(script: string): string[] {
  const mount = `mount -t tmpfs none /dev/net && ${script} && exec "$@"`;
  return ['unshare', '-m', 'sh', '-c', mount, 'sh'];
}

test.run();
