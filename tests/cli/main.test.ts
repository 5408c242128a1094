import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type FakeDaemon, startFakeDaemon } from './support/fake-daemon.js';
import { CONNTRACK_LIST, gatewayWith, MAN_PAGE_CONNS } from './support/gateway.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const PACKAGE = new URL('../../../package.json', import.meta.url);
const TIMEOUT_MS = 20_000;

interface Exit {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const test = suite('cli main');
let daemon: FakeDaemon;

test.before(async () => {
  daemon = await startFakeDaemon(gatewayWith([CONNTRACK_LIST, { items: MAN_PAGE_CONNS }]));
});

test.after(() => daemon.close());

test('without a daemon it exits 3 and says where it looked and how to start one', async () => {
  const path = `${daemon.path}.none`;
  const { code, out, err } = await grcli(['-s', path, 'conntrack', 'show']);
  assert.is(
    err,
    `error: cannot connect to ${path}: ENOENT; start the daemon with: grout -s ${path}\n`,
  );
  assert.equal({ code, out }, { code: 3, out: '' });
});

test('the socket may be named by the environment', async () => {
  const { code, err } = await grcli(['conntrack'], { GROUT_SOCK_PATH: `${daemon.path}.env` });
  assert.match(err, `cannot connect to ${daemon.path}.env: ENOENT`);
  assert.is(code, 3);
});

test('a socket whose name is a number is a file and no port', async () => {
  const { code, err } = await grcli(['-s', '65535', 'conntrack']);
  assert.match(err, /^error: cannot connect to 65535: ENOENT/);
  assert.is(code, 3);
});

test('a daemon that speaks another version is told as such', async () => {
  const path = `${daemon.path}.other`;
  const server = createServer((socket) => {
    // EBADMSG, whatever is asked.
    socket.on('data', (chunk) => {
      socket.write(Buffer.concat([chunk.subarray(0, 4), Buffer.from('4a00000000000000', 'hex')]));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const { code, err } = await grcli(['-s', path, 'conntrack']);
  server.close();
  assert.is(err, `error: the daemon at ${path} speaks another version: Bad message\n`);
  assert.is(code, 3);
});

test('a daemon that goes away in the midst of a command is told as such', async () => {
  const path = `${daemon.path}.gone`;
  const server = createServer((socket) => {
    socket.once('data', (chunk) => {
      socket.write(
        Buffer.concat([chunk.subarray(0, 4), Buffer.from('00000000020000004000', 'hex')]),
      );
      socket.on('data', () => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const { code, err } = await grcli(['-s', path, 'conntrack', 'flush']);
  server.close();
  assert.is(err, `error: ${path} closed the connection\n`);
  assert.is(code, 3);
});

test('it shows connections and leaves at once', async () => {
  const { code, out, err } = await grcli(['-s', daemon.path, 'conntrack', 'show']);
  assert.is(out.split('\n').length, 6);
  assert.equal({ code, err }, { code: 0, err: '' });
});

test('a script on a pipe runs to its end, and its failures are seen', async () => {
  const script = 'conntrack config show\nbogus\nconntrack flush\n';
  const { code, out, err } = await grcli(['-s', daemon.path], {}, script);
  assert.match(out, /^used 2 \(0\.2%\)\n/);
  assert.match(err, /^stdin:2: error: unknown command "bogus"/);
  assert.is(code, 2);
});

test('-1 is a value and no option', async () => {
  const { code, err } = await grcli(['conntrack', 'config', 'set', 'closed-timeout', '-1']);
  assert.is(err, 'error: closed-timeout -1 is not in 0..4294967295\n');
  assert.is(code, 2);
});

test('-V prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8'));
  const { code, out } = await grcli(['-V']);
  assert.equal({ code, out }, { code: 0, out: `grcli ${version}\n` });
});

test('a reader that leaves early ends it quietly', async () => {
  const child = spawn(process.execPath, [MAIN, '-s', daemon.path], { timeout: TIMEOUT_MS });
  child.stdout.destroy();
  let err = '';
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stdin.on('error', () => undefined);
  child.stdin.end('conntrack show\n'.repeat(20));
  assert.is(await exit, 141);
  assert.is(err, '');
});

test.run();

/** Runs the program as a user does. */
function grcli(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin = ''): Promise<Exit> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env, timeout: TIMEOUT_MS });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
    // It may be gone before it reads its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
  });
}
