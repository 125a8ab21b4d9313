/**
 * What comes in on an HTTP connection: heads, bodies of a declared length, and the end. One read is on its way at a time; whoever
 * wants to know that the client left reads ahead, and what comes then is kept for the next request.
 */
import type { Conn } from "../../lib/env.ts";
import { invariant } from "../../lib/invariant.ts";
import { limits } from "../../core/config/limits.ts";
import { headEnd, mayBePlain, type PlainHead, readPlainHead } from "../../lib/http_head.ts";

/** Bytes asked of the socket at a time for heads and small bodies. */
const STAGING_BYTES = 4 * 1024;
/** While an answer flows: enough to notice a client that leaves. */
const WATCH_BYTES = 64;
/** A head beyond that is not plain. */
const HEAD_BYTES_MAX = 16 * 1024;
/** A body up to this size gets its whole buffer at once; a larger one starts with as much and doubles. */
const TRUSTED_BYTES = 256 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** The client left in the middle of a body. */
export class BrokenOffError extends Error {
  override readonly name = "BrokenOffError";
}

const noBytes = new Uint8Array(0);

export class HttpInput {
  readonly #conn: Conn;
  #staging: Uint8Array<ArrayBuffer> = noBytes;
  #start = 0;
  #end = 0;
  /** How much of the staging was looked through for a head's end. */
  #searched = 0;
  /** The read on its way; whether something came. */
  #reading: Promise<boolean> | null = null;
  #ended = false;
  /** Who is told when the client leaves. */
  #watched: (() => void) | null = null;
  #bodyLeft = 0;
  #isBodyRead = false;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** Whether nothing of a next request is there. */
  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** The first byte that came and was not passed. */
  get first(): number | undefined {
    return this.isEmpty ? undefined : this.#staging[this.#start];
  }

  /** Whether somebody waits for bytes of the body now. */
  get isBodyRead(): boolean {
    return this.#isBodyRead;
  }

  /** The next head, null at the end, or `"other"` for what is not plain; that stays for `read`. */
  async head(): Promise<PlainHead | "other" | null> {
    for (;;) {
      const end = headEnd(this.#staging, Math.max(this.#start, this.#searched - 3), this.#end);
      if (end !== -1) return this.#passed(end);
      this.#searched = this.#end;
      if (this.#end - this.#start >= HEAD_BYTES_MAX) return "other";
      if (this.#end > this.#start && !mayBePlain(this.#staging, this.#start, this.#end)) return "other";
      if (!await this.#fill()) return null;
    }
  }

  /** Reads a whole head and goes on behind it, to its body. */
  #passed(end: number): PlainHead | "other" {
    const head = readPlainHead(this.#staging.subarray(this.#start, end));
    if (head === null || (head.bodyBytes ?? 0) > limits.httpBodyBytesMax) return "other";
    this.#start = this.#searched = end;
    this.#bodyLeft = head.bodyBytes ?? 0;
    return head;
  }

  /** As a connection's: first what came and was not passed. */
  async read(buffer: Uint8Array): Promise<number | null> {
    // What a watch began to read is the first that comes.
    if (this.isEmpty && this.#reading !== null) await this.#reading;
    const staged = Math.min(this.#end - this.#start, buffer.byteLength);
    if (staged > 0) {
      buffer.set(this.#staging.subarray(this.#start, this.#start + staged));
      this.#start += staged;
      this.#searched = this.#start;
      return staged;
    }
    invariant(this.#reading === null, "two reads of one HTTP connection at a time");
    const count = this.#ended ? null : await this.#conn.read(buffer);
    this.#ended ||= count === null;
    return count;
  }

  /** Some bytes of the body; null behind its end. Throws `BrokenOffError`. */
  async chunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#bodyLeft === 0) return null;
    const chunk = new Uint8Array(Math.min(this.#bodyLeft, CHUNK_BYTES));
    return chunk.subarray(0, await this.#readBody(chunk));
  }

  /** All that is left of the body; its buffer grows with what arrives, never from the declared length alone. */
  async rest(): Promise<Uint8Array<ArrayBuffer>> {
    const length = this.#bodyLeft;
    let body = new Uint8Array(Math.min(length, TRUSTED_BYTES));
    for (let filled = 0; filled < length;) {
      if (filled === body.byteLength) {
        const larger = new Uint8Array(Math.min(length, body.byteLength * 2));
        larger.set(body);
        body = larger;
      }
      filled += await this.#readBody(body.subarray(filled));
    }
    return body;
  }

  /** From now on the connection is only read as one: what is not needed for heads is given back once it is empty. */
  forgetHeads(): void {
    // A read that is on its way brings its bytes to where they were wanted.
    if (this.#reading !== null) return;
    if (this.isEmpty) this.#staging = noBytes;
    else this.#staging = this.#staging.slice(this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = this.#searched = 0;
  }

  /** Calls back when the client leaves, unless `unwatch` comes first; what comes meanwhile is kept, as far as there is room. */
  watch(gone: () => void): void {
    this.#watched = gone;
    if (this.isEmpty && this.#reading === null && this.#bodyLeft === 0) {
      // Streams last long, so their connections give back what they do not need.
      this.#staging = new Uint8Array(WATCH_BYTES);
      this.#start = this.#end = this.#searched = 0;
    }
    void this.#readAhead(gone);
  }

  /** A read that is on its way goes on; what it brings is kept. */
  unwatch(): void {
    this.#watched = null;
  }

  async #readAhead(gone: () => void): Promise<void> {
    try {
      // A body that nobody reads yet is not read for this.
      while (this.#watched === gone && this.#bodyLeft === 0 && this.#end - this.#start < HEAD_BYTES_MAX) {
        if (!await this.#fill()) break;
      }
    } catch {
      this.#ended = true;
    }
    if (this.#ended && this.#watched === gone) gone();
  }

  async #readBody(into: Uint8Array): Promise<number> {
    this.#isBodyRead = true;
    const count = await this.read(into.subarray(0, Math.min(into.byteLength, this.#bodyLeft)));
    this.#isBodyRead = false;
    if (count === null) throw new BrokenOffError("The client left in the middle of a body");
    this.#bodyLeft -= count;
    if (this.#bodyLeft === 0 && this.#watched !== null) void this.#readAhead(this.#watched);
    return count;
  }

  /** Reads more into the staging; false at the end. */
  #fill(): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    return this.#reading ??= this.#fillStaging();
  }

  async #fillStaging(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = this.#searched = 0;
    if (this.#end === this.#staging.byteLength) this.#makeRoom();
    try {
      const count = await this.#conn.read(this.#staging.subarray(this.#end));
      this.#ended = count === null;
      this.#end += count ?? 0;
      return count !== null;
    } finally {
      this.#reading = null;
    }
  }

  #makeRoom(): void {
    const kept = this.#staging.subarray(this.#start, this.#end);
    const length = Math.max(STAGING_BYTES, kept.byteLength * 2);
    const staging = new Uint8Array(length);
    staging.set(kept);
    this.#searched = Math.max(0, this.#searched - this.#start);
    this.#staging = staging;
    this.#end = kept.byteLength;
    this.#start = 0;
  }
}
