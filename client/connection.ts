/**
 * One connection to one broker: the boundary between typed requests and the bytes on a socket.
 *
 * Requests are pipelined and their responses are matched by correlation id; Kafka answers in order, so that a response
 * to another request than the oldest is a violation. Versions are negotiated once, by ApiVersions (KIP-511). Every request
 * has a deadline; the first one that misses it breaks the connection, since all later ones wait behind it.
 */
import { ByteReader, concat } from "../lib/bytes.ts";
import type { Cancel, Conn, Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import { decodeResponseHeader, encodeRequestFrame } from "../protocol/header.ts";
import { apiVersions } from "../protocol/messages/18_api_versions.ts";
import { type Api, decodeResponse, type RequestInput, type ResponseOf } from "../protocol/schema/api.ts";
import {
  BrokerError,
  ClientError,
  ConnectionError,
  ProtocolViolationError,
  TimeoutError,
  UnsupportedVersionError,
} from "./errors.ts";

export interface ConnectionOptions {
  readonly hostname: string;
  readonly port: number;
  readonly clientId: string;
  /** Deadline of each request, milliseconds. */
  readonly requestTimeoutMs: number;
  /** Deadline of connecting and agreeing on versions, milliseconds each. */
  readonly connectTimeoutMs: number;
  /** Largest response that is accepted, bytes. */
  readonly frameBytesMax: number;
  readonly signal?: AbortSignal | undefined;
}

export interface RequestOptions {
  /** Deadline, milliseconds; the connection's `requestTimeoutMs` by default. */
  readonly timeoutMs?: number | undefined;
  /** Highest version to use. */
  readonly versionMax?: number | undefined;
  /** The broker sends no answer (Produce with acks=0): resolves with null once the request is written. */
  readonly oneWay?: boolean | undefined;
}

/** What goes into a request: the value, or a function of the negotiated version. */
export type RequestValue<A extends Api> = RequestInput<A> | ((version: number) => RequestInput<A>);

interface Pending {
  readonly correlationId: number;
  readonly api: Api;
  readonly version: number;
  readonly cancelTimer: Cancel;
  resolve(response: unknown): void;
  reject(error: Error): void;
}

interface Outgoing {
  readonly parts: Uint8Array[];
  /** Called when the frame is written, or the connection has failed. */
  readonly written: (() => void) | null;
}

const RECEIVE_BYTES = 64 * 1024;
/** Parts below this are joined before they are written, so that a request is one packet and not three. */
const JOINED_BYTES_MAX = 64 * 1024;
const SIZE_BYTES = 4;
const CORRELATION_ID_MAX = 0x7fffffff;

export class Connection {
  readonly #env: Env;
  readonly #conn: Conn;
  readonly #options: ConnectionOptions;
  readonly #address: string;
  readonly #pending: Pending[] = [];
  readonly #outgoing: Outgoing[] = [];
  #versions: ReadonlyMap<number, { min: number; max: number }> = new Map();
  #nextCorrelationId = 0;
  #writing = false;
  #failure: Error | null = null;

  private constructor(env: Env, conn: Conn, options: ConnectionOptions) {
    this.#env = env;
    this.#conn = conn;
    this.#options = options;
    this.#address = `${options.hostname}:${options.port}`;
  }

  /** Connects and negotiates versions. Throws `ConnectionError`, `TimeoutError` or `ProtocolViolationError`. */
  static async open(env: Env, options: ConnectionOptions): Promise<Connection> {
    const { hostname, port, signal } = options;
    const address = `${hostname}:${port}`;
    const deadline = new AbortController();
    const { connectTimeoutMs } = options;
    const cancel = env.timer(connectTimeoutMs, () => {
      deadline.abort(new TimeoutError(`Cannot connect to ${address}: no answer in ${connectTimeoutMs} ms`));
    });
    const combined = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
    let conn: Conn;
    try {
      conn = await env.connect({ hostname, port, signal: combined });
    } catch (error) {
      signal?.throwIfAborted();
      if (deadline.signal.aborted) throw deadline.signal.reason;
      throw new ConnectionError(`Cannot connect to ${address}: ${messageOf(error)}`, { cause: error });
    } finally {
      cancel();
    }
    const connection = new Connection(env, conn, options);
    // Never rejects: a failure goes to those who wait for responses.
    void connection.#readLoop();
    try {
      await connection.#negotiate();
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  /** Requests whose responses have not come yet. */
  get inFlightCount(): number {
    return this.#pending.length;
  }

  /** The highest version that both sides know, or null. */
  version(api: Api, versionMax: number = api.maxVersion): number | null {
    const theirs = this.#versions.get(api.key);
    if (theirs === undefined) return null;
    const version = Math.min(theirs.max, api.maxVersion, versionMax);
    return version >= Math.max(theirs.min, api.minVersion) ? version : null;
  }

  /** Sends a request and waits for its response. Throws a `ClientError`; error codes inside the response are the caller's. */
  async request<A extends Api>(
    api: A,
    value: RequestValue<A>,
    options: RequestOptions & { oneWay: true },
  ): Promise<null>;
  async request<A extends Api>(
    api: A,
    value: RequestValue<A>,
    options?: RequestOptions,
  ): Promise<ResponseOf<A>>;
  // deno-lint-ignore require-await -- async turns what is thrown before sending into a rejection.
  async request<A extends Api>(
    api: A,
    value: RequestValue<A>,
    options: RequestOptions = {},
  ): Promise<ResponseOf<A> | null> {
    const version = this.version(api, options.versionMax);
    if (version === null) {
      throw new UnsupportedVersionError(
        `Cannot send ${api.name} to ${this.#address}: the broker supports no version of it that this client knows`,
      );
    }
    return this.#send(api, version, value, options);
  }

  #send<A extends Api>(
    api: A,
    version: number,
    value: RequestValue<A>,
    options: RequestOptions,
  ): Promise<ResponseOf<A> | null> {
    if (this.#failure !== null) throw this.#failure;
    const correlationId = this.#nextCorrelationId;
    this.#nextCorrelationId = correlationId === CORRELATION_ID_MAX ? 0 : correlationId + 1;
    const input = typeof value === "function" ? value(version) : value;
    const parts = encodeRequestFrame(api, version, correlationId, this.#options.clientId, input);
    return new Promise((resolve, reject) => {
      if (options.oneWay === true) {
        this.#enqueue(parts, () => this.#failure === null ? resolve(null) : reject(this.#failure));
        return;
      }
      const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs;
      const cancelTimer = this.#env.timer(timeoutMs, () => {
        this.#fail(new TimeoutError(`No response to ${api.name} from ${this.#address} in ${timeoutMs} ms`));
      });
      this.#pending.push({
        correlationId,
        api,
        version,
        cancelTimer,
        resolve: resolve as (response: unknown) => void,
        reject,
      });
      this.#enqueue(parts, null);
    });
  }

  /** Closes the socket; requests under way are rejected with `ConnectionError`. Idempotent. */
  close(): void {
    this.#fail(new ConnectionError(`Connection to ${this.#address} was closed`));
  }

  async #negotiate(): Promise<void> {
    const options = { timeoutMs: this.#options.connectTimeoutMs };
    const input = { clientSoftwareName: "kavka", clientSoftwareVersion: "0.1.0" };
    let response = await this.#send(apiVersions, apiVersions.maxVersion, input, options);
    if (response?.errorCode === errorCode("UNSUPPORTED_VERSION")) {
      const theirs = response.apiKeys.find((entry) => entry.apiKey === apiVersions.key);
      const version = Math.min(theirs?.maxVersion ?? 0, apiVersions.maxVersion);
      response = await this.#send(apiVersions, version, input, options);
    }
    if (response === null || response.errorCode !== 0) {
      throw new BrokerError(response?.errorCode ?? -1, `Cannot agree on versions with ${this.#address}`);
    }
    this.#versions = new Map(
      response.apiKeys.map((entry) => [entry.apiKey, { min: entry.minVersion, max: entry.maxVersion }]),
    );
  }

  #enqueue(parts: Uint8Array[], written: (() => void) | null): void {
    this.#outgoing.push({ parts, written });
    if (!this.#writing) {
      this.#writing = true;
      void this.#writeLoop();
    }
  }

  /** Writes what is queued, several small requests in one go. Never rejects. */
  async #writeLoop(): Promise<void> {
    let sent: Outgoing[] = [];
    try {
      while (this.#outgoing.length > 0) {
        sent = this.#outgoing.splice(0);
        for (const chunk of joinSmallParts(sent.flatMap((frame) => frame.parts))) {
          for (let at = 0; at < chunk.length;) {
            at += await this.#conn.write(at === 0 ? chunk : chunk.subarray(at));
          }
        }
        for (const frame of sent) frame.written?.();
      }
    } catch (error) {
      this.#fail(
        new ConnectionError(`Cannot write to ${this.#address}: ${messageOf(error)}`, { cause: error }),
      );
      for (const frame of sent) frame.written?.();
    } finally {
      this.#writing = false;
    }
  }

  /** Reads frames until the connection ends. Never rejects. */
  async #readLoop(): Promise<void> {
    try {
      const receive = new Uint8Array(RECEIVE_BYTES);
      let filled = 0;
      for (;;) {
        const count = await this.#conn.read(receive.subarray(filled));
        if (count === null) {
          throw new ConnectionError(`Connection to ${this.#address} was closed by the broker`);
        }
        filled += count;
        let at = 0;
        while (filled - at >= SIZE_BYTES) {
          const size = this.#frameSize(receive, at);
          const available = filled - at - SIZE_BYTES;
          // Responses keep views of their frame, hence each gets memory of its own.
          if (available >= size) {
            this.#receive(receive.slice(at + SIZE_BYTES, at + SIZE_BYTES + size));
            at += SIZE_BYTES + size;
          } else if (size > RECEIVE_BYTES - SIZE_BYTES) {
            const frame = new Uint8Array(size);
            frame.set(receive.subarray(at + SIZE_BYTES, filled));
            await this.#readFully(frame, available);
            this.#receive(frame);
            at = filled;
          } else {
            break;
          }
        }
        receive.copyWithin(0, at, filled);
        filled -= at;
      }
    } catch (error) {
      this.#fail(
        error instanceof ClientError
          ? error
          : new ConnectionError(`Cannot read from ${this.#address}: ${messageOf(error)}`, { cause: error }),
      );
    }
  }

  #frameSize(bytes: Uint8Array, at: number): number {
    const size = new DataView(bytes.buffer, bytes.byteOffset + at, SIZE_BYTES).getInt32(0);
    if (size < SIZE_BYTES || size > this.#options.frameBytesMax) {
      throw new ProtocolViolationError(
        `Response of ${size} bytes from ${this.#address}: the limit is ${this.#options.frameBytesMax}, is it a Kafka broker?`,
      );
    }
    return size;
  }

  async #readFully(buffer: Uint8Array, from: number): Promise<void> {
    for (let at = from; at < buffer.length;) {
      const count = await this.#conn.read(buffer.subarray(at));
      if (count === null) {
        throw new ConnectionError(`Connection to ${this.#address} was closed by the broker`);
      }
      at += count;
    }
  }

  #receive(frame: Uint8Array): void {
    const pending = this.#pending.shift();
    if (pending === undefined) {
      throw new ProtocolViolationError(`Response from ${this.#address} that nobody asked for`);
    }
    pending.cancelTimer();
    try {
      pending.resolve(this.#decode(pending, frame));
    } catch (error) {
      const violation = error instanceof ClientError ? error : new ProtocolViolationError(
        `Cannot read the ${pending.api.name} response of ${this.#address}: ${messageOf(error)}`,
        { cause: error },
      );
      pending.reject(violation);
      throw violation;
    }
  }

  #decode({ api, version, correlationId }: Pending, frame: Uint8Array): unknown {
    const reader = new ByteReader(frame);
    const received = decodeResponseHeader(api, version, reader);
    if (received !== correlationId) {
      throw new ProtocolViolationError(
        `Response from ${this.#address} has correlation id ${received}, expected ${correlationId}`,
      );
    }
    if (api.key === apiVersions.key && version > 0) {
      // A broker that does not know our version of ApiVersions answers in version 0 (KIP-511).
      const code = new DataView(frame.buffer, frame.byteOffset + reader.position).getInt16(0);
      if (code === errorCode("UNSUPPORTED_VERSION")) return decodeResponse(api, 0, reader);
    }
    return decodeResponse(api, version, reader);
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#conn.close();
    for (const pending of this.#pending.splice(0)) {
      pending.cancelTimer();
      pending.reject(error);
    }
    for (const frame of this.#outgoing.splice(0)) frame.written?.();
  }
}

/** Joins neighbouring small parts; big ones stay as they are. */
function joinSmallParts(parts: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = 0;
  for (const part of parts) {
    if (groupBytes + part.length > JOINED_BYTES_MAX && group.length > 0) {
      joined.push(concat(group));
      group = [];
      groupBytes = 0;
    }
    group.push(part);
    groupBytes += part.length;
  }
  if (group.length > 0) joined.push(concat(group));
  return joined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
