// TUN devices of the Linux kernel (Documentation/networking/tuntap.rst).
//
// Each worker gets a queue of its own: a descriptor of /dev/net/tun attached to the same device. With
// one worker the device is an ordinary one; with more it is a multi-queue device, and the kernel
// spreads flows over the queues. The two kinds do not mix, so a device that exists already is taken
// as it is when one queue suffices, and refused when it has but one and more are needed.
//
// A device that is there already may be taken over only when it is persistent (`ip tuntap add`) and
// nobody is attached: otherwise the name is another program's. The kernel refuses a second user of
// a single queue by itself. On a multi-queue device only the missing persistence tells, so two programs
// can share a persistent multi-queue device; whoever creates such a one asks for it.
//
// Offloads are what makes it fast: the kernel then hands over TCP and UDP segments of up to 64 KiB with
// unfinished checksums, described by the virtio-net header before each packet, and takes such back.
// A descriptor stays attached when its device moves to another network namespace.
import { ControlError } from '../api/errors.js';
import type { OpenTun, TunDevice, TunOptions } from './device.js';
import { Ifreq } from './ifreq.js';
import {
  AF_INET,
  closeFd,
  ioctl,
  ioctlNumber,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  openFile,
  openSocket,
  SOCK_DGRAM,
  SyscallError,
} from './sys.js';

const TUN_PATH = '/dev/net/tun';

// linux/if_tun.h and linux/sockios.h.
const TUNSETIFF = 0x400454ca;
const TUNGETIFF = 0x800454d2;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;
const SIOCSIFTXQLEN = 0x8943;
const IFF_TUN = 0x0001;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_PERSIST = 0x0800;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO = 0x06;
const TUN_F_TSO_ECN = 0x08;
const TUN_F_USO = 0x60;

/** virtio_net_hdr without the receive buffers' count: 10 bytes. */
const VNET_HDR_BYTES = 10;
/** From best to none: UDP segmentation came with Linux 6.2. */
const OFFLOADS = [
  TUN_F_CSUM | TUN_F_TSO | TUN_F_TSO_ECN | TUN_F_USO,
  TUN_F_CSUM | TUN_F_TSO | TUN_F_TSO_ECN,
  TUN_F_CSUM,
  0,
] as const;
/** Packets that a queue holds: the kernel's 500 lose bursts while a worker is busy elsewhere. */
const QUEUE_PACKETS = 1000;
const NAME_BYTES_MAX = 15;
const MTU_MIN = 68;
const MTU_MAX = 65535;

/** Opens a device of the kernel, in the calling process's network namespace. */
export const openLinuxTun: OpenTun = (options: TunOptions): TunDevice => {
  checkOptions(options);
  const { name, mtu, queueCount } = options;
  const first = openFirstQueue(name, queueCount);
  const queues = [first.fd];
  try {
    while (queues.length < queueCount) queues.push(openQueue(name, first.kind));
    setOffload(first.fd);
    setLink(name, mtu);
  } catch (cause) {
    closeAll(queues);
    throw cause;
  }
  return {
    name,
    driver: 'tun',
    mtu,
    queues: [...queues],
    close: () => closeAll(queues),
  };
};

/**
 * Returns when this process can open TUN devices: creates one, of a name that the kernel chooses,
 * and removes it again.
 *
 * @throws {ControlError} ENODEV when the host has no TUN, EPERM when this process may not use it.
 */
export function probeTun(): void {
  closeFd(openProbeQueue().fd);
}

/** Opens a device under a name that the kernel chooses, and returns the only descriptor of it. */
export function openProbeQueue(): { readonly fd: number; readonly name: string } {
  const fd = openQueue('probe%d', IFF_TUN_EXCL);
  const request = new Ifreq('');
  ioctl('TUNGETIFF', fd, TUNGETIFF, request.bytes);
  return { fd, name: request.name };
}

function checkOptions({ name, mtu, queueCount }: TunOptions): void {
  const bytes = Buffer.byteLength(name);
  const shown = JSON.stringify(name);
  if (bytes < 1 || bytes > NAME_BYTES_MAX)
    throw new ControlError(
      'EINVAL',
      `device name ${shown} has ${bytes} bytes, 1..${NAME_BYTES_MAX} are allowed`,
    );
  // The kernel would refuse these with the same errno as much else, and would make another name of
  // one with a percent sign.
  if (name === '.' || name === '..' || /[\s/:%\0]/.test(name))
    throw new ControlError(
      'EINVAL',
      `device name ${shown} is a dot, or has white space or one of /:%`,
    );
  if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX)
    throw new ControlError('EINVAL', `mtu ${mtu} is not in ${MTU_MIN}..${MTU_MAX}`);
  if (!Number.isInteger(queueCount) || queueCount < 1)
    throw new Error(`queue count ${queueCount} is not a positive integer`);
}

/** A queue, and the kind of its device: 0 or IFF_MULTI_QUEUE. Further queues must be of that kind. */
interface FirstQueue {
  readonly fd: number;
  readonly kind: number;
}

/** Creates the device, or attaches to a persistent one. */
function openFirstQueue(name: string, queueCount: number): FirstQueue {
  const kind = queueCount > 1 ? IFF_MULTI_QUEUE : 0;
  try {
    return { fd: openQueue(name, kind | IFF_TUN_EXCL), kind };
  } catch (error) {
    if (!(error instanceof ControlError && error.code === 'EBUSY')) throw error;
  }
  const kinds = queueCount > 1 ? [IFF_MULTI_QUEUE] : [0, IFF_MULTI_QUEUE];
  for (const present of kinds) {
    const fd = attachPersistent(name, present);
    if (fd !== undefined) return { fd, kind: present };
  }
  throw new ControlError(
    'EBUSY',
    `device name ${name} is taken, and not by a persistent tun device free for ${queueCount} queues`,
  );
}

