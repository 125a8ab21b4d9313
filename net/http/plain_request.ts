/**
 * A `Request` of the fetch standard over a head that was read already, made at a tenth of the cost: nothing is copied, parsed
 * or allocated before somebody asks for it. It passes for a `Request` wherever one is only read.
 */
import type { PlainHead } from "../../lib/http_head.ts";

/** What a request takes from its connection. */
export interface RequestSource {
  /** Some bytes of the body, never none; null behind its end. Throws when it breaks off. */
  bodyChunk(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The whole body. Throws when it breaks off. */
  bodyBytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** Calls back when the client leaves. */
  whenGone(callback: () => void): void;
}

const utf8 = new TextDecoder();

/** Headers that are only read. */
export class PlainHeaders {
  readonly #names: readonly string[];
  readonly #values: readonly string[];

  constructor({ names, values }: Pick<PlainHead, "names" | "values">) {
    this.#names = names;
    this.#values = values;
  }

  get(name: string): string | null {
    const first = this.#find(name, 0);
    if (first === -1) return null;
    let value = this.#values[first] ?? "";
    for (let at = this.#find(name, first + 1); at !== -1; at = this.#find(name, at + 1)) {
      value += `, ${this.#values[at]}`;
    }
    return value;
  }

  has(name: string): boolean {
    return this.#find(name, 0) !== -1;
  }

  getSetCookie(): string[] {
    return [];
  }

  forEach(callback: (value: string, name: string, headers: PlainHeaders) => void): void {
    for (const [name, value] of this.entries()) callback(value, name, this);
  }

  *entries(): Generator<[string, string]> {
    for (const name of [...new Set(this.#names)].sort()) yield [name, this.get(name) ?? ""];
  }

  *keys(): Generator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): Generator<string> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): Generator<[string, string]> {
    return this.entries();
  }

  append(): never {
    throw new TypeError("Cannot change the headers of a request: they are immutable");
  }

  set(): never {
    return this.append();
  }

  delete(): never {
    return this.append();
  }

  #find(name: string, from: number): number {
    const found = this.#names.indexOf(name, from);
    if (found !== -1) return found;
    const lower = name.toLowerCase();
    return lower === name ? -1 : this.#names.indexOf(lower, from);
  }
}

/** See `asRequest`. */
export class PlainRequest {
  readonly #head: PlainHead;
  readonly #source: RequestSource;
  #headers: PlainHeaders | null = null;
  #body: ReadableStream<Uint8Array> | null = null;
  #gone: AbortController | null = null;
  #used = false;

  constructor(head: PlainHead, source: RequestSource) {
    this.#head = head;
    this.#source = source;
  }

  get method(): string {
    return this.#head.method;
  }

  get url(): string {
    return this.#head.url;
  }

  /** Whether it is a whole handshake of a WebSocket. */
  get isWebSocket(): boolean {
    return this.#head.isWebSocket;
  }

  get headers(): PlainHeaders {
    return this.#headers ??= new PlainHeaders(this.#head);
  }

  get signal(): AbortSignal {
    if (this.#gone === null) {
      const gone = this.#gone = new AbortController();
      this.#source.whenGone(() => gone.abort());
    }
    return this.#gone.signal;
  }

  get bodyUsed(): boolean {
    return this.#used;
  }

  get body(): ReadableStream<Uint8Array> | null {
    // Routes ask by this whether a body was sent.
    if (this.#head.bodyBytes === null) return null;
    return this.#body ??= new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        this.#used = true;
        const chunk = await this.#source.bodyChunk();
        if (chunk === null) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: () => {
        this.#used = true;
      },
    }, { highWaterMark: 0 });
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#used || this.#body?.locked === true) {
      throw new TypeError("Cannot read the body: it is read already");
    }
    this.#used = true;
    return this.#head.bodyBytes === null ? new Uint8Array(0) : await this.#source.bodyBytes();
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = await this.bytes();
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  }

  async text(): Promise<string> {
    return utf8.decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }
}

Object.setPrototypeOf(PlainHeaders.prototype, Headers.prototype);
Object.setPrototypeOf(PlainRequest.prototype, Request.prototype);

/** A request as the routes take it. */
export function asRequest(head: PlainHead, source: RequestSource): Request {
  return new PlainRequest(head, source) as unknown as Request;
}
