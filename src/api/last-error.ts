import { type Codec, EMPTY, plainMessage } from './message.js';

const TEXT: Codec<string> = {
  size: 0,
  encode: (text) => Buffer.from(text),
  decode: (payload) => payload.toString('utf8'),
};

/**
 * Returns why the latest refused request of this connection was refused, empty if none was.
 *
 * An errno says little: `max 10 is below the 37 connections in use` says what to do. The message
 * is of a module of this project's own, so that another daemon answers ENOTSUP.
 */
export const ERROR_GET = plainMessage('ERROR_GET', 0x6a5c0001, EMPTY, TEXT);
