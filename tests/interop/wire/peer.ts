/** A connection that sends frames, right and wrong ones, and says what came back. */

import { ByteReader, concat } from "../../../lib/bytes.ts";
import { decodeResponseHeader, encodeRequestFrame } from "../../../protocol/header.ts";
import {
  type Api,
  decodeResponse,
  type RequestInput,
  type ResponseOf,
} from "../../../protocol/schema/api.ts";
import { BOOTSTRAP } from "../clients/suite.ts";

const ANSWER_MS_MAX = 15_000;

export class Peer implements Disposable {
  readonly #conn: Deno.TcpConn;
  #pending: Uint8Array = new Uint8Array(0);
  #correlationId = 0;
  #closed = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async connect(): Promise<Peer> {
    const [hostname = "", port = ""] = BOOTSTRAP.split(":");
    return new Peer(await Deno.connect({ hostname, port: Number(port) }));
  }

  /** Writes all bytes; false when the server closed the connection meanwhile. */
  async send(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
      return true;
    } catch {
      // Closed at what came before: what follows finds that out as well.
      return false;
    }
  }

  /** The next frame without its size, or null when the server closed the connection. Throws when neither comes. */
  async reply(): Promise<Uint8Array | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("neither an answer nor a close")), ANSWER_MS_MAX);
    });
    try {
      return await Promise.race([this.#frame(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #frame(): Promise<Uint8Array | null> {
    const size = await this.#bytes(4);
    return size === null ? null : await this.#bytes(new DataView(size.buffer, size.byteOffset).getInt32(0));
  }

  async #bytes(count: number): Promise<Uint8Array | null> {
    const buffer = new Uint8Array(65_536);
    while (this.#pending.length < count) {
      let read: number | null;
      try {
        read = await this.#conn.read(buffer);
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionReset) return null;
        throw error;
      }
      if (read === null) return null;
      this.#pending = concat([this.#pending, buffer.subarray(0, read)]);
    }
    const bytes = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    return bytes;
  }

  /** Asks in a version and returns the answer; null when the server closed the connection. */
  async ask<A extends Api>(api: A, version: number, request: RequestInput<A>): Promise<ResponseOf<A> | null> {
    const correlationId = ++this.#correlationId;
    await this.send(frame(api, version, request, correlationId));
    const bytes = await this.reply();
    if (bytes === null) return null;
    const reader = new ByteReader(bytes);
    if (decodeResponseHeader(api, version, reader) !== correlationId) {
      throw new Error("an answer to something else");
    }
    return decodeResponse(api, version, reader);
  }

  /** May be called twice. */
  [Symbol.dispose](): void {
    if (!this.#closed) this.#conn.close();
    this.#closed = true;
  }
}

/** A whole request frame with its size. */
export function frame<A extends Api>(
  api: A,
  version: number,
  request: RequestInput<A>,
  correlationId = 1,
): Uint8Array {
  return concat(encodeRequestFrame(api, version, correlationId, "wire", request));
}

/** Bytes behind a size that is theirs. */
export function sized(...parts: Uint8Array[]): Uint8Array {
  const body = concat(parts);
  const size = new Uint8Array(4);
  new DataView(size.buffer).setInt32(0, body.length);
  return concat([size, body]);
}

/** A frame's header (version 1) for an API and a version, with a client id. */
export function header(apiKey: number, apiVersion: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, apiKey);
  view.setInt16(2, apiVersion);
  view.setInt32(4, 7);
  view.setInt16(8, 2);
  bytes.set([0x77, 0x77], 10);
  return bytes;
}
