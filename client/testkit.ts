/**
 * A broker in memory for tests of the client: it speaks the real protocol over connections without sockets, and does
 * what the test's handlers say.
 */
import { ByteReader, concat } from "../lib/bytes.ts";
import type { Conn, Env } from "../lib/env.ts";
import {
  type Api,
  apiByKey,
  decodeRequest,
  decodeRequestHeader,
  encodeResponseFrame,
  type RequestOf,
  type ResponseInput,
} from "../protocol/mod.ts";
import { apis } from "../protocol/messages/all.ts";
import { findCoordinator } from "../protocol/messages/10_find_coordinator.ts";
import { apiVersions } from "../protocol/messages/18_api_versions.ts";
import { initProducerId } from "../protocol/messages/22_init_producer_id.ts";
import { metadata } from "../protocol/messages/03_metadata.ts";

/** What a handler may do in place of answering. */
export const CLOSE = Symbol("close the connection");
export const SILENCE = Symbol("never answer");

type Answer = ResponseInput<Api> | typeof CLOSE | typeof SILENCE;
type Handler = (request: RequestOf<Api>, version: number) => Answer | Promise<Answer>;

/** One end of a connection in memory. */
class MemoryConn implements Conn {
  readonly remoteAddress = "memory:1";
  peer: MemoryConn | null = null;
  #received: Uint8Array[] = [];
  #isClosed = false;
  #wake: (() => void) | null = null;

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#received.length === 0) {
      if (this.#isClosed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const first = this.#received[0] ?? new Uint8Array(0);
    const part = first.subarray(0, buffer.length);
    buffer.set(part);
    if (part.length === first.length) this.#received.shift();
    else this.#received[0] = first.subarray(part.length);
    return part.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#isClosed) return Promise.reject(new Error("closed"));
    // Half of it at first: writers must cope with that.
    const part = bytes.slice(0, Math.max(1, bytes.length >> 1));
    this.peer?.deliver(part);
    return Promise.resolve(part.length);
  }

  deliver(bytes: Uint8Array): void {
    this.#received.push(bytes);
    this.#wake?.();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake?.();
    this.peer?.close();
  }
}

/**
 * An Env whose clock stands still while anything is to be done and then leaps to the next timer: waits take no time,
 * and the same calls happen in the same order each time. Nothing under it may wait for the world outside.
 */
export function idleTimeEnv(base: Env): Env {
  let nowMs = 0;
  let isScheduled = false;
  const timers = new Map<() => void, number>();
  // A timer of 0 ms comes after all that is settled already, and there is no other work in memory.
  function schedule(): void {
    if (isScheduled || timers.size === 0) return;
    isScheduled = true;
    base.timer(0, () => {
      isScheduled = false;
      const dueMs = Math.min(...timers.values());
      for (const [callback, atMs] of [...timers]) {
        if (atMs > dueMs || !timers.delete(callback)) continue;
        nowMs = Math.max(nowMs, atMs);
        callback();
        break;
      }
      schedule();
    });
  }
  function timer(ms: number, callback: () => void): () => void {
    const fire = () => callback();
    timers.set(fire, nowMs + ms);
    schedule();
    return () => timers.delete(fire);
  }
  return {
    ...base,
    now: () => nowMs,
    mono: () => nowMs,
    random: () => 0.5,
    timer,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const cancel = timer(ms, resolve);
        signal?.addEventListener("abort", () => {
          cancel();
          reject(signal.reason);
        }, { once: true });
      }),
  };
}

export class FakeBroker {
  /** All requests in the order of their coming, by the name of the API. */
  readonly requests: { name: string; request: RequestOf<Api>; version: number }[] = [];
  connectionCount = 0;
  readonly #handlers = new Map<number, Handler>();
  readonly #conns = new Set<MemoryConn>();

