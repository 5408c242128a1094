// Both ways of moving packets, as a user chooses between them, and what becomes of the choice where the
// host forbids io_uring.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GROUT } from '../support/gateway.js';
import { possibleIos } from '../support/ios.js';
import { LAN_GATEWAY, LAN_HOST, Lab, WAN_GATEWAY, WAN_HOST } from '../support/lab.js';
import { Netns, requireTun } from '../support/netns.js';

const all = suite('io');
const test = (await requireTun('io')) ? all : all.skip;
const ios = possibleIos('io');
const FORBID = `--import=${new URL('../support/without-uring.js', import.meta.url)}`;

const folder = await mkdtemp(join(tmpdir(), 'grout-test-'));
all.after(() => rm(folder, { recursive: true, force: true }));

/** Starts a daemon alone with `args`, by the command `prefix`; returns its log once it serves. */
async function logOf(args: readonly string[], prefix: readonly string[] = []): Promise<string> {
  const netns = await Netns.create();
  try {
    const [command = '', ...words] = [...prefix, process.execPath];
    const path = join(folder, 'grout.sock');
    const daemon = netns.spawn(command, [...words, GROUT, '-s', path, ...args]);
    const exited = once(daemon, 'exit', { signal: AbortSignal.timeout(60_000) });
    let log = '';
    daemon.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (text.includes('listening')) daemon.kill('SIGTERM');
    });
    const [code] = await exited;
    return `${log}exit ${code}`;
  } finally {
    await netns.dispose();
  }
}

for (const io of ios)
  test(`${io}: devices go down and up, and away, under load`, async () => {
    const lab = await Lab.open({ args: ['--io', io] });
    try {
      assert.match(lab.gateway.log, `1 workers by ${io}`);
      const flood = lab.lan.spawn('ping', ['-f', '-q', WAN_HOST]);
      const exited = once(flood, 'exit');
      for (let round = 0; round < 2; round++) {
        for (const [netns, device, via] of [
          [lab.wan, 'p0', WAN_GATEWAY],
          [lab.lan, 'p1', LAN_GATEWAY],
        ] as const) {
          await netns.setDown(device);
          await delay(30);
          await netns.setUp(device);
          await netns.addRoute('default', via);
        }
        await lab.lan.exec('ping', ['-c', '2', '-i', '0.01', '-W', '5', WAN_HOST]);
      }
      assert.match(await lab.gateway.do('stats show'), /drop_tx_failed +\d/);
      for (let round = 0; round < 2; round++) {
        await lab.gateway.do('interface del p0');
        assert.is.not((await lab.wan.run('ip', ['link', 'show', 'p0'])).status, 0, 'it is gone');
        // Same id, same name, and most likely the same descriptor.
        await lab.gateway.connect('p0', lab.wan, `${WAN_HOST}/24`, `${WAN_GATEWAY}/24`);
        await lab.wan.addRoute('default', WAN_GATEWAY);
        await lab.wan.exec('ping', ['-c', '2', '-i', '0.01', '-W', '5', LAN_HOST]);
      }
      flood.kill('SIGKILL');
      await exited;
      assert.not.match(lab.gateway.log, /crashed|is gone|still being read/);
    } finally {
      await lab.close();
    }
  });

test('auto takes io_uring where a packet goes through one', async () => {
  if (!ios.includes('uring')) return;
  assert.match(await logOf([]), /workers by uring.*exit 0$/s);
});

test('auto polls where io_uring is forbidden, and says why in one line', async () => {
  const log = await logOf([], ['env', `NODE_OPTIONS=${FORBID}`]);
  assert.match(log, 'workers poll, as io_uring does not work: io_uring_setup: EPERM');
  assert.is([...log.matchAll(/io_uring does not work/g)].length, 1);
  assert.match(log, /workers by poll.*exit 0$/s);
});

test('uring by name is refused where it is forbidden', async () => {
  const log = await logOf(['--io', 'uring'], ['env', `NODE_OPTIONS=${FORBID}`]);
  assert.match(log, /io_uring does not work: io_uring_setup: EPERM \(ENOTSUP\)\nexit 1$/);
});

test('auto polls where no memory may be locked', async () => {
  if (!ios.includes('uring')) return;
  const log = await logOf([], ['prlimit', '--memlock=0:0', 'unshare', '-Urn']);
  assert.match(log, 'workers poll, as io_uring does not work: io_uring_setup: ENOMEM');
  assert.match(log, /workers by poll.*exit 0$/s);
});

test('another way is refused', async () => {
  const log = await logOf(['--io', 'fast']);
  assert.match(log, /'fast'.*auto, poll, uring.*exit 2$/s);
});

all.run();
