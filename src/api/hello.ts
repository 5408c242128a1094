import { readText, writeText } from './codec.js';
import { type Codec, plainMessage } from './message.js';

/** The version of the API: a daemon refuses a client's HELLO with another one. */
export const API_VERSION = 10;

/** First request of a connection, 132 bytes. */
export interface HelloRequest {
  readonly apiVersion: number;
  /** The client's own version, for the daemon's log; at most 127 bytes. */
  readonly version: string;
}

/** Answer to HELLO, 2 bytes. */
export interface HelloResponse {
  /** Interface ids are below this. */
  readonly maxIfaces: number;
}

const VERSION_SIZE = 128;

const REQUEST: Codec<HelloRequest> = {
  size: 4 + VERSION_SIZE,
  encode(value) {
    const payload = Buffer.alloc(4 + VERSION_SIZE);
    payload.writeUInt32LE(value.apiVersion, 0);
    writeText(payload, 4, VERSION_SIZE, value.version);
    return payload;
  },
  decode(payload) {
    return {
      apiVersion: payload.readUInt32LE(0),
      version: readText(payload, 4, VERSION_SIZE),
    };
  },
};

const RESPONSE: Codec<HelloResponse> = {
  size: 2,
  encode(value) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16LE(value.maxIfaces, 0);
    return payload;
  },
  decode(payload) {
    return { maxIfaces: payload.readUInt16LE(0) };
  },
};

/** Opens a conversation. EBADMSG when the API versions differ. */
export const HELLO = plainMessage('HELLO', 0xcafe1981, REQUEST, RESPONSE);
