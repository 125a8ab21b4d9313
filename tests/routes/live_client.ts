/** Clients of the live tails for tests: server-sent events without a socket, WebSockets by a real one. */
import assert from "node:assert/strict";
import { realEnv, upgradeWebSocket } from "../../env/real.ts";
import { silentLogger } from "../../lib/log.ts";
import { upgradeWith } from "../../net/http/web_socket.ts";
import { HttpServer } from "../../net/http_server.ts";
import { type HttpApp, httpApp, type HttpAppOptions } from "../../routes/app.ts";
import type { ServedBroker } from "../served_broker.ts";

export interface Event {
  readonly id: string;
  readonly event: string;
  // deno-lint-ignore no-explicit-any -- tests look into answers freely
  readonly data: any;
}

type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

export class Tail implements AsyncDisposable {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";
  /** Of the last block, data or not. */
  lastId = "";
  /** Bytes of the largest chunk. */
  chunkBytesMax = 0;

  constructor(response: Response) {
    this.response = response;
    assert.ok(response.body !== null);
    this.#reader = response.body.getReader();
  }

  static async open(fetch: Fetch, path: string, headers: Record<string, string> = {}): Promise<Tail> {
    const tail = new Tail(await fetch(path, { headers }));
    assert.equal(tail.response.status, 200);
    return tail;
  }

  /** The next events with data. */
  async take(count: number): Promise<Event[]> {
    const events: Event[] = [];
    while (events.length < count) {
      const event = await this.next();
      assert.ok(event !== null, "the tail ended");
      events.push(event);
    }
    return events;
  }

  /** The next records, whatever else is told in between. */
  async records(count: number): Promise<Event[]> {
    const records: Event[] = [];
    while (records.length < count) {
      records.push(...(await this.take(1)).filter(({ event }) => event === "record"));
    }
    return records;
  }

  /** Null at the end. */
  async next(): Promise<Event | null> {
    while (true) {
      const block = await this.block();
      if (block === null) return null;
      if (block.data !== null) return block;
    }
  }

  /** The next block, also one without data. */
  async block(): Promise<Event | null> {
    while (true) {
      const end = this.#text.indexOf("\n\n");
      if (end === -1) {
        const { value, done } = await this.#reader.read();
        if (done) return null;
        this.chunkBytesMax = Math.max(this.chunkBytesMax, value.length);
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const lines = this.#text.slice(0, end).split("\n").map((line) =>
        line.split(/: (.*)/s) as [string, string]
      );
      this.#text = this.#text.slice(end + 2);
      const fields = new Map(lines);
      const data = lines.filter(([name]) => name === "data").map(([, value]) => value).join("\n");
      this.lastId = fields.get("id") ?? this.lastId;
      return {
        id: fields.get("id") ?? "",
        event: fields.get("event") ?? "",
        data: data === "" ? null : JSON.parse(data),
      };
    }
  }

  async ended(): Promise<boolean> {
    while (await this.next() !== null);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

export async function produceTo(
  fetch: Fetch,
  topic: string,
  records: readonly object[],
  headers: Record<string, string> = {},
): Promise<void> {
  const response = await fetch(`/v1/topics/${topic}/records`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ records }),
  });
  assert.equal(response.status, 200, await response.text());
}

interface DoorOptions extends Partial<HttpAppOptions> {
  /** Without the listener of our own, as where Deno has the port. */
  readonly isDenoAlone?: boolean;
}

/** The HTTP door on real sockets. */
export class HttpDoor implements AsyncDisposable {
  readonly port: number;
  readonly #app: HttpApp;
  readonly #stop: () => Promise<unknown>;

  private constructor(port: number, app: HttpApp, stop: () => Promise<unknown>) {
    this.port = port;
    this.#app = app;
    this.#stop = stop;
  }

  static async open(served: ServedBroker, { isDenoAlone = false, ...options }: DoorOptions = {}) {
    const { broker } = served;
    const app = httpApp(broker, {
      version: "test",
      upgradeWebSocket: upgradeWith(upgradeWebSocket),
      ...options,
    });
    const fetch = (request: Request) => app.fetch(request);
    const other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, fetch);
    if (isDenoAlone) return new HttpDoor(other.addr.port, app, () => other.shutdown());
    const env = realEnv();
    const listener = await env.listen({ hostname: "127.0.0.1", port: 0 });
    const server = new HttpServer({
      env,
      log: silentLogger,
      listener,
      fetch,
      otherPort: () => other.addr.port,
    });
    server.start();
    return new HttpDoor(listener.port, app, () => Promise.all([server.shutdown(), other.shutdown()]));
  }

  readonly fetch: Fetch = (path, init) => fetch(`http://127.0.0.1:${this.port}${path}`, init);

  /** The live tails end, as when the server stops. */
  endStreams(): Promise<void> {
    return this.#app.endStreams();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }
}

/** A WebSocket that collects what comes. */
export class SocketTail implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #events: Event[] = [];
  #wake = () => {};
  #isClosed = false;

  constructor({ port }: HttpDoor, path: string, options: ConstructorParameters<typeof WebSocket>[1] = []) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
    this.socket.onmessage = ({ data }) => {
      this.#events.push({ data: null, ...JSON.parse(data) });
      this.#wake();
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason }) => {
        this.#isClosed = true;
        this.#wake();
        resolve({ code, reason });
      };
    });
  }

  /** The next events, places without data among them. */
  async take(count: number): Promise<Event[]> {
    while (this.#events.length < count) {
      assert.ok(!this.#isClosed, `closed after ${JSON.stringify(this.#events)}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#events.splice(0, count);
  }

  /** Of what came and was not taken. */
  get waitingCount(): number {
    return this.#events.length;
  }

  send(text: string): void {
    this.socket.send(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    await this.closed;
  }
}
