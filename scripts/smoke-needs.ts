import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';

/** What real devices, namespaces and clients take. */
const COMMANDS = ['ip', 'unshare', 'nsenter', 'setpriv', 'nft', 'ping', 'curl', 'iperf3'];

/**
 * Returns the command that a smoke test is to be started with - none for root, a namespace of its
 * own for an ordinary user - or what is missing here.
 */
export function smokeCommand(): { command: readonly string[] } | { missing: string } {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
  const missing = missingCommands(COMMANDS);
  if (missing !== undefined) return { missing };
  const command = process.getuid?.() === 0 ? [] : ['unshare', '-Urnm'];
  const probe = [...command, 'unshare', '-n', 'true'];
  const { status, stderr } = spawnSync(probe[0] ?? '', probe.slice(1), { encoding: 'utf8' });
  if (status !== 0) return { missing: `network namespaces: ${stderr.trim()}` };
  return { command };
}

/** Returns which of these programs are not installed, in words, or undefined. */
export function missingCommands(names: readonly string[]): string | undefined {
  const missing = names.filter((name) => !isInstalled(name));
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined;
}

function isInstalled(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status === 0;
}
