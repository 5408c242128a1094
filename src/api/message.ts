/*
 * What client and server both know of a message: its number, its sizes and its codecs.
 *
 * A request's type is (module << 16) | index. Sizes are lower bounds: a structure may grow at its
 * end, and whoever receives a longer one ignores the tail, so neither side needs to be the newer.
 * A plain message has one response. A stream has any number of items and a terminator.
 */

/** A request without content. */
export type Empty = Readonly<Record<string, never>>;

/** How a value lies in a payload. Decoders get at least `size` bytes. */
export interface Codec<T> {
  /** Least bytes of an encoded value. */
  readonly size: number;
  /** @throws {ControlError} EINVAL, ENAMETOOLONG when a field's value cannot be expressed. */
  encode(value: T): Buffer;
  /** @throws {ControlError} EINVAL when a field's value is impossible. */
  decode(payload: Buffer): T;
}

interface MessageBase<Req, Res> {
  /** As in protocol documents, without a prefix: CONNTRACK_LIST. */
  readonly name: string;
  readonly type: number;
  /** Least bytes of a request's payload. */
  readonly requestSize: number;
  /** Least bytes of a response's payload, of each item in a stream. */
  readonly responseSize: number;
  encodeRequest(request: Req): Buffer;
  decodeRequest(payload: Buffer): Req;
  encodeResponse(response: Res): Buffer;
  decodeResponse(payload: Buffer): Res;
}

/** A message with exactly one response. */
export interface PlainMessage<Req, Res> extends MessageBase<Req, Res> {
  readonly isStream: false;
}

/** A message with 0..n items of type `Item` and a terminator. */
export interface StreamMessage<Req, Item> extends MessageBase<Req, Item> {
  readonly isStream: true;
}

export type Message<Req, Res> = PlainMessage<Req, Res> | StreamMessage<Req, Res>;

const NO_BYTES = Buffer.alloc(0);

/** Codec of a request without content; stray bytes are ignored. */
export const EMPTY: Codec<Empty> = {
  size: 0,
  encode: () => NO_BYTES,
  decode: () => ({}),
};

/** Codec of an answer that is defined empty: its payload must have no byte. */
export const NOTHING: Codec<void> = {
  size: 0,
  encode: () => NO_BYTES,
  decode: () => undefined,
};

/** Returns the descriptor of a message with one response. */
export function plainMessage<Req, Res>(
  name: string,
  type: number,
  request: Codec<Req>,
  response: Codec<Res>,
): PlainMessage<Req, Res> {
  return { ...messageBase(name, type, request, response), isStream: false };
}

/** Returns the descriptor of a stream. */
export function streamMessage<Req, Item>(
  name: string,
  type: number,
  request: Codec<Req>,
  item: Codec<Item>,
): StreamMessage<Req, Item> {
  return { ...messageBase(name, type, request, item), isStream: true };
}

function messageBase<Req, Res>(
  name: string,
  type: number,
  request: Codec<Req>,
  response: Codec<Res>,
): MessageBase<Req, Res> {
  return {
    name,
    type,
    requestSize: request.size,
    responseSize: response.size,
    encodeRequest: (value) => request.encode(value),
    decodeRequest: (payload) => request.decode(payload),
    encodeResponse: (value) => response.encode(value),
    decodeResponse: (payload) => response.decode(payload),
  };
}
