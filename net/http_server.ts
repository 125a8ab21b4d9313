/**
 * The HTTP listener in front of Deno's own: it answers plain requests by itself, at a fraction of the memory for a reader of a
 * stream, and hands every other connection over. `docs/adr/023-http-listener.md` argues it.
 */
import { limits } from "../core/config/limits.ts";
import type { Cancel, Conn, Env, Listener } from "../lib/env.ts";
import type { Logger } from "../lib/log.ts";
import { LogLimiter } from "./log_limiter.ts";
import { HttpConnection, type HttpConnectionOptions } from "./http/http_connection.ts";

export interface HttpServerOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly listener: Listener;
  /** Never rejects. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Where Deno's own server listens, on this machine; 0 while it does not. */
  readonly otherPort: () => number;
}

class OtherAwayError extends Error {
  override readonly name = "OtherAwayError";
}

const OTHER_HOST = "127.0.0.1";
/** How often waits are compared with their deadlines. */
const SWEEP_MS = 5_000;
const ACCEPT_PAUSE_MS = 100;

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #shared: HttpConnectionOptions;
  readonly #connections = new Set<HttpConnection>();
  /** Of what clients can cause as often as they like. */
  readonly #logLimiter = new LogLimiter(limits.badRequestLogLinesPerSecondMax);
  #cancelSweep: Cancel | null = null;
  #accepting: Promise<void> | null = null;
  #onEmpty: (() => void) | null = null;
  #coarseMs: number;
  #dateSecond = -1;
  #date = "";

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#coarseMs = options.env.mono();
    const { env, log, fetch, otherPort } = options;
    this.#shared = {
      log,
      warn: (message, fields) => this.#warn(message, fields),
      fetch,
      coarseMs: () => this.#coarseMs,
      other: async () => {
        const port = otherPort();
        if (port === 0) throw new OtherAwayError("Deno's server does not listen at the moment");
        return await env.connect({ hostname: OTHER_HOST, port });
      },
      date: () => this.#now(),
    };
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  start(): void {
    this.#accepting = this.#acceptLoop();
    this.#armSweep();
  }

  /** Stops accepting, ends what waits for a request, and resolves when the last answer is out. */
  async shutdown(): Promise<void> {
    this.#options.listener.close();
    this.#cancelSweep?.();
    for (const connection of this.#connections) connection.drain();
    await this.#accepting;
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => this.#onEmpty = resolve);
  }

  async #acceptLoop(): Promise<void> {
    const { listener, env, log } = this.#options;
    for (;;) {
      let conn: Conn | null;
      try {
        conn = await listener.accept();
      } catch (error) {
        // For example too many open files: the next accept may work again.
        log.warn("Cannot accept an HTTP connection", { error: String(error) });
        await env.sleep(ACCEPT_PAUSE_MS);
        continue;
      }
      if (conn === null) return;
      this.#serve(conn);
    }
  }

  #serve(conn: Conn): void {
    if (this.#connections.size >= limits.httpConnectionsMax) {
      this.#warn("HTTP connection refused: too many are open", { open: this.#connections.size });
      conn.close();
      return;
    }
    const connection = new HttpConnection(conn, this.#shared);
    this.#connections.add(connection);
    void connection.serve().finally(() => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
  }

  #warn(message: string, fields: Record<string, unknown>): void {
    const suppressed = this.#logLimiter.admit(this.#options.env.mono());
    if (suppressed !== null) this.#options.log.warn(message, { ...fields, suppressed });
  }

  /** The present second, as a `Date` header has it. */
  #now(): string {
    const second = Math.floor(this.#options.env.now() / 1_000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = new Date(second * 1_000).toUTCString();
    }
    return this.#date;
  }

  #armSweep(): void {
    const { env } = this.#options;
    this.#cancelSweep = env.timer(SWEEP_MS, () => {
      this.#coarseMs = env.mono();
      for (const connection of this.#connections) connection.expire(this.#coarseMs);
      this.#armSweep();
    });
  }
}
