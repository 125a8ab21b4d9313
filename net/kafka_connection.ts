/**
 * One Kafka connection: reads frames, hands requests to handlers, writes replies in order. It knows framing, versions and
 * back-pressure, and no rule of Kafka beyond them. Requests of APIs that may overlap (Produce, Fetch) run side by
 * side; any other waits until those before it are answered, as in Kafka. A frame that cannot be understood
 * closes this connection and disturbs nobody else.
 */
import { InvariantError } from "../lib/invariant.ts";
import type { Broker } from "../actors/broker.ts";
import { apiKeys } from "../handlers/18_api_versions.ts";
import {
  type ClientSession,
  CloseConnectionError,
  type Handler,
  newClientSession,
  quotaClient,
  type RequestContext,
  withThrottleTime,
} from "../handlers/handler.ts";
import { limits } from "../core/config/limits.ts";
import { handlerByKey } from "../handlers/registry.ts";
import { ByteReader, DecodeError } from "../lib/bytes.ts";
import type { Conn } from "../lib/env.ts";
import type { Span, Tracer } from "../lib/tracing.ts";
import { errorCode } from "../protocol/errors.ts";
import { decodeRequestHeader, encodeResponseFrame, type RequestHeader } from "../protocol/header.ts";
import { API_VERSIONS_KEY } from "../protocol/messages/all.ts";
import { produce } from "../protocol/messages/00_produce.ts";
import { oldProduce } from "../protocol/messages/00_produce_old.ts";
import { apiVersions } from "../protocol/messages/18_api_versions.ts";
import { decodeRequest, supportsVersion } from "../protocol/schema/api.ts";
import type { ByteBudget } from "../actors/runtime/byte_budget.ts";
import { FrameError, FrameReader } from "./frame_reader.ts";
import type { LogLimiter } from "./log_limiter.ts";
import { ReplyQueue } from "./reply_queue.ts";

export interface ConnectionOptions {
  readonly broker: Broker;
  readonly conn: Conn;
  readonly frameBytesMax: number;
  readonly requestCountMax: number;
  readonly replyBytesMax: number;
  /** Shared by all connections of the server. */
  readonly requestBytes: ByteBudget;
  readonly logLimiter: LogLimiter;
  /** Told of each answer before it is encoded; null when there is none. */
  readonly onAnswer?: ((apiKey: number, response: unknown) => void) | undefined;
}

