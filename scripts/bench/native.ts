import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Compiles a program of scripts/bench/native and returns its path, or undefined where there is no
 * compiler.
 *
 * @throws {Error} with what the compiler says when it refuses.
 */
export function buildNative(name: string): string | undefined {
  const folder = `${ROOT}/build/native`;
  const path = `${folder}/${name}`;
  mkdirSync(folder, { recursive: true });
  const source = `${ROOT}/scripts/bench/native/${name}.c`;
  const { error, status, stderr } = spawnSync('cc', ['-O2', '-Wall', '-o', path, source], {
    encoding: 'utf8',
  });
  if (error !== undefined) return undefined;
  if (status !== 0) throw new Error(`cannot compile ${source}: ${stderr.trim()}`);
  return path;
}
