// The test's own end of a cable into a network namespace: a TUN device whose descriptor stays with
// the test while the device lies in the namespace, whose kernel forwards between it and whatever
// else is attached there. A forwarding kernel changes nothing of a segment but the TTL in front of
// it, and it does so within the write that hands the packet over: no queue of its own lies between.
import { MAX_PACKET, VNET_SIZE } from '../../assembly/layout.js';
import type { TunDevice } from '../../src/tun/device.js';
import { openLinuxTun } from '../../src/tun/linux.js';
import { EAGAIN, readFd, SyscallError, writeFd } from '../../src/tun/sys.js';
import type { Netns } from './netns.js';

const MTU = 1500;
const IPV4 = 4;
/** What a namespace needs to forward from one wire to another, whatever addresses packets have. */
const FORWARDING = `
  echo 1 >/proc/sys/net/ipv4/ip_forward
  echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
  for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$each; done`;

let laid = 0;

/** One raw end: whole IPv4 packets, one per call. */
export class Wire {
  readonly #device: TunDevice;
  readonly #fd: number;
  readonly #out = new Uint8Array(VNET_SIZE + MAX_PACKET);
  readonly #in = new Uint8Array(VNET_SIZE + MAX_PACKET);

  private constructor(device: TunDevice, fd: number) {
    this.#device = device;
    this.#fd = fd;
  }

  /** Lays a wire into `netns`, which then forwards packets for `prefix` through it. */
  static async lay(netns: Netns, prefix: string): Promise<Wire> {
    // The device is born in the namespace of the test, which others may share.
    const name = `w${process.pid}.${++laid}`;
    const device = openLinuxTun({ name, mtu: MTU, queueCount: 1 });
    const [fd] = device.queues;
    if (fd === undefined) throw new Error(`device ${name} has no queue`);
    const wire = new Wire(device, fd);
    try {
      await netns.moveDevice(name);
      await netns.exec('sh', ['-c', FORWARDING]);
      await netns.setUp(name);
      await netns.exec('ip', ['route', 'add', prefix, 'dev', name]);
    } catch (cause) {
      wire.close();
      throw cause;
    }
    return wire;
  }

  /**
   * Hands the namespace a packet.
   *
   * @throws {SyscallError} when the kernel does not take it.
   */
  send(packet: Uint8Array): void {
    const bytes = this.#out.subarray(0, VNET_SIZE + packet.length);
    bytes.set(packet, VNET_SIZE);
    const written = writeFd(this.#fd, bytes);
    if (written < 0) throw new SyscallError('write', -written);
  }

  /** Returns the next IPv4 packet that the namespace sent here, or undefined without one. */
  receive(): Buffer | undefined {
    for (;;) {
      const count = readFd(this.#fd, this.#in);
      if (count === -EAGAIN) return undefined;
      if (count < 0) throw new SyscallError('read', -count);
      // A link that comes up says a few things in IPv6.
      if ((this.#in[VNET_SIZE] ?? 0) >> 4 === IPV4)
        return Buffer.from(this.#in.subarray(VNET_SIZE, count));
    }
  }

  /** Removes the device. Idempotent. */
  close(): void {
    this.#device.close();
  }
}
