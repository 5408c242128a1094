import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../../src/api/client.js';
import { CONNTRACK_CONF_GET, CONNTRACK_CONF_SET } from '../../src/api/conntrack.js';
import { handlersOf } from '../../src/host/api-handler.js';
import { startApiServer } from '../../src/host/api-server.js';
import { ConnTable } from '../../src/host/conn-table.js';
import { Conntrack, DEFAULT_CONFIG } from '../../src/host/conntrack.js';
import { conntrackHandlers } from '../../src/host/handlers/conntrack.js';
import { ConnIndex } from '../../src/host/migration.js';
import { Qsbr } from '../../src/host/qsbr.js';
import { testDatapath } from '../support/datapath.js';
import { waitUntil } from '../support/datapath-rig.js';

const READER = 3;
/** DEFAULT_CONFIG with another max: a change of nothing else. */
const RESIZED = { ...DEFAULT_CONFIG, max: 128 };

const test = suite('migration and its client');

test('a migration goes on without the client that asked for it, and tells how far it is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'grout-'));
  const path = join(folder, 'grout.sock');
  const { shared, wasm } = testDatapath({ ceiling: 256, max: 64 });
  const qsbr = new Qsbr(shared);
  const table = new ConnTable(shared, wasm, qsbr);
  const index = new ConnIndex(shared, wasm, qsbr, 64);
  const config = { ...DEFAULT_CONFIG, max: 64 };
  const conntrack = new Conntrack({ shared, table, index, ceiling: 256, config });
  const silent = () => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const handlers = handlersOf(...conntrackHandlers(conntrack, table, () => 0n, log));
  const server = await startApiServer({ path, handlers, log });
  const watcher = await ApiClient.connect(path);
  const status = () => watcher.call(CONNTRACK_CONF_GET, {});
  assert.is((await status()).migratedPercent, undefined);
  // A worker in the middle of a burst holds the migration up for as long as it takes.
  wasm.qsbrOnline(READER);
  const client = await ApiClient.connect(path);
  const asked = client.call(CONNTRACK_CONF_SET, RESIZED);
  await waitUntil('it runs', () => conntrack.migratedPercent !== undefined);
  client.close();
  await asked.then(
    () => assert.unreachable('the client is gone'),
    () => undefined,
  );
  const { migratedPercent, max } = await status();
  assert.ok(migratedPercent !== undefined && migratedPercent > 0 && migratedPercent < 100);
  assert.is(max, 64);
  wasm.qsbrOffline(READER);
  await waitUntil('it is over', () => conntrack.migratedPercent === undefined);
  assert.is((await status()).max, 128);
  watcher.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

test.run();
