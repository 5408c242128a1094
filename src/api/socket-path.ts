/** Where the daemon listens and clients connect unless told otherwise. */
const DEFAULT_SOCKET_PATH = '/run/grout.sock';

/** Returns the path of the API's socket: GROUT_SOCK_PATH, or /run/grout.sock. */
export function defaultSocketPath(env: NodeJS.ProcessEnv = process.env): string {
  const path = env['GROUT_SOCK_PATH'];
  return path === undefined || path === '' ? DEFAULT_SOCKET_PATH : path;
}
