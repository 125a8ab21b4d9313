/**
 * One HTTP connection: plain requests one after the other, each with its answer. With the first that is not plain the whole
 * connection, what was read of it included, is handed to Deno's own server, which knows all of HTTP. So there are two readers of
 * requests, but never two readings of one.
 *
 * Requests sent ahead (pipelined) wait for the answers before them.
 */
import { closeCodes } from "../../lib/server_socket.ts";
import type { Conn } from "../../lib/env.ts";
import type { PlainHead } from "../../lib/http_head.ts";
import { InvariantError } from "../../lib/invariant.ts";
import type { Logger } from "../../lib/log.ts";
import { limits } from "../../core/config/limits.ts";
import { BrokenOffError, HttpInput } from "./http_input.ts";
import { sendResponse, sendUpgrade, writeAll } from "./http_output.ts";
import { tunnel } from "./http_tunnel.ts";
import { asRequest, type RequestSource } from "./plain_request.ts";
import { socketOf, type WebSocketEnd } from "./web_socket.ts";

/** What all connections of a server share. */
export interface HttpConnectionOptions {
  readonly log: Logger;
  /** Writes some of such lines a second. */
  readonly warn: (message: string, fields: Record<string, unknown>) => void;
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** A connection to the server that takes what is not plain. */
  readonly other: () => Promise<Conn>;
  /** The present time as a `Date` header has it. */
  readonly date: () => string;
  /** A clock that goes in steps, since it is looked at several times in each request: milliseconds, monotonic. */
  readonly coarseMs: () => number;
}

/** What is waited for; each has its deadline, but for answers, whose routes have theirs, and WebSockets, which look at their own. */
type Wait = "request" | "head" | "answer" | "write" | "body" | "socket" | "other";

const waitMsMax: Readonly<Record<Wait, number>> = {
  request: limits.connectionIdleMsMax,
  head: limits.httpHeadMsMax,
  answer: Infinity,
  write: limits.connectionIdleMsMax,
  body: limits.httpBodyMsMax,
  socket: Infinity,
  other: limits.connectionIdleMsMax,
};

/**
 * Servers pass over an empty line before a request (RFC 9112 §2.2), and behind it Deno's does not look for what only a new connection may
 * begin with, which is the `PRI` of HTTP/2. Behind two it refuses heads in pieces, so it goes before nothing else.
 */
const emptyLine = new TextEncoder().encode("\r\n");
const CAPITAL_P = 0x50;
const noBytes = new Uint8Array(0);

export class HttpConnection {
  readonly #options: HttpConnectionOptions;
  readonly #conn: Conn;
  readonly #input: HttpInput;
  #wait: Wait = "head";
  #sinceMs: number;
  #other: Conn | null = null;
  #socket: WebSocketEnd | null = null;
  #draining = false;
  #closed = false;
  #hasAnswered = false;

  constructor(conn: Conn, options: HttpConnectionOptions) {
    this.#options = options;
    this.#conn = conn;
    this.#input = new HttpInput(conn);
    this.#sinceMs = options.coarseMs();
  }

