import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONNTRACK_CONF_GET, CONNTRACK_CONF_SET } from '../../src/api/conntrack.js';
import { ControlError } from '../../src/api/errors.js';
import { handlersOf, plainHandler } from '../../src/host/api-handler.js';
import { startApiServer } from '../../src/host/api-server.js';
import { DEFAULT_CONFIG } from '../../src/host/conntrack.js';
import { type Run, run } from './support/run.js';

const LINE = '\r\x1b[Kmigrating 43 %';
const GONE = '\r\x1b[K';

const test = suite('cli migration progress');

interface Setup {
  /** How long the daemon migrates. */
  readonly ms: number;
  readonly hasTerminal: boolean;
  readonly refusal?: ControlError;
}

/** Sets a max at a daemon that migrates for some time. */
async function setMax({ ms, hasTerminal, refusal }: Setup): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'grcli-'));
  const socketPath = join(folder, 'grout.sock');
  const silent = () => undefined;
  const server = await startApiServer({
    path: socketPath,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    handlers: handlersOf(
      plainHandler(CONNTRACK_CONF_GET, () => ({
        ...DEFAULT_CONFIG,
        used: 0,
        nowNs: 0n,
        migratedPercent: 43,
      })),
      plainHandler(CONNTRACK_CONF_SET, async () => {
        await setTimeout(ms);
        if (refusal !== undefined) throw refusal;
      }),
    ),
  });
  try {
    return await run(['conntrack', 'config', 'set', 'max', '9'], { socketPath, hasTerminal });
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

test('a long migration is told on the terminal, over a conversation of its own', async () => {
  const { code, out, err, connects } = await setMax({ ms: 900, hasTerminal: true });
  assert.equal({ code, out, connects }, { code: 0, out: '', connects: 2 });
  const lines = err.split(LINE).length - 1;
  assert.ok(lines >= 1 && lines <= 3, JSON.stringify(err));
  assert.is(err, `${LINE.repeat(lines)}${GONE}`, 'nothing of it stays');
});

test('a short migration is not worth a line', async () => {
  const { code, err, connects } = await setMax({ ms: 100, hasTerminal: true });
  assert.equal({ code, err, connects }, { code: 0, err: '', connects: 1 });
});

test('without a terminal nothing is told', async () => {
  const { code, err, connects } = await setMax({ ms: 800, hasTerminal: false });
  assert.equal({ code, err, connects }, { code: 0, err: '', connects: 1 });
});

test('a refusal is told below the line that is gone', async () => {
  const refusal = new ControlError('ENOSPC', 'too many');
  const { code, err } = await setMax({ ms: 700, hasTerminal: true, refusal });
  assert.is(code, 1);
  assert.ok(err.startsWith(LINE), JSON.stringify(err));
  assert.ok(err.includes(`${GONE}error: command failed: too many`), JSON.stringify(err));
});

test.run();