export class KafkaConnection {
  readonly #options: ConnectionOptions;
  readonly #replies: ReplyQueue;
  /** Aborted when nobody will read an answer any more: requests that wait (joins, long polls) give up. */
  readonly #peerGone = new AbortController();
  #closed = false;
  readonly #clientHost: string;
  readonly #client: ClientSession;
  #lastActiveMs: number;
  /** Until then the client is to hold back. */
  #mutedUntilMs = 0;
  #inFlight = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#replies = new ReplyQueue({
      conn: options.conn,
      requestCountMax: options.requestCountMax,
      bytesMax: options.replyBytesMax,
    });
    this.#clientHost = `/${options.conn.remoteAddress.replace(/:\d+$/, "")}`;
    this.#client = newClientSession(Number(/\d+$/.exec(options.conn.remoteAddress)?.[0] ?? 0));
    this.#lastActiveMs = options.broker.env.mono();
  }

  /** Since when nothing was asked and nothing is being answered. */
  idleSinceMs(): number | null {
    return this.#inFlight > 0 ? null : this.#lastActiveMs;
  }

  /** Serves until the peer leaves or breaks the protocol. Never throws. */
  async serve(): Promise<void> {
    try {
      await this.#readLoop();
      await this.#replies.drained();
    } catch (error) {
      this.#logEnd(error);
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#closed = true;
    this.#peerGone.abort();
    this.#replies.fail(new CloseConnectionError("The connection is closed"));
    this.#options.conn.close();
  }

  /** Answers what was read and reads no more; what waits longer than the deadline is cut off, and its client retries. */
  async drain(deadlineMs: number): Promise<void> {
    const cancel = this.#options.broker.env.timer(deadlineMs, () => this.close());
    try {
      await this.#replies.drained();
    } catch {
      // It broke or took too long, which ends it just as well.
    }
    cancel();
    this.close();
  }

  async #readLoop(): Promise<void> {
    const frames = new FrameReader(this.#options.conn, this.#options.frameBytesMax);
    let next = this.#readAhead(frames);
    for (;;) {
      await this.#replies.room();
      const frame = await next;
      if (frame === null) return;
      await this.#unmuted();
      await this.#room(frame);
      this.#lastActiveMs = this.#options.broker.env.mono();
      // One frame is read ahead, so that a peer that leaves is noticed while its request is parked.
      next = this.#readAhead(frames);
      await this.#dispatch(frame);
    }
  }

  /** Waits until there is room for a batch or whatever is large; what is light goes on, so that consumers are served meanwhile. */
  async #room(frame: Uint8Array): Promise<void> {
    const { requestBytes, broker } = this.#options;
    const isProduce = ((frame[0] ?? 0) << 8 | (frame[1] ?? 0)) === produce.key;
    if (!isProduce && frame.byteLength <= limits.lightRequestBytesMax) return;
    await requestBytes.room();
    await broker.waitingBytes.room();
  }

  /** A client that was told to hold back and does not is not read either. */
  async #unmuted(): Promise<void> {
    const { env } = this.#options.broker;
    for (let left = this.#mutedUntilMs - env.mono(); left > 0; left = this.#mutedUntilMs - env.mono()) {
      await env.sleep(left, this.#peerGone.signal);
    }
  }

  /** Percent of a second, as `request_percentage` counts. */
  #recordTime(busyMs: number, context: RequestContext): number {
    const { quotas, env } = this.#options.broker;
    return quotas.record("request_percentage", quotaClient(context), busyMs / 10, env.mono());
  }

  #readAhead(frames: FrameReader): Promise<Uint8Array | null> {
    const next = frames.next();
    next.then((frame) => {
      if (frame === null) this.#peerGone.abort();
    }, () => this.#peerGone.abort());
    return next;
  }

  async #dispatch(frame: Uint8Array): Promise<void> {
    const reader = new ByteReader(frame);
    const header = decodeRequestHeader(reader);
    const startedMs = this.#options.broker.env.mono();
    const handler = handlerByKey.get(header.apiKey);
    if (handler === undefined) throw new FrameError(`API key ${header.apiKey} is not served`);
    if (!supportsVersion(handler.api, header.apiVersion)) return this.#refuseVersion(handler, header, reader);
    const request = decodeRequest(handler.api, header.apiVersion, reader);
    if (!handler.overlaps) await this.#replies.drained();
    const decodingMs = this.#options.broker.env.mono() - startedMs;
    const answer = this.#answer(handler, header, request, { byteLength: frame.byteLength, decodingMs });
    if (!handler.overlaps) await answer;
  }

  async #answer(
    handler: Handler,
    header: RequestHeader,
    request: unknown,
    { byteLength, decodingMs }: { readonly byteLength: number; readonly decodingMs: number },
  ): Promise<void> {
    const { env, tracer } = this.#options.broker;
    const answeringSinceMs = env.mono();
    const span = tracer === null ? null : startRequestSpan(tracer, handler, header);
    const fill = this.#replies.reserve();
    let throttleMs = 0;
    const throttle = (ms: number) => {
      throttleMs = Math.max(throttleMs, Math.min(ms, limits.throttleMsMax));
    };
    const context: RequestContext = {
      broker: this.#options.broker,
      apiVersion: header.apiVersion,
      clientId: header.clientId ?? "",
      clientHost: this.#clientHost,
      byteLength,
      client: this.#client,
      throttle,
      signal: this.#peerGone.signal,
    };
    this.#inFlight += 1;
    this.#options.requestBytes.take(byteLength);
    try {
      const startedMs = env.mono();
      const serving = span === null || tracer === null
        ? handler.serve(request as never, context)
        : tracer.within(span.context, () => handler.serve(request as never, context));
      // What the request took of this one thread until it had to wait; the rest is not to be told from others' work.
      const busyMs = decodingMs + env.mono() - startedMs;
      const response = await serving;
      throttle(this.#recordTime(busyMs, context));
      this.#options.onAnswer?.(header.apiKey, response);
      const sendingSinceMs = env.mono();
      if (response === null) fill([]);
      else {
        const told = withThrottleTime(response, throttleMs);
        const frame = encodeResponseFrame(
          handler.api,
          header.apiVersion,
          header.correlationId,
          told as never,
        );
        this.#options.broker.metrics.kafkaSentBytes.add(fill(frame), handler.api.name);
      }
      // As the time of Kafka's network threads: it is the next request that hears of it.
      this.#recordTime(env.mono() - sendingSinceMs, context);
      this.#mutedUntilMs = Math.max(this.#mutedUntilMs, env.mono() + throttleMs);
    } catch (error) {
      span?.end(error);
      // Nothing more can be answered in order, so the connection ends; clients reconnect and retry.
      this.#logEnd(error, handler.api.name);
      this.close();
    } finally {
      span?.end();
      this.#inFlight -= 1;
      this.#options.requestBytes.give(byteLength);
      const { name } = handler.api;
      const { kafkaRequests, kafkaSeconds, kafkaReceivedBytes } = this.#options.broker.metrics;
      kafkaRequests.add(1, name);
      kafkaReceivedBytes.add(byteLength, name);
      kafkaSeconds.observe((env.mono() - answeringSinceMs) / 1_000, name);
      this.#lastActiveMs = this.#options.broker.env.mono();
    }
  }

  /** Clients probe ApiVersions with their newest version; anything else beyond the list is a client's fault. */
  #refuseVersion(handler: Handler, header: RequestHeader, reader: ByteReader): void {
    const error = errorCode("UNSUPPORTED_VERSION");
    if (header.apiKey === API_VERSIONS_KEY) {
      // Like Kafka, with what the client needs for its second attempt and no more (KIP-511).
      const body = { errorCode: error, apiKeys: apiKeys([handler], this.#options.broker) };
      this.#replies.reserve()(encodeResponseFrame(apiVersions, 0, header.correlationId, body));
      return;
    }
    if (header.apiKey === oldProduce.key && supportsVersion(oldProduce, header.apiVersion)) {
      const request = decodeRequest(oldProduce, header.apiVersion, reader);
      if (request.acks === 0) throw new FrameError("Produce with acks=0 is in a version that is not served");
      const responses = request.topicData.map(({ name, partitionData }) => ({
        name,
        partitionResponses: partitionData.map(({ index }) => ({ index, errorCode: error })),
      }));
      const { apiVersion, correlationId } = header;
      this.#replies.reserve()(encodeResponseFrame(oldProduce, apiVersion, correlationId, { responses }));
      return;
    }
    throw new FrameError(`${handler.api.name} version ${header.apiVersion} is not served`);
  }

  #logEnd(error: unknown, api = ""): void {
    if (this.#closed) return;
    const { log, env } = this.#options.broker;
    const fields = { client: this.#options.conn.remoteAddress, api, error: String(error) };
    const expected = error instanceof FrameError || error instanceof DecodeError ||
      error instanceof CloseConnectionError;
    if (expected) {
      const suppressed = this.#options.logLimiter.admit(env.mono());
      if (suppressed === null) return;
      const more = suppressed > 0 ? { suppressed } : {};
      log.warn("Connection closed: the request cannot be served", { ...fields, ...more });
    } else if (error instanceof InvariantError) log.error("Connection closed: a bug", fields);
    else log.debug("Connection lost", fields);
  }
}

/** Kafka's requests bring no trace along: each begins one. */
function startRequestSpan(tracer: Tracer, { api }: Handler, header: RequestHeader): Span {
  return tracer.startSpan(`kafka ${api.name}`, {
    parent: null,
    isServer: true,
    attributes: {
      "messaging.system": "kafka",
      "messaging.client.id": header.clientId ?? "",
      "kavka.kafka.api_version": header.apiVersion,
    },
  });
}
