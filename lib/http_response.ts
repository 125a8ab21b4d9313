/**
 * One answer of HTTP/1.1, read from the bytes of a connection that is for this answer alone. Pure: whoever holds the connection pushes what
 * comes and takes what is known. It is strict and bounded: what could be read in two ways is no answer.
 *
 * Source: RFC 9112 §4 to §7, RFC 9110 §15.2 (answers 1xx come before the one that counts).
 */
import { concat } from "./bytes.ts";

/** Status line, headers and trailers, of answers 1xx too. */
const HEAD_BYTES_MAX = 32 * 1024;
const LF = 0x0a;
const CR = 0x0d;
const noBytes = new Uint8Array(0);

export interface HttpResponseHead {
  readonly status: number;
  /** Names in lower case, in their order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What came is no answer, or not the whole of it. */
export class HttpResponseError extends Error {
  override readonly name = "HttpResponseError";
}

type State = "status" | "headers" | "length" | "untilEnd" | "chunkSize" | "chunk" | "chunkEnd" | "trailers";

export class HttpResponseReader {
  #state: State | "done" = "status";
  #bytes: Uint8Array = noBytes;
  #start = 0;
  #headBytes = 0;
  /** Bytes left of the body or of the chunk. */
  #left = 0;
  #status = 0;
  #headers: (readonly [string, string])[] = [];
  #head: HttpResponseHead | null = null;
  #pieces: Uint8Array[] = [];

  /** Null until it is whole. */
  get head(): HttpResponseHead | null {
    return this.#head;
  }

  /** Nothing more is read; pieces may still be there to take. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /** A piece of the body; null when there is none now. */
  take(): Uint8Array | null {
    return this.#pieces.shift() ?? null;
  }

  /** Takes what came; the bytes are its own from then on. Throws `HttpResponseError`. */
  push(bytes: Uint8Array): void {
    const rest = this.#bytes.subarray(this.#start);
    this.#bytes = rest.byteLength === 0 ? bytes : concat([rest, bytes]);
    this.#start = 0;
    while (this.#step());
  }

  /** The connection ended. Throws `HttpResponseError` when the answer did not. */
  end(): void {
    if (this.#state === "untilEnd") this.#state = "done";
    if (this.#state !== "done") throw new HttpResponseError("the connection ended before the answer did");
  }

  /** False when more has to come first, or nothing may. */
  #step(): boolean {
    switch (this.#state) {
      case "done":
        return false;
      case "length":
      case "chunk":
      case "untilEnd":
        return this.#readBody(this.#state);
      default: {
        const line = this.#line();
        if (line !== null) this.#readLine(this.#state, line);
        return line !== null;
      }
    }
  }

  #readBody(state: "length" | "chunk" | "untilEnd"): boolean {
    const there = this.#bytes.byteLength - this.#start;
    const count = state === "untilEnd" ? there : Math.min(there, this.#left);
    if (count === 0) return false;
    this.#pieces.push(this.#bytes.subarray(this.#start, this.#start + count));
    this.#start += count;
    this.#left -= count;
    if (state !== "untilEnd" && this.#left === 0) this.#state = state === "chunk" ? "chunkEnd" : "done";
    return true;
  }

  #readLine(state: Exclude<State, "length" | "chunk" | "untilEnd">, line: string): void {
    switch (state) {
      case "status": {
        const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)(?: .*)?$/.exec(line) ?? [];
        if (status === undefined) throw new HttpResponseError("the answer is not HTTP/1.1");
        this.#status = Number(status);
        this.#headers = [];
        this.#state = "headers";
        return;
      }
      case "headers":
        if (line === "") return this.#endHead();
        this.#headers.push(field(line));
        return;
      case "chunkSize": {
        const [, size] = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?$/.exec(line) ?? [];
        if (size === undefined) throw new HttpResponseError("the answer has a chunk without a size");
        this.#left = parseInt(size, 16);
        this.#state = this.#left === 0 ? "trailers" : "chunk";
        return;
      }
      case "chunkEnd":
        if (line !== "") throw new HttpResponseError("the answer has a chunk of another size than it says");
        this.#state = "chunkSize";
        return;
      case "trailers":
        if (line === "") this.#state = "done";
        else field(line);
    }
  }

  #endHead(): void {
    const status = this.#status;
    if (status === 101) throw new HttpResponseError("the answer is another protocol");
    if (status < 200) {
      this.#state = "status";
      return;
    }
    this.#head = { status, headers: this.#headers };
    this.#state = this.#framing();
    if (this.#state === "length" && this.#left === 0) this.#state = "done";
  }

  #framing(): State | "done" {
    if (this.#status === 204 || this.#status === 304) return "done";
    const codings = this.#valuesOf("transfer-encoding");
    if (codings.length > 0) {
      if (codings.join().toLowerCase() === "chunked") return "chunkSize";
      throw new HttpResponseError("the answer has a transfer coding that is not known");
    }
    const lengths = new Set(this.#valuesOf("content-length"));
    const [length] = lengths;
    if (length === undefined) return "untilEnd";
    if (lengths.size > 1 || !/^\d{1,15}$/.test(length)) {
      throw new HttpResponseError("the answer has a Content-Length that is none");
    }
    this.#left = Number(length);
    return "length";
  }

  #valuesOf(wanted: string): string[] {
    return this.#headers.filter(([name]) => name === wanted)
      .flatMap(([, value]) => value.split(",").map((each) => each.trim()));
  }

  /** The next line without its end; null when it is not whole yet. */
  #line(): string | null {
    const end = this.#bytes.indexOf(LF, this.#start);
    const stop = end === -1 ? this.#bytes.byteLength : end;
    const budget = HEAD_BYTES_MAX - this.#headBytes;
    if (stop - this.#start >= budget) {
      throw new HttpResponseError(`the answer's head has more than ${HEAD_BYTES_MAX} bytes`);
    }
    if (end === -1) return null;
    const line = this.#bytes.subarray(
      this.#start,
      this.#bytes[end - 1] === CR && end > this.#start ? end - 1 : end,
    );
    // Sizes of chunks are no part of the head, however many there are.
    if (this.#state !== "chunkSize" && this.#state !== "chunkEnd") this.#headBytes += end + 1 - this.#start;
    this.#start = end + 1;
    return Array.from(line, (byte) => String.fromCharCode(byte)).join("");
  }
}

function field(line: string): readonly [name: string, value: string] {
  const [, name, value] = /^([!#$%&'*+\-.^`|~\w]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) {
    throw new HttpResponseError("the answer has a header that is none");
  }
  return [name.toLowerCase(), value.trimEnd()];
}
