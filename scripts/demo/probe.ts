import { accessSync, constants } from 'node:fs';
import { probeTun } from '../../src/tun/linux.js';
import { Netns, runCommand } from '../../tests/support/netns.js';

/** Returns why real devices in namespaces cannot be had here, or undefined when they can. */
export async function whyNoDevices(): Promise<string | undefined> {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    probeTun();
    await (await Netns.create()).dispose();
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
  const { status } = await runCommand('ip', ['-V'], {});
  return status === 0 ? undefined : 'the command ip (package iproute2) is not installed';
}
