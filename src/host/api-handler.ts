import type { PlainMessage, StreamMessage } from '../api/message.js';

/** A client as handlers see it. */
export interface ApiPeer {
  /** Counts connections from 1. */
  readonly id: number;
  /** Why the latest refused request was refused, empty if none was. */
  readonly lastReason: string;
}

/**
 * Items of a stream. A Buffer stands for encoded items, one after the other, each of the message's
 * `responseSize` bytes; it must not change until the next one is asked for.
 */
export type Items<Item> = AsyncIterable<Item | Buffer> | Iterable<Item | Buffer>;

/** Answers a plain message. */
interface PlainHandler<Req, Res> {
  readonly message: PlainMessage<Req, Res>;
  /** @throws {ControlError} to refuse; anything else thrown is a bug. */
  handle(request: Req, peer: ApiPeer): Res | Promise<Res>;
}

/** Answers a stream. */
export interface StreamHandler<Req, Item> {
  readonly message: StreamMessage<Req, Item>;
  /** @throws {ControlError} to refuse, also from within the iteration. */
  handle(request: Req, peer: ApiPeer): Items<Item> | Promise<Items<Item>>;
}

/** A handler of any message: its codecs and its function agree with each other. */
export type Handler = PlainHandler<unknown, unknown> | StreamHandler<unknown, unknown>;

/** Handlers by message type. */
export type Handlers = ReadonlyMap<number, Handler>;

/** Returns the handler of a plain message. */
export function plainHandler<Req, Res>(
  message: PlainMessage<Req, Res>,
  handle: (request: Req, peer: ApiPeer) => Res | Promise<Res>,
): Handler {
  const handler: PlainHandler<Req, Res> = { message, handle };
  return handler;
}

/** Returns the handler of a stream. */
export function streamHandler<Req, Item>(
  message: StreamMessage<Req, Item>,
  handle: (request: Req, peer: ApiPeer) => Items<Item> | Promise<Items<Item>>,
): Handler {
  const handler: StreamHandler<Req, Item> = { message, handle };
  return handler;
}

/** Returns the handlers by message type. */
export function handlersOf(...handlers: readonly Handler[]): Handlers {
  const table = new Map(handlers.map((handler) => [handler.message.type, handler]));
  if (table.size !== handlers.length) throw new Error('two handlers have the same message type');
  return table;
}