/** Returns a queue of the persistent TUN device `name` of a kind, or undefined if it is not one. */
function attachPersistent(name: string, kind: number): number | undefined {
  let fd: number;
  try {
    fd = openQueue(name, kind);
  } catch (error) {
    // EINVAL: a device of the other kind, or no TUN device at all.
    if (error instanceof ControlError && error.code === 'EINVAL') return undefined;
    throw error;
  }
  if (isPersistent(fd)) return fd;
  closeFd(fd);
  return undefined;
}

/** Opens a descriptor and attaches it to the device. */
function openQueue(name: string, flags: number): number {
  const fd = openTunFile();
  try {
    const request = new Ifreq(name);
    request.flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | flags;
    ioctl('TUNSETIFF', fd, TUNSETIFF, request.bytes);
    const size = new Uint8Array(Int32Array.of(VNET_HDR_BYTES).buffer);
    ioctl('TUNSETVNETHDRSZ', fd, TUNSETVNETHDRSZ, size);
  } catch (cause) {
    closeFd(fd);
    throw attachError(name, cause);
  }
  return fd;
}

function openTunFile(): number {
  try {
    return openFile(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  } catch (cause) {
    switch (codeOf(cause)) {
      case 'ENOENT':
      case 'ENODEV':
      case 'ENXIO':
        throw new ControlError(
          'ENODEV',
          `${TUN_PATH} is missing: load the module with \`modprobe tun\`, or pass the device in`,
          { cause },
        );
      case 'EACCES':
      case 'EPERM':
        throw new ControlError(
          'EPERM',
          `${TUN_PATH} may not be opened for reading and writing by this user`,
          { cause },
        );
      default:
        throw unexpected(`cannot open ${TUN_PATH}`, cause);
    }
  }
}

function attachError(name: string, cause: unknown): Error {
  switch (codeOf(cause)) {
    case 'EPERM':
    case 'EACCES':
      return new ControlError('EPERM', `device ${name} needs the capability CAP_NET_ADMIN`, {
        cause,
      });
    case 'EBUSY':
    case 'EEXIST':
      return new ControlError('EBUSY', `device name ${name} is taken`, { cause });
    case 'EINVAL':
      return new ControlError('EINVAL', `the kernel refuses to make a tun device of ${name}`, {
        cause,
      });
    case 'E2BIG':
      return new ControlError('ENOSPC', `device ${name} has no queue left`, { cause });
    default:
      return unexpected(`cannot attach to device ${name}`, cause);
  }
}

function isPersistent(fd: number): boolean {
  const request = new Ifreq('');
  ioctl('TUNGETIFF', fd, TUNGETIFF, request.bytes);
  return (request.flags & IFF_PERSIST) !== 0;
}

/** Takes the largest set of offloads that this kernel knows; it refuses a set as a whole. */
function setOffload(fd: number): void {
  for (const offload of OFFLOADS) {
    try {
      ioctlNumber('TUNSETOFFLOAD', fd, TUNSETOFFLOAD, offload);
      return;
    } catch (cause) {
      if (codeOf(cause) !== 'EINVAL') throw unexpected('cannot set offloads', cause);
    }
  }
}

function setLink(name: string, mtu: number): void {
  const socket = openSocket(AF_INET, SOCK_DGRAM | O_CLOEXEC);
  try {
    const request = new Ifreq(name);
    ioctl('SIOCGIFMTU', socket, SIOCGIFMTU, request.bytes);
    if (request.value !== mtu) {
      request.value = mtu;
      ioctl('SIOCSIFMTU', socket, SIOCSIFMTU, request.bytes);
    }
    lengthenQueue(socket, request);
  } catch (cause) {
    const what = `mtu ${mtu} of device ${name}`;
    if (codeOf(cause) === 'EINVAL')
      throw new ControlError('EINVAL', `the kernel refuses ${what}`, { cause });
    if (codeOf(cause) === 'EPERM')
      throw new ControlError('EPERM', `${what} needs the capability CAP_NET_ADMIN`, { cause });
    throw unexpected(`cannot set ${what}`, cause);
  } finally {
    closeFd(socket);
  }
}

function lengthenQueue(socket: number, request: Ifreq): void {
  request.value = QUEUE_PACKETS;
  try {
    ioctl('SIOCSIFTXQLEN', socket, SIOCSIFTXQLEN, request.bytes);
  } catch (error) {
    // Unlike the MTU, this one is refused to the root of a user namespace. The kernel's own length is
    // no failure: a burst above it is lost, as on any interface.
    if (codeOf(error) !== 'EPERM') throw error;
  }
}

function closeAll(queues: number[]): void {
  for (const fd of queues.splice(0).reverse()) closeFd(fd);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof SyscallError ? error.code : undefined;
}

function unexpected(what: string, cause: unknown): Error {
  const code = codeOf(cause);
  if (code === undefined) return cause instanceof Error ? cause : new Error(what, { cause });
  const known = code === 'ENOMEM' || code === 'EMFILE' || code === 'ENFILE' ? 'ENOMEM' : 'EIO';
  return new ControlError(known, `${what}: ${code}`, { cause });
}
