/**
 * Concatenated JSON: objects one after the other, with or without white space between, cut out of a stream of bytes as soon as each
 * is complete. Bounded in bytes and in time without any.
 */
import { limits } from "../../core/config/limits.ts";
import { ByteGatherer } from "../../lib/byte_gatherer.ts";
import type { Env } from "../../lib/env.ts";
import { Problem } from "../problem.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const OPEN_LIST = 0x5b;
const CLOSE = 0x7d;
const CLOSE_LIST = 0x5d;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The text of each object. Throws 400 for what is no sequence of objects, 408 when nothing comes, 413 for one too large. */
export async function* jsonTexts(body: ReadableStream<Uint8Array>, env: Env): AsyncGenerator<string> {
  const splitter = new JsonSplitter();
  const reader = body.getReader();
  try {
    while (true) {
      const chunk = await readInTime(reader, env);
      if (chunk === null) break;
      yield* splitter.push(chunk);
    }
    splitter.end();
  } finally {
    reader.cancel().catch(() => {
      // The connection broke first.
    });
  }
}

async function readInTime(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  env: Env,
): Promise<Uint8Array | null> {
  let late = false;
  const cancelTimer = env.timer(limits.httpStreamSilenceMsMax, () => {
    late = true;
    reader.cancel().catch(() => {
      // The pending read tells.
    });
  });
  try {
    const { done, value } = await reader.read();
    if (late) {
      throw new Problem(408, { detail: "Nothing came for too long", headers: { connection: "close" } });
    }
    return done ? null : value;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(400, { detail: "The body broke off" });
  } finally {
    cancelTimer();
  }
}

/** The state between two chunks. */
export class JsonSplitter {
  readonly #object = new ByteGatherer();
  #depth = 0;
  #inString = false;
  #escaped = false;

  *push(chunk: Uint8Array): Generator<string> {
    let start = 0;
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index] ?? 0;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE && this.#depth > 0) this.#inString = true;
      else if (byte === OPEN || (byte === OPEN_LIST && this.#depth > 0)) {
        if (this.#depth === 0) start = index;
        if (++this.#depth > limits.jsonDepthMax) {
          throw new Problem(400, { detail: `An object is nested deeper than ${limits.jsonDepthMax} levels` });
        }
      } else if ((byte === CLOSE || byte === CLOSE_LIST) && this.#depth > 0) {
        if (--this.#depth === 0) {
          this.#keep(chunk.subarray(start, index + 1));
          yield this.#take();
        }
      } else if (this.#depth === 0 && byte !== 0x20 && (byte < 0x09 || byte > 0x0d)) {
        throw new Problem(400, { detail: "The body is not a sequence of JSON objects" });
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(start));
  }

  /** Throws when an object has begun and not ended. */
  end(): void {
    if (this.#depth > 0) throw new Problem(400, { detail: "The body ends within a JSON object" });
  }

  #keep(part: Uint8Array): void {
    if (this.#object.length + part.length > limits.httpBodyBytesMax) {
      throw new Problem(413, { detail: `An object is larger than ${limits.httpBodyBytesMax} bytes` });
    }
    this.#object.push(part);
  }

  #take(): string {
    try {
      return utf8.decode(this.#object.take());
    } catch {
      throw new Problem(400, { detail: "The body is not UTF-8" });
    }
  }
}

/** The text of each object of a whole body. Throws 400 for what is no sequence of objects. */
export function* jsonTextsOf(body: Uint8Array): Generator<string> {
  const splitter = new JsonSplitter();
  yield* splitter.push(body);
  splitter.end();
}
