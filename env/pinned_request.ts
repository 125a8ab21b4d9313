/**
 * One HTTP/1.1 request to somebody else's server, at addresses that were looked at before: the name is not resolved again, so it cannot
 * lead elsewhere by now (DNS rebinding), and no proxy of the environment gets in between. With `https` the certificate must be valid for
 * the name in the URL, and the server is told that name (SNI).
 *
 * `fetch` cannot do that: it resolves by itself, its transport to an address knows no TLS, and NO_PROXY takes it away.
 */
import { concat } from "../lib/bytes.ts";
import { type OutboundRequest, UnreachableError } from "../lib/env.ts";
import { HttpResponseError, HttpResponseReader } from "../lib/http_response.ts";

/** Statuses of which the Fetch standard takes no body. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);
const encoder = new TextEncoder();

/** Bytes in both directions. */
export interface ByteConn {
  /** A piece of what came, the caller's own; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** All of them. */
  write(bytes: Uint8Array): Promise<void>;
  /** At once: what is being read or written breaks off. May be called again. */
  close(): void;
}

export interface SecureConn extends ByteConn {
  /** Throws when the server is not who it should be. */
  handshake(): Promise<void>;
}

/** How a connection comes to be. */
export interface Dialer {
  connect(address: string, port: number, signal: AbortSignal | null): Promise<ByteConn>;
  /** To a server that must be this host. The handshake is still to come. */
  connectSecurely(target: SecureTarget): Promise<SecureConn>;
}

export interface SecureTarget {
  readonly address: string;
  readonly port: number;
  /** The host of the URL, without brackets and final dot. */
  readonly hostname: string;
  readonly signal: AbortSignal | null;
}

/** Throws `UnreachableError`, and the signal's reason when it is aborted. */
export async function requestPinned(
  url: string,
  request: OutboundRequest,
  dialer: Dialer,
): Promise<Response> {
  const { signal } = request;
  signal?.throwIfAborted();
  const exchange = new Exchange(dialer, signal ?? null);
  try {
    const target = new URL(url);
    await exchange.connect(target, request.addresses);
    return await exchange.send(requestBytes(target, request));
  } catch (error) {
    exchange.close();
    throw exchange.reasonOf(error);
  }
}

/** A request and its answer on a connection of their own. */
class Exchange {
  readonly #dialer: Dialer;
  readonly #signal: AbortSignal | null;
  readonly #reader = new HttpResponseReader();
  readonly #abort = () => this.close();
  #conn: ByteConn | null = null;
  #closed = false;

  constructor(dialer: Dialer, signal: AbortSignal | null) {
    this.#dialer = dialer;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** To the first address that answers. */
  async connect({ protocol, hostname, port }: URL, addresses: readonly string[]) {
    if (protocol === "http:") {
      await this.#connectTo(
        addresses,
        (address) => this.#dialer.connect(address, Number(port || 80), this.#signal),
      );
      return;
    }
    // As a URL has it: an address in brackets, a name perhaps with the final dot.
    const target = {
      port: Number(port || 443),
      hostname: hostname.replace(/^\[|\]$/g, "").replace(/\.$/, ""),
      signal: this.#signal,
    };
    const conn = await this.#connectTo(
      addresses,
      (address) => this.#dialer.connectSecurely({ ...target, address }),
    );
    try {
      await conn.handshake();
    } catch (error) {
      throw new UnreachableError(tlsFault(error));
    }
  }

  async #connectTo<C extends ByteConn>(
    addresses: readonly string[],
    dial: (address: string) => Promise<C>,
  ): Promise<C> {
    let fault: unknown = new Error("there is no address to connect to");
    for (const address of addresses) {
      try {
        const conn = await dial(address);
        this.#conn = conn;
        if (this.#closed) conn.close();
        return conn;
      } catch (error) {
        if (this.#closed) throw error;
        fault = error;
      }
    }
    throw new UnreachableError(`cannot be reached: ${messageOf(fault)}`);
  }

  /** Writes while it reads: an answer may come before the request is taken. */
  async send(bytes: Uint8Array): Promise<Response> {
    let fault: unknown = null;
    this.#open().write(bytes).catch((error) => fault = error);
    while (this.#reader.head === null) {
      try {
        await this.#more();
      } catch (error) {
        throw error instanceof HttpResponseError ? error : fault ?? error;
      }
    }
    const { status, headers } = this.#reader.head;
    const hasBody = !bodiless.has(status);
    if (this.#reader.isDone || !hasBody) this.close();
    const init = { status, headers: headers.map(([name, value]): [string, string] => [name, value]) };
    return new Response(hasBody ? this.#body() : null, init);
  }

  /** Reads once. */
  async #more(): Promise<void> {
    const piece = await this.#open().read();
    if (piece === null) this.#reader.end();
    else this.#reader.push(piece);
  }

  #body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        try {
          for (;;) {
            const piece = this.#reader.take();
            if (piece !== null) return controller.enqueue(new Uint8Array(piece));
            if (this.#reader.isDone) break;
            await this.#more();
          }
        } catch (error) {
          this.close();
          throw this.reasonOf(error);
        }
        this.close();
        controller.close();
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
  }

  #open(): ByteConn {
    if (this.#conn === null || this.#closed) throw new Deno.errors.Interrupted("the connection is closed");
    return this.#conn;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#conn?.close();
  }

  /** What a caller is told of an error. */
  reasonOf(error: unknown): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    if (error instanceof UnreachableError) return error;
    if (error instanceof HttpResponseError) return new UnreachableError(error.message);
    return new UnreachableError(`broken off: ${messageOf(error)}`);
  }
}

function requestBytes(
  { host, pathname, search }: URL,
  { method = "GET", headers = {}, body = null }: OutboundRequest,
): Uint8Array {
  // It refuses what would end a line.
  const fields = new Headers(headers);
  const bytes = encoder.encode(body ?? "");
  fields.set("host", host);
  fields.set("connection", "close");
  if (!fields.has("user-agent")) fields.set("user-agent", "kavka");
  if (body !== null) fields.set("content-length", String(bytes.byteLength));
  let head = `${method} ${pathname}${search} HTTP/1.1\r\n`;
  for (const [name, value] of fields) head += `${name}: ${value}\r\n`;
  const headBytes = Uint8Array.from(`${head}\r\n`, (character) => character.charCodeAt(0));
  return concat([headBytes, bytes]);
}

function tlsFault(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const isRefused = /CERT|ISSUER|SIGNATURE|_CA$|PURPOSE|MISMATCH/.test(code);
  return `${isRefused ? "its certificate is refused" : "no TLS connection"}: ${messageOf(error)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