  /** Serves the topics (name to number of partitions), producer ids from 1,000 on, and nothing else at first. */
  constructor(topics: Readonly<Record<string, number>>) {
    let nextProducerId = 1000;
    this.on(initProducerId, () => ({ errorCode: 0, producerId: nextProducerId++, producerEpoch: 0 }));
    this.on(metadata, (request) => ({
      brokers: [{ nodeId: 1, host: "memory", port: 1 }],
      controllerId: 1,
      topics: (request.topics ?? Object.keys(topics).map((name) => ({ name }))).map(({ name }) => ({
        errorCode: topics[name ?? ""] === undefined ? 3 : 0,
        name,
        partitions: Array.from({ length: topics[name ?? ""] ?? 0 }, (_, partitionIndex) => ({
          errorCode: 0,
          partitionIndex,
          leaderId: 1,
          replicaNodes: [1],
          isrNodes: [1],
        })),
      })),
    }));
    this.on(apiVersions, () => ({
      errorCode: 0,
      apiKeys: apis.map((api) => ({
        apiKey: api.key,
        minVersion: api.minVersion,
        maxVersion: api.maxVersion,
      })),
    }));
  }

  /** Sets what happens with requests of an API. */
  on<A extends Api>(
    api: A,
    handler: (
      request: RequestOf<A>,
      version: number,
    ) => ResponseInput<A> | typeof CLOSE | typeof SILENCE | Promise<ResponseInput<A> | typeof CLOSE>,
  ): void {
    this.#handlers.set(api.key, handler as unknown as Handler);
  }

  /** Requests of an API so far. */
  requestsOf<A extends Api>(api: A): RequestOf<A>[] {
    return this.requests.filter(({ name }) => name === api.name).map(({ request }) =>
      request as RequestOf<A>
    );
  }

  /** Coordinates every group and every transaction. */
  coordinates(): void {
    this.on(findCoordinator, ({ coordinatorKeys }) => ({
      coordinators: coordinatorKeys.map((key) => ({
        key,
        nodeId: 1,
        host: "memory",
        port: 1,
        errorCode: 0,
        errorMessage: null,
      })),
      errorMessage: null,
    }));
  }

  /** An Env in which every connection leads here; time is that of `base`. */
  env(base: Env): Env {
    return { ...base, connect: () => Promise.resolve(this.connect()) };
  }

  /** A new connection. */
  connect(): Conn {
    this.connectionCount++;
    const client = new MemoryConn();
    const server = new MemoryConn();
    client.peer = server;
    server.peer = client;
    this.#conns.add(server);
    void this.#serve(server);
    return client;
  }

  /** Breaks all connections. */
  disconnect(): void {
    for (const conn of this.#conns) conn.close();
    this.#conns.clear();
  }

  async #serve(conn: MemoryConn): Promise<void> {
    for (;;) {
      const size = await readFully(conn, 4);
      if (size === null) return;
      const frame = await readFully(conn, new DataView(size.buffer).getInt32(0));
      if (frame === null) return;
      if (!await this.#answer(conn, frame)) return conn.close();
    }
  }

  async #answer(conn: MemoryConn, frame: Uint8Array): Promise<boolean> {
    const reader = new ByteReader(frame);
    const header = decodeRequestHeader(reader);
    const api = apiByKey.get(header.apiKey);
    const handler = this.#handlers.get(header.apiKey);
    if (api === undefined || handler === undefined) throw new Error(`No handler for API ${header.apiKey}`);
    const request = decodeRequest(api, header.apiVersion, reader);
    this.requests.push({ name: api.name, request, version: header.apiVersion });
    const answer = await handler(request, header.apiVersion);
    if (answer === CLOSE) return false;
    if (answer === SILENCE) return true;
    await sendAll(
      conn,
      concat(encodeResponseFrame(api, header.apiVersion, header.correlationId, answer as never)),
    );
    return true;
  }
}

/** Writes all of it, unless the other side is gone. */
export async function sendAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
  } catch {
    // The client closed meanwhile, which is what some tests are about.
  }
}

async function readFully(conn: Conn, size: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) return null;
    at += count;
  }
  return bytes;
}
