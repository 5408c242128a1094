import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { ControlError, isErrnoName } from '../api/errors.js';

/** Bytes of sockaddr_un.sun_path without its NUL, unix(7). */
const MAX_PATH_BYTES = 107;
/** Clients that may knock at the same moment; the kernel has a limit of its own, somaxconn. */
const BACKLOG = 1024;
/** Read and write for owner and group: whoever may connect may reconfigure the gateway. */
const UMASK_0660 = 0o117;

/**
 * Makes `server` listen at `path` with mode 0660.
 *
 * The file of a daemon that is gone is replaced. Which it is shows in connecting: where nobody
 * listens any more the kernel refuses.
 *
 * @throws {ControlError} EADDRINUSE when a daemon listens there, EEXIST when something else than a
 * socket is there, ENAMETOOLONG, EACCES and the like when the path is not to be had.
 */
export async function listenAt(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new ControlError('ENAMETOOLONG', `${path} exceeds ${MAX_PATH_BYTES} bytes`);
  // libuv would call a missing folder a lack of permission.
  if (!existsSync(dirname(path)))
    throw new ControlError('ENOENT', `cannot listen at ${path}: there is no such folder`);
  await removeStale(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(refusal(path, cause)));
    server.once('listening', resolve);
    // The file appears within listen() itself, so that it never has another mode than this.
    const umask = process.umask(UMASK_0660);
    server.listen({ path, backlog: BACKLOG });
    process.umask(umask);
  });
  server.removeAllListeners('error');
}

async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket())
      throw new ControlError('EEXIST', `${path} exists and is not a socket`);
    await refuseLive(path);
    unlinkSync(path);
  } catch (cause) {
    if (cause instanceof ControlError) throw cause;
    if (codeOf(cause) === 'ENOENT') return;
    throw refusal(path, cause);
  }
}

function refuseLive(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    const live = new ControlError('EADDRINUSE', `a daemon already listens at ${path}`);
    probe.once('connect', () => {
      probe.destroy();
      reject(live);
    });
    probe.once('error', (cause) => {
      const code = codeOf(cause);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve();
      // Its backlog is full: a busy daemon.
      else reject(code === 'EAGAIN' ? live : cause);
    });
  });
}

function refusal(path: string, cause: unknown): ControlError {
  const code = codeOf(cause);
  return new ControlError(isErrnoName(code) ? code : 'EIO', `cannot listen at ${path}: ${code}`, {
    cause,
  });
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}
