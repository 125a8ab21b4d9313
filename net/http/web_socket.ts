/**
 * A WebSocket on a connection of our own listener: what is read is bounded before it is kept, what is written waits for the client, and a client
 * that is silent, or takes nothing, is dropped.
 *
 * Source: RFC 6455.
 */
import { createHash } from "node:crypto";
import type { Conn } from "../../lib/env.ts";
import {
  type ServerSocket,
  type SocketHandlers,
  type SocketOptions,
  type UpgradeWebSocket,
} from "../../lib/server_socket.ts";
import { PlainRequest } from "./plain_request.ts";
import { closeFrame, FrameError, FrameReader, opcodes, serverFrame, textFrame } from "./web_socket_frames.ts";

/** A small buffer: clients say little, and there are many of them. */
const READ_BYTES = 512;
/** What was given must be with the system by then; else the client takes nothing. */
const WRITE_MS_MAX = 60_000;
/** The client's part of the closing handshake. */
const CLOSE_MS_MAX = 5_000;
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const noBytes = new Uint8Array(0);

/** What the connection lends. */
export interface SocketConnection {
  /** Also what was read of it before. */
  readonly input: Pick<Conn, "read">;
  readonly conn: Pick<Conn, "write" | "close" | "closeWrite">;
  /** A clock that goes in steps: milliseconds, monotonic. */
  readonly coarseMs: () => number;
}

const sockets = new WeakMap<Response, WebSocketEnd>();

/** The socket that a response stands for; undefined for an answer. */
export function socketOf(response: Response): WebSocketEnd | undefined {
  return sockets.get(response);
}

/** Upgrades requests that our listener read; leaves others to `others`. */
export function upgradeWith(others: UpgradeWebSocket): UpgradeWebSocket {
  return (request, options) => {
    if (!(request instanceof PlainRequest)) return others(request, options);
    const key = request.headers.get("sec-websocket-key");
    if (!request.isWebSocket || key === null) {
      throw new TypeError("Cannot make the request a WebSocket: it is no handshake");
    }
    const headers = new Headers({ "sec-websocket-accept": acceptOf(key) });
    if (options.protocol !== null) headers.set("sec-websocket-protocol", options.protocol);
    const response = new Response(null, { status: 101, headers });
    const socket = new WebSocketEnd(options);
    sockets.set(response, socket);
    return { socket, response };
  };
}

function acceptOf(key: string): string {
  return createHash("sha1").update(key + ACCEPT_GUID).digest("base64");
}

