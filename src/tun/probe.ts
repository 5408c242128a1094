// A TUN device that lives for a moment, to see whether a way of moving packets works: it is up, and has
// a packet to be read once that was provoked. It needs no address: who sends through a device that
// it names itself is believed that everybody is behind it.
import { Ifreq } from './ifreq.js';
import { openProbeQueue } from './linux.js';
import {
  AF_INET,
  bindToDevice,
  closeFd,
  connectSocket,
  ioctl,
  O_CLOEXEC,
  openSocket,
  SOCK_DGRAM,
  SyscallError,
  writeFd,
} from './sys.js';

const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
/** 192.0.2.1 is nobody's (RFC 5737), port 9 discards (RFC 863): struct sockaddr_in, 16 bytes. */
const NOBODY = Uint8Array.of(AF_INET, 0, 0, 9, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0);

/** The device while it is there. */
export interface TunProbe {
  readonly fd: number;
  /** Has the kernel send a packet through the device, which then waits in its queue. */
  provoke(): void;
  /** Removes the device. Idempotent. */
  close(): void;
}

/**
 * Opens a device with a name that the kernel chooses.
 *
 * @throws {ControlError} as opening a TUN device does.
 * @throws {SyscallError} when it cannot be brought up.
 */
export function openTunProbe(): TunProbe {
  const { fd, name } = openProbeQueue();
  const open = [fd];
  const close = () => {
    for (const each of open.splice(0)) closeFd(each);
  };
  try {
    const socket = openSocket(AF_INET, SOCK_DGRAM | O_CLOEXEC);
    open.push(socket);
    const request = new Ifreq(name);
    request.flags = IFF_UP;
    ioctl('SIOCSIFFLAGS', socket, SIOCSIFFLAGS, request.bytes);
    bindToDevice(socket, name);
    connectSocket(socket, NOBODY);
    const provoke = () => {
      const sent = writeFd(socket, NOBODY);
      if (sent < 0) throw new SyscallError('send', -sent);
    };
    return { fd, provoke, close };
  } catch (cause) {
    close();
    throw cause;
  }
}
