/**
 * From a line to a record: key, headers and value as the properties of Kafka's LineMessageReader say. It works on
 * bytes, so that a line need not be text. Pure.
 */
import { UsageError, utf8 } from "./command_line.ts";

export interface LineRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[];
}

const decoder = new TextDecoder();
const DEFAULTS = {
  "parse.key": "false",
  "parse.headers": "false",
  "ignore.error": "false",
  "key.separator": "\t",
  "headers.delimiter": "\t",
  "headers.separator": ",",
  "headers.key.separator": ":",
} as const;
const NULL_MARKER = "null.marker";

export class LineReader {
  readonly #parsesKey: boolean;
  readonly #parsesHeaders: boolean;
  readonly #ignoresErrors: boolean;
  readonly #keySeparator: Uint8Array;
  readonly #headersDelimiter: Uint8Array;
  readonly #headersSeparator: string;
  readonly #headersKeySeparator: string;
  readonly #nullMarker: string | null;
  readonly #nullBytes: Uint8Array | null;
  #lineNumber = 0;

  /** Throws `UsageError` when separators cannot be told apart, or a property is unknown. */
  constructor(properties: ReadonlyMap<string, string>) {
    const unknown = [...properties.keys()].find((name) => !(name in DEFAULTS) && name !== NULL_MARKER);
    if (unknown !== undefined) throw new UsageError(`Reader property "${unknown}" is not known`);
    const get = (name: keyof typeof DEFAULTS) => properties.get(name) ?? DEFAULTS[name];
    const isTrue = (name: keyof typeof DEFAULTS) => get(name).trim().toLowerCase() === "true";
    this.#parsesKey = isTrue("parse.key");
    this.#parsesHeaders = isTrue("parse.headers");
    this.#ignoresErrors = isTrue("ignore.error");
    this.#keySeparator = utf8(get("key.separator"));
    this.#headersDelimiter = utf8(get("headers.delimiter"));
    this.#headersSeparator = get("headers.separator");
    this.#headersKeySeparator = get("headers.key.separator");
    this.#nullMarker = properties.get(NULL_MARKER) ?? null;
    this.#nullBytes = this.#nullMarker === null ? null : utf8(this.#nullMarker);
    checkDifferent(["headers.delimiter", "headers.separator", "headers.key.separator"], get);
    for (
      const name of [
        "key.separator",
        "headers.separator",
        "headers.delimiter",
        "headers.key.separator",
      ] as const
    ) {
      if (get(name) === "") throw new UsageError(`${name} may not be empty`);
      if (get(name) === this.#nullMarker) throw new UsageError(`${NULL_MARKER} and ${name} may not be equal`);
    }
  }

  /** Reads one line. Throws `UsageError` naming the line when a separator is missing and `ignore.error` is off. */
  read(line: Uint8Array): LineRecord {
    this.#lineNumber++;
    if (!this.#parsesKey && !this.#parsesHeaders) {
      return { key: null, value: this.#nullable(line), headers: [] };
    }
    const [headers, afterHeaders] = this.#parsesHeaders
      ? this.#cut(line, line, this.#headersDelimiter, "headers delimiter")
      : [null, line];
    const [key, value] = this.#parsesKey
      ? this.#cut(line, afterHeaders, this.#keySeparator, "key separator")
      : [null, afterHeaders];
    return {
      key: key === null ? null : this.#nullable(key),
      value: this.#nullable(value),
      headers: headers === null ? [] : this.#headers(headers),
    };
  }

  /** What lies before and behind the first separator; all of it is "behind" when there is none. */
  #cut(
    line: Uint8Array,
    rest: Uint8Array,
    separator: Uint8Array,
    name: string,
  ): [Uint8Array | null, Uint8Array] {
    const at = indexOf(rest, separator);
    if (at >= 0) return [rest.subarray(0, at), rest.subarray(at + separator.length)];
    if (this.#ignoresErrors) return [null, rest];
    throw new UsageError(`No ${name} found on line number ${this.#lineNumber}: '${decoder.decode(line)}'`);
  }

  #nullable(bytes: Uint8Array): Uint8Array | null {
    const marker = this.#nullBytes;
    return marker !== null && marker.length === bytes.length && indexOf(bytes, marker) === 0 ? null : bytes;
  }

  #headers(bytes: Uint8Array): LineRecord["headers"] {
    const text = decoder.decode(bytes);
    if (text === this.#nullMarker) return [];
    return text.split(this.#headersSeparator).map((pair) => {
      const at = pair.indexOf(this.#headersKeySeparator);
      if (at < 0) {
        if (this.#ignoresErrors) return { key: pair, value: null };
        throw new UsageError(
          `No header key separator found in pair '${pair}' on line number ${this.#lineNumber}`,
        );
      }
      const key = pair.slice(0, at);
      if (key === this.#nullMarker) {
        throw new UsageError(`Header keys should not be equal to the null marker '${key}'`);
      }
      return { key, value: this.#nullable(utf8(pair.slice(at + this.#headersKeySeparator.length))) };
    });
  }
}

function checkDifferent<Name extends string>(names: readonly Name[], get: (name: Name) => string): void {
  names.forEach((a, i) => {
    const same = names.slice(i + 1).find((b) => get(a) === get(b));
    if (same !== undefined) throw new UsageError(`${a} and ${same} may not be equal`);
  });
}

/** Where `wanted` (not empty) first lies in `bytes`, or −1. */
function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  const first = wanted[0];
  if (first === undefined) return bytes.length === 0 ? 0 : -1;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + wanted.length > bytes.length) return -1;
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