export class WebSocketEnd implements ServerSocket {
  handlers: SocketHandlers | null = null;
  readonly #options: SocketOptions;
  #connection: SocketConnection | null = null;
  readonly #queue: Uint8Array[] = [];
  #bufferedBytes = 0;
  #isWriting = false;
  /** The newest ping that is not answered. */
  #pong: Uint8Array | null = null;
  readonly #drained: { readonly bytesMax: number; readonly resolve: () => void }[] = [];
  #state: "open" | "closing" | "closed" = "open";
  #heardMs = 0;
  #pingedMs = -Infinity;
  #writeSinceMs = 0;
  #closingSinceMs = 0;

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(text: string): void {
    if (this.#state === "open") this.#give(textFrame(text));
  }

  drained(bytesMax: number): Promise<void> {
    if (this.#bufferedBytes <= bytesMax || this.#state !== "open") return Promise.resolve();
    return new Promise((resolve) => this.#drained.push({ bytesMax, resolve }));
  }

  close(code: number, reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#closingSinceMs = this.#connection?.coarseMs() ?? 0;
    this.#give(closeFrame(code, reason));
    this.#wakeDrained();
  }

  /** Serves the connection behind the handshake until it is over. Never throws. */
  async run(connection: SocketConnection): Promise<void> {
    this.#connection = connection;
    this.#heardMs = connection.coarseMs();
    try {
      this.handlers?.opened();
      void this.#write();
      await this.#read(connection);
    } catch {
      // The connection broke: the client is gone.
    } finally {
      this.ended();
      connection.conn.close();
    }
  }

  /** There is no connection, or not any more. */
  ended(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#drop();
    this.#wakeDrained();
    this.handlers?.closed();
  }

  /** Looks at the deadlines. */
  expire(nowMs: number): void {
    const connection = this.#connection;
    if (connection === null) return;
    const { silenceMsMax } = this.#options;
    const isStuck = this.#isWriting && nowMs - this.#writeSinceMs > WRITE_MS_MAX;
    const isLate = this.#state === "closing" && nowMs - this.#closingSinceMs > CLOSE_MS_MAX;
    const silentMs = this.#isWriting ? 0 : nowMs - this.#heardMs;
    if (isStuck || isLate || silentMs > silenceMsMax) return connection.conn.close();
    if (silentMs > silenceMsMax / 2 && nowMs - this.#pingedMs > silenceMsMax / 2) {
      this.#pingedMs = nowMs;
      this.#give(serverFrame(opcodes.ping, noBytes));
    }
  }

  async #read({ input, coarseMs }: SocketConnection): Promise<void> {
    const reader = new FrameReader(this.#options.messageBytesMax);
    const buffer = new Uint8Array(READ_BYTES);
    let isFailed = false;
    for (let count = await input.read(buffer); count !== null; count = await input.read(buffer)) {
      this.#heardMs = coarseMs();
      // What comes behind a fault is taken and dropped, so that the system does not tear the connection down before the code has arrived.
      if (isFailed) continue;
      try {
        for (const frame of reader.push(buffer.subarray(0, count))) {
          switch (frame.type) {
            case "message":
              if (this.#state === "open") this.handlers?.message(frame.text);
              break;
            case "ping":
              this.#pong = frame.payload;
              void this.#write();
              break;
            case "pong":
              break;
            case "close":
              this.close(frame.code, "");
              await this.#flushed();
              return;
          }
        }
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        isFailed = true;
        this.#drop();
        this.close(error.code, error.message);
        await this.#flushed();
        await this.#connection?.conn.closeWrite?.();
      }
    }
  }

  /** Until all that was given is with the system. */
  async #flushed(): Promise<void> {
    while (this.#isWriting) {
      await new Promise<void>((resolve) => this.#drained.push({ bytesMax: 0, resolve }));
    }
  }

  #give(frame: Uint8Array): void {
    this.#queue.push(frame);
    this.#bufferedBytes += frame.length;
    void this.#write();
  }

  /** Drops what waits; a frame that is being written goes on, or all behind it would be misread. */
  #drop(): void {
    for (const { length } of this.#queue.splice(0)) this.#bufferedBytes -= length;
  }

  async #write(): Promise<void> {
    const connection = this.#connection;
    if (this.#isWriting || connection === null) return;
    this.#isWriting = true;
    const startedMs = connection.coarseMs();
    try {
      while (this.#state !== "closed") {
        const pong = this.#pong;
        this.#pong = null;
        const frame = pong === null ? this.#queue.shift() : serverFrame(opcodes.pong, pong);
        if (frame === undefined) break;
        for (let written = 0; written < frame.length;) {
          // However slow a client is, as long as it takes something it is not stuck.
          this.#writeSinceMs = connection.coarseMs();
          written += await connection.conn.write(frame.subarray(written));
        }
        if (pong !== null) continue;
        this.#bufferedBytes -= frame.length;
        if (this.#queue.length > 0) this.#wakeDrained();
      }
    } catch {
      // The client is gone: closing ends the read, which tells the rest.
      connection.conn.close();
    }
    // While it took what was written a client could not be heard: a pong is behind that.
    const nowMs = connection.coarseMs();
    this.#heardMs = Math.min(nowMs, this.#heardMs + nowMs - startedMs);
    this.#isWriting = false;
    this.#wakeDrained();
  }

  #wakeDrained(): void {
    const waiting = this.#drained.splice(0);
    for (const each of waiting) {
      if (this.#state !== "open" || this.#bufferedBytes <= each.bytesMax) each.resolve();
      else this.#drained.push(each);
    }
  }
}
