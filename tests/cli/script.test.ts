import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONNTRACK_FLUSH, GATEWAY, gatewayWith } from './support/gateway.js';
import { run } from './support/run.js';

const FLUSH = 'c0c00002';
const RESET = 'acdc000c';
const BUSY = gatewayWith([CONNTRACK_FLUSH, { status: 16 }]);

const test = suite('cli script');

test('commands on the standard input run over one conversation', async () => {
  const stdin = '# set up\n\nconntrack flush # now\n   \t\n  stats   reset\r\nconntrack flush';
  const { code, out, err, requests, connects } = await run([], { answers: GATEWAY, stdin });
  assert.equal(requests, [FLUSH, RESET, FLUSH]);
  assert.equal({ code, out, err, connects }, { code: 0, out: '', err: '', connects: 1 });
});

test('an empty script does nothing, not even connect', async () => {
  const { code, connects } = await run([], { stdin: '# nothing\n' });
  assert.equal({ code, connects }, { code: 0, connects: 0 });
});

test('a script goes on after a failure and ends with the code of the last one', async () => {
  const stdin = 'conntrack bogus\nstats reset\nconntrack flush\nstats reset\n';
  const { code, err, requests } = await run([], { answers: BUSY, stdin });
  assert.equal(requests.filter((request) => request === RESET).length, 2);
  assert.is(
    err,
    'stdin:1: error: unknown command "conntrack bogus": expected flush, config, invalid or show\n' +
      'stdin:3: error: command failed: Device or resource busy (EBUSY)\n',
  );
  assert.is(code, 1);
});

test('a later success does not hide a failure', async () => {
  const { code } = await run([], { answers: GATEWAY, stdin: 'bogus\nstats reset\n' });
  assert.is(code, 2);
});

test('-e ends a script at its first failure', async () => {
  const stdin = 'stats reset\nconntrack bogus\nstats reset\n';
  const { code, requests } = await run(['-e'], { answers: GATEWAY, stdin });
  assert.equal(requests, [RESET]);
  assert.is(code, 2);
});

test('quit ends a script, with the code of what failed before', async () => {
  const { code, requests } = await run([], { answers: GATEWAY, stdin: 'stats reset\nq\nbogus\n' });
  assert.equal(requests, [RESET]);
  assert.is(code, 0);
  assert.is((await run([], { answers: GATEWAY, stdin: 'bogus\nquit\n' })).code, 2);
});

test('-x tells each command before it runs', async () => {
  const stdin = '# no\nstats  reset # yes\nbogus\n';
  const { err, out } = await run(['-x'], { answers: GATEWAY, stdin });
  const [first, second, third = ''] = err.split('\n');
  assert.equal([first, second], ['+ stats reset', '+ bogus']);
  assert.match(third, /^stdin:3: error: /);
  assert.is(out, '');
  const single = await run(['-x', 'stats', 'reset'], { answers: GATEWAY });
  assert.is(single.err, '+ stats reset\n');
});

test('with -j a failure tells where it stands', async () => {
  const { err } = await run(['-j'], { answers: GATEWAY, stdin: '\nconntrack flush now\n' });
  assert.equal(JSON.parse(err), {
    error: 'now is one word too many',
    exit_code: 2,
    place: 'stdin:2',
  });
});

test('an option is no command', async () => {
  const { code, err } = await run([], { stdin: '-j conntrack\n' });
  assert.match(err, /^stdin:1: error: unknown command "-j": expected /);
  assert.is(code, 2);
});

test('help in a script goes to the standard output', async () => {
  const { code, out } = await run([], { stdin: 'conntrack --help\n' });
  assert.match(out, /^Usage: grcli conntrack /);
  assert.is(code, 0);
});

test('-f reads a file, - the standard input', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'grcli-'));
  try {
    const path = join(folder, 'script');
    writeFileSync(path, 'stats reset\nbogus\n');
    const fromFile = await run(['-f', path], { answers: GATEWAY });
    assert.equal(fromFile.requests, [RESET]);
    assert.ok(fromFile.err.startsWith(`${path}:2: error: unknown command "bogus"`));
    assert.is(fromFile.code, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const fromStdin = await run(['-f', '-'], { answers: GATEWAY, stdin: 'stats reset\n' });
  assert.equal(fromStdin.requests, [RESET]);
});

test('a file that cannot be read is a usage error', async () => {
  for (const path of ['no-such-file', '/']) {
    const { code, err, connects } = await run(['-f', path]);
    assert.ok(err.startsWith(`error: cannot read ${path}: E`), err);
    assert.equal({ code, connects }, { code: 2, connects: 0 });
  }
});

test('quotes are understood and an open one is refused', async () => {
  const stdin = '"stats" \'reset\'\nstats "reset\nstats reset\\\n';
  const { code, err, requests } = await run([], { answers: GATEWAY, stdin });
  assert.equal(requests, [RESET]);
  assert.is(
    err,
    'stdin:2: error: the quote " is not closed\nstdin:3: error: a backslash ends the line\n',
  );
  assert.is(code, 2);
});

test.run();