  /** Serves until the client leaves. Never throws. */
  async serve(): Promise<void> {
    try {
      while (await this.#next());
    } catch (error) {
      const { log } = this.#options;
      if (error instanceof InvariantError) {
        log.error("HTTP connection closed: a bug", { error: String(error) });
      } else if (!this.#closed) log.debug("HTTP connection lost", { error: String(error) });
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#closed = true;
    this.#conn.close();
    this.#other?.close();
  }

  /** Ends with the answer that is on its way; at once when there is none. */
  drain(): void {
    this.#draining = true;
    if (this.#wait === "request" || this.#wait === "head") this.close();
    this.#socket?.close(closeCodes.goingAway, "The server is stopping");
  }

  /** Ends when a wait is over its deadline. */
  expire(nowMs: number): void {
    // Begun since the last look: from now on it has to become whole.
    if (this.#wait === "request" && !this.#input.isEmpty) this.#waitFor("head");
    if (nowMs - this.#sinceMs > waitMsMax[this.#wait]) this.close();
    this.#socket?.expire(nowMs);
  }

  #waitFor(wait: Wait): void {
    this.#wait = wait;
    this.#sinceMs = this.#options.coarseMs();
  }

  /** One request and its answer; whether there may be another. */
  async #next(): Promise<boolean> {
    const head = await this.#input.head();
    if (head === null) return false;
    if (head === "other") {
      await this.#handOver();
      return false;
    }
    this.#wait = "answer";
    this.#hasAnswered = true;
    const goesOn = await this.#answer(head);
    // Who still reads the body would take bytes of the next request for it.
    if (this.#input.isBodyRead) return false;
    this.#waitFor("body");
    // Also before the end: with bytes that nobody read the system would tear the connection down, the answer with it.
    while (await this.#input.chunk() !== null);
    this.#waitFor(this.#input.isEmpty ? "request" : "head");
    return goesOn && !this.#draining;
  }

  async #answer(head: PlainHead): Promise<boolean> {
    const source = new PresentRequest(this.#input);
    const answering = this.#options.fetch(asRequest(head, source));
    const response = answering instanceof Promise ? await answering : answering;
    const socket = socketOf(response);
    if (socket !== undefined) {
      source.end();
      await this.#serveSocket(socket, response);
      return false;
    }
    const keepsAlive = head.keepsAlive && !this.#draining && !this.#input.isBodyRead &&
      !/close/i.test(response.headers.get("connection") ?? "");
    const goesOn = await sendResponse({
      response,
      date: this.#options.date(),
      keepsAlive,
      write: this.#write,
      watch: (gone) => source.whenGone(gone),
    });
    source.end();
    return goesOn;
  }

  readonly #write = async (bytes: Uint8Array): Promise<void> => {
    // From piece to piece: a client that reads slowly does read.
    await writeAll(this.#conn, bytes, () => this.#waitFor("write"));
    this.#wait = "answer";
  };

  async #serveSocket(socket: WebSocketEnd, response: Response): Promise<void> {
    try {
      await sendUpgrade({ response, date: this.#options.date(), write: this.#write });
      this.#waitFor("socket");
      this.#input.forgetHeads();
      this.#socket = socket;
      const { coarseMs } = this.#options;
      const serving = socket.run({ input: this.#input, conn: this.#conn, coarseMs });
      if (this.#draining) socket.close(closeCodes.goingAway, "The server is stopping");
      await serving;
    } finally {
      socket.ended();
    }
  }

  async #handOver(): Promise<void> {
    this.#waitFor("other");
    const { other, warn } = this.#options;
    try {
      this.#other = await other();
    } catch (error) {
      warn("Cannot hand an HTTP connection over", { error: String(error) });
      return;
    }
    if (!this.#closed) {
      await tunnel({
        input: this.#input,
        client: this.#conn,
        server: this.#other,
        before: this.#hasAnswered && this.#input.first === CAPITAL_P ? emptyLine : noBytes,
        carried: () => this.#waitFor("other"),
      });
    }
    this.#other.close();
  }
}

/** A request's part of the connection, until it is answered. */
class PresentRequest implements RequestSource {
  readonly #input: HttpInput;
  #isOver = false;
  /** Null while nobody wants to know. */
  #whenGone: (() => void)[] | null = null;
  #isGone = false;

  constructor(input: HttpInput) {
    this.#input = input;
  }

  end(): void {
    this.#isOver = true;
    this.#input.unwatch();
  }

  async bodyChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#isOver) throw new BrokenOffError("The request is answered already");
    return await this.#input.chunk();
  }

  async bodyBytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#isOver) throw new BrokenOffError("The request is answered already");
    return await this.#input.rest();
  }

  whenGone(callback: () => void): void {
    // The connection belongs to the next request by then.
    if (this.#isOver) return;
    if (this.#isGone) return callback();
    if (this.#whenGone !== null) {
      this.#whenGone.push(callback);
      return;
    }
    this.#whenGone = [callback];
    this.#input.watch(() => {
      this.#isGone = true;
      for (const each of this.#whenGone ?? []) each();
    });
  }
}
