import { type Connection, type Inbox, openConnection } from './connection.js';
import { ApiError, errnoNumber } from './errors.js';
import type { Frame } from './framing.js';
import { API_VERSION, HELLO } from './hello.js';
import { ERROR_GET } from './last-error.js';
import type { Message, PlainMessage, StreamMessage } from './message.js';

export interface ClientOptions {
  /** How long the daemon may be silent while it owes an answer, default 10 s. */
  readonly timeoutMs?: number;
  /** The client's own version, which HELLO tells the daemon. */
  readonly version?: string;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * A conversation with a daemon.
 *
 * Calls are made one at a time, whatever the callers do, because a daemon may answer only the first
 * of several requests that reach it together. Calls from within a stream are sent at once.
 */
export class ApiClient {
  /** Interface ids are below this. */
  readonly maxIfaces: number;
  readonly #connection: Connection;
  #turn: Promise<unknown> = Promise.resolve();
  #explains = true;

  private constructor(connection: Connection, maxIfaces: number) {
    this.#connection = connection;
    this.maxIfaces = maxIfaces;
  }

  /**
   * Connects to the daemon at `path` and says hello.
   *
   * @throws {ConnectionError} when there is none that answers.
   * @throws {ApiError} EBADMSG when it speaks another version.
   */
  static async connect(path: string, options: ClientOptions = {}): Promise<ApiClient> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, version = '' } = options;
    const connection = await openConnection(path, timeoutMs);
    try {
      const request = { apiVersion: API_VERSION, version };
      const { maxIfaces } = await exchange(connection, HELLO, request);
      return new ApiClient(connection, maxIfaces);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /**
   * Returns the daemon's answer.
   *
   * @throws {ApiError} when it refuses, or answers too little (EMSGSIZE).
   * @throws {ConnectionError} when no answer comes.
   */
  call<Req, Res>(message: PlainMessage<Req, Res>, request: Req): Promise<Res> {
    return this.#inTurn(async () => {
      try {
        return await exchange(this.#connection, message, request);
      } catch (error) {
        throw await this.#explain(error);
      }
    });
  }

  /**
   * Yields the items of a stream as they arrive. Who takes them slowly slows the daemon's sending
   * down; who stops early gives the rest up.
   *
   * @throws {ApiError} when the daemon refuses, possibly after some items.
   * @throws {ConnectionError} when the stream does not end.
   */
  async *stream<Req, Item>(
    message: StreamMessage<Req, Item>,
    request: Req,
  ): AsyncGenerator<Item, void, undefined> {
    const payload = message.encodeRequest(request);
    const inbox = await this.#inTurn(async () =>
      this.#connection.send(message.type, payload, true),
    );
    try {
      yield* itemsOf(message, inbox);
    } catch (error) {
      throw await this.#inTurn(() => this.#explain(error));
    } finally {
      inbox.abandon();
    }
  }

  /** Closes the connection. Idempotent. */
  close(): void {
    this.#connection.close();
  }

  /** Runs `action` when every call before it is over. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    // The next in turn starts whether this one succeeded or not; its own caller gets the error.
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Returns a refusal with the daemon's reason in it; another error as it is. */
  async #explain(error: unknown): Promise<unknown> {
    if (!(error instanceof Refusal)) return error;
    return new ApiError(error.status, await this.#lastReason());
  }

  async #lastReason(): Promise<string> {
    if (!this.#explains) return '';
    try {
      return await exchange(this.#connection, ERROR_GET, {});
    } catch (error) {
      // A daemon without this message gives no reasons, so it is not asked again.
      this.#explains = false;
      if (error instanceof ApiError) return '';
      throw error;
    }
  }
}

/** The daemon's own no, as opposed to an answer of it that makes no sense. */
class Refusal extends ApiError {
  constructor(status: number) {
    super(status, '');
    this.name = 'ApiError';
  }
}

async function exchange<Req, Res>(
  connection: Connection,
  message: PlainMessage<Req, Res>,
  request: Req,
): Promise<Res> {
  const inbox = connection.send(message.type, message.encodeRequest(request), false);
  const [frame] = await inbox.take();
  if (frame === undefined) throw new Error('an inbox handed out nothing');
  if (frame.kind !== 0) throw new Refusal(frame.kind);
  return decode(message, frame);
}

async function* itemsOf<Req, Item>(
  message: StreamMessage<Req, Item>,
  inbox: Inbox,
): AsyncGenerator<Item, void, undefined> {
  for (;;) {
    for (const frame of await inbox.take()) {
      if (frame.kind !== 0) throw new Refusal(frame.kind);
      if (frame.payload.length === 0) return;
      yield decode(message, frame);
    }
  }
}

function decode<Req, Res>(message: Message<Req, Res>, { payload }: Frame): Res {
  if (payload.length < message.responseSize)
    throw new ApiError(
      errnoNumber('EMSGSIZE'),
      `answer to ${message.name} has ${payload.length} bytes, not ${message.responseSize}`,
    );
  return message.decodeResponse(payload);
}
