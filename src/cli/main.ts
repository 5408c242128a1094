#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { ApiClient } from '../api/client.js';
import { EXIT_REFUSED } from './failure.js';
import type { Write } from './output.js';
import { runGrcli } from './program.js';

/** What a shell sees of a program that SIGPIPE ended, as others are when their reader leaves. */
const EXIT_BROKEN_PIPE = 141;
/** A migration or a flush of millions of connections may take its time. */
const SILENCE_MAX_MS = 60_000;

const version = packageVersion();
const stderr = writerOf(process.stderr);

process.exitCode = await runGrcli(process.argv.slice(2), {
  env: process.env,
  version,
  stdin: process.stdin,
  stdout: writerOf(process.stdout),
  stderr,
  terminal: process.stderr.isTTY ? stderr : undefined,
  connect: (path) =>
    ApiClient.connect(path, { version: `grcli ${version}`, timeoutMs: SILENCE_MAX_MS }),
  monotonicNs: () => process.hrtime.bigint(),
});

/** Returns a writer that waits until the stream took the text; one that cannot take it ends all. */
function writerOf(stream: NodeJS.WriteStream): Write {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_BROKEN_PIPE);
    process.stderr.write(`error: cannot write the output: ${error.message}\n`);
    process.exit(EXIT_REFUSED);
  });
  return (text) => new Promise((resolve) => stream.write(text, () => resolve()));
}

function packageVersion(): string {
  const url = new URL('../../../package.json', import.meta.url);
  const manifest: unknown = JSON.parse(readFileSync(url, 'utf8'));
  const isNamed = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isNamed && typeof manifest.version === 'string' ? manifest.version : 'unknown';
}
