import { cpus, release } from 'node:os';
import { runCommand } from '../../tests/support/netns.js';

/** What a figure is worth nothing without. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  /** Of the working copy; `unknown` in a copy without its history. */
  readonly commit: string;
}

export async function describeMachine(): Promise<Machine> {
  const all = cpus();
  const { status, stdout } = await runCommand('git', ['describe', '--always', '--dirty']);
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    kernel: release(),
    node: process.version,
    commit: status === 0 ? stdout.trim() : 'unknown',
  };
}
