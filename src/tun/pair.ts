// A device in memory: one socket pair per queue. The gateway's end reads, writes and polls exactly as a
// TUN queue does - one packet per call, a virtio-net header before it, EAGAIN when there is none - so
// that the datapath does not know the difference. Tests hold the other end, and so does a host without
// /dev/net/tun. It needs no privilege.
//
// SOCK_SEQPACKET keeps packets apart and tells the gateway when the other end has gone: its reads
// then return 0, as those of a TUN device never do.
import { setTimeout } from 'node:timers/promises';
import { MAX_PACKET, VNET_SIZE } from '../../assembly/layout.js';
import type { OpenTun, TunDevice, TunOptions } from './device.js';
import {
  AF_UNIX,
  closeFd,
  errnoNameOf,
  O_CLOEXEC,
  O_NONBLOCK,
  openSocketPair,
  rawClockNs,
  readFd,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  SyscallError,
  setSocketOption,
  writeFd,
} from './sys.js';

/** Bytes in flight each way, the kernel's own overhead included: some 30 packets of 64 KiB. */
const BUFFER_BYTES = 4 << 20;
const POLL_MS = 1;
const NS_PER_MS = 1_000_000n;
const GONE: ReadonlySet<string> = new Set(['EAGAIN', 'EPIPE', 'ECONNRESET']);
const NO_OFFLOAD = new Uint8Array(VNET_SIZE);

/** A packet and the virtio_net_hdr (10 bytes) that came before it. */
interface PairPacket {
  readonly vnet: Uint8Array;
  readonly packet: Uint8Array;
}

/** The far end of one queue: the network that the gateway believes to be attached to. */
export interface PairPeer {
  /**
   * Sends a packet of at most 65535 bytes towards the gateway, behind `vnet` (10 bytes, zeros unless
   * given); returns false when the queue is full or the gateway has closed it.
   */
  send(packet: Uint8Array, vnet?: Uint8Array): boolean;
  /** Sends bytes as they are: the gateway must survive any, even less than a header. */
  sendRaw(bytes: Uint8Array): boolean;
  /** Returns the next packet that the gateway sent, or undefined when there is none now. */
  receive(): PairPacket | undefined;
  /** Resolves with the next packet, or with undefined after `timeoutMs` without one. */
  next(timeoutMs: number): Promise<PairPacket | undefined>;
  /** Closes this end: the gateway sees its device gone. Idempotent. */
  close(): void;
}

/** An in-memory device and the far ends of its queues, in the same order. */
export interface Pair {
  readonly device: TunDevice;
  readonly peers: readonly PairPeer[];
  /** Closes both ends. Idempotent. */
  close(): void;
}

/** Opens a device in memory. */
export function openPair(options: TunOptions): Pair {
  const near: number[] = [];
  const peers: PairPeer[] = [];
  const close = () => {
    closeAll(near);
    for (const peer of peers) peer.close();
  };
  try {
    for (let queue = 0; queue < options.queueCount; queue++) {
      const [left, right] = openSocketPair(AF_UNIX, SOCK_SEQPACKET | O_NONBLOCK | O_CLOEXEC);
      near.push(left);
      peers.push(new SocketPeer(right));
      widen(left);
      widen(right);
    }
  } catch (cause) {
    close();
    throw cause;
  }
  const device: TunDevice = {
    name: options.name,
    driver: 'pair',
    mtu: options.mtu,
    queues: [...near],
    close: () => closeAll(near),
  };
  return { device, peers, close };
}

/** Opens a device in memory whose far ends `attach` is given. */
export function pairOpener(attach: (name: string, peers: readonly PairPeer[]) => void): OpenTun {
  return (options) => {
    const pair = openPair(options);
    attach(options.name, pair.peers);
    return pair.device;
  };
}

class SocketPeer implements PairPeer {
  readonly #buffer = new Uint8Array(VNET_SIZE + MAX_PACKET);
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  send(packet: Uint8Array, vnet: Uint8Array = NO_OFFLOAD): boolean {
    if (vnet.length !== VNET_SIZE || packet.length > MAX_PACKET)
      throw new Error(`header of ${vnet.length} and packet of ${packet.length} bytes`);
    const bytes = this.#buffer.subarray(0, VNET_SIZE + packet.length);
    bytes.set(vnet);
    bytes.set(packet, VNET_SIZE);
    return this.sendRaw(bytes);
  }

  sendRaw(bytes: Uint8Array): boolean {
    const written = writeFd(this.#fd, bytes);
    if (written >= 0) return true;
    if (isFullOrGone(-written)) return false;
    throw new SyscallError('write', -written);
  }

  receive(): PairPacket | undefined {
    const count = readFd(this.#fd, this.#buffer);
    if (count === 0 || isFullOrGone(-count)) return undefined;
    if (count < 0) throw new SyscallError('read', -count);
    return {
      vnet: this.#buffer.slice(0, VNET_SIZE),
      packet: this.#buffer.slice(VNET_SIZE, count),
    };
  }

  async next(timeoutMs: number): Promise<PairPacket | undefined> {
    const deadlineNs = rawClockNs() + BigInt(timeoutMs) * NS_PER_MS;
    for (;;) {
      const received = this.receive();
      if (received !== undefined || rawClockNs() >= deadlineNs) return received;
      await setTimeout(POLL_MS);
    }
  }

  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }
}

/** Returns whether an errno only says that a queue is full or empty, or that its other end closed. */
function isFullOrGone(errno: number): boolean {
  return GONE.has(errnoNameOf(errno));
}

/** Raises a socket's send buffer as far as the host lets this process. */
function widen(fd: number): void {
  try {
    setSocketOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
  } catch (error) {
    if (!(error instanceof SyscallError && error.code === 'EPERM')) throw error;
    // Without CAP_NET_ADMIN the kernel silently stops at net.core.wmem_max.
    setSocketOption(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
  }
}

function closeAll(fds: number[]): void {
  for (const fd of fds.splice(0).reverse()) closeFd(fd);
}
