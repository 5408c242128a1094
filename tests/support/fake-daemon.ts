import { createServer, type Socket } from 'node:net';
import { encodeFrame, type Frame, FrameParser } from '../../src/api/framing.js';
import { temporaryPath } from './api-fixture.js';
import { hex } from './raw-client.js';

/** Answers each request but HELLO as `answer` likes; cleans up when `use` is over. */
export async function withFakeDaemon(
  answer: (socket: Socket, frame: Frame) => void,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const { path, remove } = temporaryPath('fake.sock');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const parser = new FrameParser();
    // Clients break connections off on purpose here.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      for (const frame of parser.push(chunk)) {
        if (frame.kind === 0xcafe1981) socket.write(encodeFrame(frame.id, 0, hex('4000')));
        else answer(socket, frame);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await use(path);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    remove();
  }
}
