import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlError } from '../../src/api/errors.js';
import { handlersOf } from '../../src/host/api-handler.js';
import { type ApiServer, startApiServer } from '../../src/host/api-server.js';
import { memoryLog, temporaryPath } from '../support/api-fixture.js';
import { connectRaw, hex } from '../support/raw-client.js';

interface Context {
  path: string;
  remove: () => void;
}

const test = suite<Context>('api socket', { path: '', remove: () => {} });
/** Those of the running test: a failed one must not keep the process alive. */
const servers = new Set<ApiServer>();

test.before.each((context) => {
  Object.assign(context, temporaryPath('api.sock'));
});

test.after.each(async ({ remove }) => {
  for (const server of servers) await server.close();
  servers.clear();
  remove();
});

async function start(path: string): Promise<ApiServer> {
  const server = await startApiServer({ path, handlers: handlersOf(), log: memoryLog().log });
  servers.add(server);
  return server;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof ControlError) return error.code;
    throw error;
  }
}

async function answers(path: string): Promise<boolean> {
  const client = await connectRaw(path);
  client.send(hex('01000000 0100c0c0 00000000'));
  const { status } = await client.readMessage();
  client.close();
  return status === 95;
}

test('the socket is for owner and group, whatever the umask', async ({ path }) => {
  for (const umask of [0, 0o022, 0o077]) {
    const before = process.umask(umask);
    const server = await start(path);
    assert.is(process.umask(before), umask, 'the umask is as before');
    assert.is(statSync(path).mode & 0o7777, 0o660);
    await server.close();
  }
});

test('closing removes the socket, twice does no harm', async ({ path }) => {
  const server = await start(path);
  assert.ok(existsSync(path));
  await server.close();
  assert.not(existsSync(path));
  await server.close();
});

test('closing ends connections, those within an answer too', async ({ path }) => {
  const server = await start(path);
  const client = await connectRaw(path);
  client.send(hex('01000000'));
  await server.close();
  assert.is((await client.readToEnd()).length, 0);
  client.close();
});

test('a live socket is refused by name and left alone', async ({ path }) => {
  await start(path);
  let message = '';
  const refused = start(path).catch((error: Error) => {
    message = error.message;
    throw error;
  });
  assert.is(await codeOf(refused), 'EADDRINUSE');
  assert.match(message, path);
  assert.ok(await answers(path));
});

test('the socket of a daemon that was killed is replaced', async ({ path }) => {
  const script = `require('net').createServer().listen(process.argv[1], () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', script, path], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  assert.ok(statSync(path).isSocket(), 'a stale socket is there');
  await start(path);
  assert.ok(await answers(path));
});

test('what is no socket is refused and left alone', async ({ path }) => {
  writeFileSync(path, 'precious');
  assert.is(await codeOf(start(path)), 'EEXIST');
  assert.is(readFileSync(path, 'utf8'), 'precious');
});

test('a folder in its place is refused', async ({ path }) => {
  mkdirSync(path);
  assert.is(await codeOf(start(path)), 'EEXIST');
  assert.ok(statSync(path).isDirectory());
});

test('a path that cannot be is refused with its errno', async ({ path }) => {
  assert.is(await codeOf(start(`${path}/below`)), 'ENOENT');
  assert.is(await codeOf(start(`/tmp/${'x'.repeat(103)}`)), 'ENAMETOOLONG');
});

test('a folder that may not be written to is refused', async ({ path }) => {
  const folder = `${path}.d`;
  mkdirSync(folder);
  chmodSync(folder, 0o500);
  // Root may write anywhere.
  const expected = process.getuid?.() === 0 ? 'none' : 'EACCES';
  assert.is(await codeOf(start(`${folder}/api.sock`)), expected);
});

test.run();
