/**
 * A TLS connection to somebody else's server, whose certificate must be valid for a name. Closed it is gone at once, at whatever point.
 *
 * `Deno.TlsConn` is not: closed before its handshake is over it keeps the socket until the server lets go, so a server that says nothing
 * would take one for each attempt.
 */
import type { Duplex } from "node:stream";
import type { ByteConn } from "./pinned_request.ts";

export class TlsSocket implements ByteConn {
  readonly #socket: Duplex;
  readonly #secured: Promise<void>;
  readonly #pieces: AsyncIterator<Uint8Array>;

  private constructor(socket: Duplex, secured: Promise<void>) {
    this.#socket = socket;
    this.#secured = secured;
    this.#pieces = socket.iterator({ destroyOnReturn: true });
  }

  /** Of a socket of `node:tls` that was just made. Resolves once the server is reached. */
  static async reach(socket: Duplex, signal: AbortSignal | null): Promise<TlsSocket> {
    const reached = Promise.withResolvers<void>();
    const secured = Promise.withResolvers<void>();
    const fail = (error: Error) => {
      reached.reject(error);
      secured.reject(error);
    };
    socket.once("connect", () => reached.resolve());
    socket.once("secureConnect", () => secured.resolve());
    socket.on("error", fail);
    socket.once("close", () => fail(new Deno.errors.ConnectionReset("the connection was closed")));
    secured.promise.catch(() => {
      // For whoever asks for the handshake.
    });
    const abort = () => socket.destroy();
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      await reached.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    return new TlsSocket(socket, secured.promise);
  }

  /** Resolves once the server has shown who it is. */
  handshake(): Promise<void> {
    return this.#secured;
  }

  async read(): Promise<Uint8Array | null> {
    const { done, value } = await this.#pieces.next();
    return done === true ? null : value;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
