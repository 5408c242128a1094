import { createServer, type Socket } from 'node:net';
import { MAX_IFACES } from '../../assembly/layout.js';
import { ControlError } from '../api/errors.js';
import { API_VERSION, HELLO } from '../api/hello.js';
import { ERROR_GET } from '../api/last-error.js';
import { serveConnection } from './api-connection.js';
import { type Handler, type Handlers, handlersOf, plainHandler } from './api-handler.js';
import type { Log } from './log.js';
import { listenAt } from './unix-socket.js';

/** More clients than this are turned away, so that descriptors remain for interfaces. */
const MAX_CLIENTS = 1024;

export interface ApiServerOptions {
  readonly path: string;
  /** All messages but HELLO and ERROR_GET, which the server answers itself. */
  readonly handlers: Handlers;
  readonly log: Log;
}

/** The API on its UNIX socket. */
export interface ApiServer {
  readonly path: string;
  /** Closes all connections and removes the socket. Idempotent. */
  close(): Promise<void>;
}

/**
 * Serves the API at a path.
 *
 * @throws {ControlError} EADDRINUSE when a daemon listens there already, EEXIST when something else
 * than a socket is there, or the errno that kept the socket from being made.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { path, handlers, log } = options;
  const sockets = new Set<Socket>();
  const errorHandler = plainHandler(ERROR_GET, (_request, peer) => peer.lastReason);
  const served = handlersOf(helloHandler(log), errorHandler, ...handlers.values());
  let nextId = 1;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serveConnection(socket, nextId++, served, log);
  });
  server.maxConnections = MAX_CLIENTS;
  server.on('drop', () => log.warn(`a client was turned away: ${MAX_CLIENTS} are connected`));

  await listenAt(server, path);
  server.on('error', (error) => log.error(`${path}: ${error.message}`));

  let closed: Promise<void> | undefined;
  return {
    path,
    close() {
      closed ??= new Promise((resolve) => {
        // libuv removes the socket's file.
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
      return closed;
    },
  };
}

function helloHandler(log: Log): Handler {
  return plainHandler(HELLO, ({ apiVersion, version }, peer) => {
    log.debug(`client ${peer.id} is ${JSON.stringify(version)}`);
    if (apiVersion !== API_VERSION)
      throw new ControlError('EBADMSG', `API version ${apiVersion} is not ${API_VERSION}`);
    return { maxIfaces: MAX_IFACES };
  });
}
