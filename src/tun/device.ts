/**
 * A device that hands whole IPv4 packets to the gateway and takes them from it.
 *
 * Every packet is preceded by a virtio_net_hdr of 10 bytes (linux/virtio_net.h), both ways. A queue
 * is a non-blocking file descriptor on which one read takes one packet and one write sends one; a
 * datapath worker owns one queue and moves packets between it and shared memory by itself, so that
 * nothing on this interface is called per packet. A read buffer must hold 10 + 65535 bytes.
 */
export interface TunDevice {
  /** The kernel's name of the device, 1..15 bytes. */
  readonly name: string;
  /** What carries it, as shown to users: `tun` or `pair`. */
  readonly driver: string;
  /** Bytes of the largest IPv4 packet, 68..65535. */
  readonly mtu: number;
  /** One descriptor per worker, in the order of the workers' numbers. */
  readonly queues: readonly number[];
  /** Closes all queues; the device disappears with the last of them. Idempotent. */
  close(): void;
}

/** What is asked of a device when it is opened. */
export interface TunOptions {
  readonly name: string;
  readonly mtu: number;
  readonly queueCount: number;
}

/**
 * Opens a device.
 *
 * @throws {ControlError} EBUSY when the name is taken, EPERM, ENODEV when the host has no TUN,
 * EINVAL when the kernel refuses the name or the MTU.
 */
export type OpenTun = (options: TunOptions) => TunDevice;
