/**
 * A growing byte buffer that keeps big fields by reference: the boundary where values become bytes to send.
 *
 * Small values are gathered in one buffer; a byte field of `REFERENCE_BYTES_MIN` or more is not copied but remembered
 * as a part of its own, so that stored batches travel from storage to socket untouched. A writer gives its bytes away with
 * `finish()` and is empty again, so that one writer with a warm buffer serves many messages. Pure.
 */
import { zigzagEncode32 } from "./varint.ts";

/** A value that the schema cannot hold: a bug of the caller. */
export class EncodeError extends Error {
  override readonly name = "EncodeError";
}

/** Byte fields of at least this size are kept by reference; below it a copy is cheaper than one more part. */
export const REFERENCE_BYTES_MIN = 4096;

/** What `finish` keeps of a grown buffer, so that one huge message does not pin its memory for ever. */
const KEPT_CAPACITY_MAX = 256 * 1024;
const MAX = Number.MAX_SAFE_INTEGER;
const TWO_32 = 0x1_0000_0000;
/** Up to this length a string is tried as ASCII, byte by byte. */
const SHORT_STRING_CHARS_MAX = 64;

const encoder = new TextEncoder();

/** Writes values one after the other. Methods throw `EncodeError` when a value does not fit its type. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #position = 0;
  /** Parts kept by reference, and the positions in the buffer before which each belongs. */
  #references: Uint8Array[] = [];
  #cuts: number[] = [];
  #referenceBytes = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far, those kept by reference included. */
  get size(): number {
    return this.#position + this.#referenceBytes;
  }

  /** Throws an `EncodeError`. */
  fail(message: string): never {
    throw new EncodeError(message);
  }

  /** Makes room for `size` more bytes and returns where they start. */
  #claim(size: number): number {
    const start = this.#position;
    const end = start + size;
    if (end > this.#bytes.length) this.#grow(end);
    this.#position = end;
    return start;
  }

  #grow(capacityMin: number): void {
    const bytes = new Uint8Array(Math.max(capacityMin, this.#bytes.length * 2));
    bytes.set(this.#bytes.subarray(0, this.#position));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  #byte(value: number): void {
    // Claimed first: growing replaces the buffer.
    const at = this.#claim(1);
    this.#bytes[at] = value;
  }

  bool(value: boolean): void {
    if (typeof value !== "boolean") this.fail(`Cannot write ${value} as bool`);
    const at = this.#claim(1);
    this.#view.setUint8(at, value ? 1 : 0);
  }

  int8(value: number): void {
    if ((value << 24 >> 24) !== value) this.fail(`Cannot write ${value} as int8`);
    const at = this.#claim(1);
    this.#view.setInt8(at, value);
  }

  uint8(value: number): void {
    if ((value & 0xff) !== value) this.fail(`Cannot write ${value} as uint8`);
    const at = this.#claim(1);
    this.#view.setUint8(at, value);
  }

  int16(value: number): void {
    if ((value << 16 >> 16) !== value) this.fail(`Cannot write ${value} as int16`);
    const at = this.#claim(2);
    this.#view.setInt16(at, value);
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) this.fail(`Cannot write ${value} as uint16`);
    const at = this.#claim(2);
    this.#view.setUint16(at, value);
  }

  int32(value: number): void {
    if ((value | 0) !== value) this.fail(`Cannot write ${value} as int32`);
    const at = this.#claim(4);
    this.#view.setInt32(at, value);
  }

  uint32(value: number): void {
    if ((value >>> 0) !== value) this.fail(`Cannot write ${value} as uint32`);
    const at = this.#claim(4);
    this.#view.setUint32(at, value);
  }

  /** A whole number, clamped to ±(2^53−1). */
  int64(value: number): void {
    // NaN, fractions and undefined differ from their floor.
    if (Math.floor(value) !== value) this.fail(`Cannot write ${value} as int64`);
    const clamped = value > MAX ? MAX : value < -MAX ? -MAX : value;
    const at = this.#claim(8);
    this.#view.setInt32(at, Math.floor(clamped / TWO_32));
    this.#view.setUint32(at + 4, clamped >>> 0);
  }

  float64(value: number): void {
    if (typeof value !== "number") this.fail(`Cannot write ${value} as float64`);
    const at = this.#claim(8);
    this.#view.setFloat64(at, value);
  }

  /** 36 characters of hex text as 16 bytes. */
  uuid(text: string): void {
    if (typeof text !== "string" || text.length !== 36) this.fail(`Cannot write ${text} as uuid`);
    const at = this.#claim(16);
    const bytes = this.#bytes;
    let from = 0;
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) {
        if (text.charCodeAt(from) !== 0x2d) this.fail(`Cannot write ${text} as uuid`);
        from++;
      }
      const value = hexDigit(text.charCodeAt(from)) * 16 + hexDigit(text.charCodeAt(from + 1));
      if (!(value >= 0)) this.fail(`Cannot write ${text} as uuid`);
      bytes[at + i] = value;
      from += 2;
    }
  }

  /** 0 to 2^32−1, base 128, low bits first. */
  unsignedVarint(value: number): void {
    if ((value >>> 0) !== value) this.fail(`Cannot write ${value} as unsigned varint`);
    while (value >= 0x80) {
      this.#byte((value & 0x7f) | 0x80);
      value >>>= 7;
    }
    this.#byte(value);
  }

  /** A signed 32-bit integer in zigzag form. */
  varint(value: number): void {
    if ((value | 0) !== value) this.fail(`Cannot write ${value} as varint`);
    this.unsignedVarint(zigzagEncode32(value));
  }

  /** A safe integer in zigzag form, up to 64 bits. */
  varlong(value: number): void {
    if (!Number.isSafeInteger(value)) this.fail(`Cannot write ${value} as varlong`);
    const negative = value < 0;
    let magnitude = negative ? -(value + 1) : value;
    // The first byte takes the sign bit and 6 bits of magnitude, the others 7 bits each.
    let byte = (magnitude % 0x40) * 2 + (negative ? 1 : 0);
    magnitude = Math.floor(magnitude / 0x40);
    while (magnitude > 0) {
      this.#byte(byte | 0x80);
      byte = magnitude % 0x80;
      magnitude = Math.floor(magnitude / 0x80);
    }
    this.#byte(byte);
  }

  /** Bytes without a length; big ones are kept by reference, so the caller must not change them afterwards. */
  bytes(bytes: Uint8Array): void {
    const size = bytes.length;
    if (size >= REFERENCE_BYTES_MIN) {
      this.#references.push(bytes);
      this.#cuts.push(this.#position);
      this.#referenceBytes += size;
    } else if (size > 0) {
      const at = this.#claim(size);
      this.#bytes.set(bytes, at);
    }
  }

  /** Leaves 4 bytes open for `patchInt32` and returns their position. */
  reserveInt32(): number {
    return this.#claim(4);
  }

  /** Fills in what `reserveInt32` left open. */
  patchInt32(position: number, value: number): void {
    this.#view.setInt32(position, value);
  }

  // Kafka's length-prefixed types; see ByteReader.

  string(text: string): void {
    this.#text(text, false);
  }

  nullableString(text: string | null): void {
    if (text === null) this.int16(-1);
    else this.#text(text, false);
  }

  compactString(text: string): void {
    this.#text(text, true);
  }

  compactNullableString(text: string | null): void {
    if (text === null) this.unsignedVarint(0);
    else this.#text(text, true);
  }

  #text(text: string, compact: boolean): void {
    if (typeof text !== "string") this.fail(`Cannot write ${text} as string`);
    const length = text.length;
    if (length <= SHORT_STRING_CHARS_MAX) {
      // A length below 127 takes one byte in the compact form and two in the other, so its place is known.
      const prefix = compact ? 1 : 2;
      const start = this.#claim(prefix + length);
      const bytes = this.#bytes;
      if (!compact) bytes[start] = 0;
      bytes[start + prefix - 1] = compact ? length + 1 : length;
      let at = start + prefix;
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) break;
        bytes[at++] = code;
      }
      if (i === length) return;
      this.#position = start;
    }
    const encoded = encoder.encode(text);
    if (compact) this.unsignedVarint(encoded.length + 1);
    else if (encoded.length > 0x7fff) this.fail(`String of ${encoded.length} bytes is longer than 32767`);
    else this.int16(encoded.length);
    this.bytes(encoded);
  }

  sizedBytes(bytes: Uint8Array): void {
    this.#checkBytes(bytes);
    this.int32(bytes.length);
    this.bytes(bytes);
  }

  nullableBytes(bytes: Uint8Array | null): void {
    if (bytes === null) this.int32(-1);
    else this.sizedBytes(bytes);
  }

  compactBytes(bytes: Uint8Array): void {
    this.#checkBytes(bytes);
    this.unsignedVarint(bytes.length + 1);
    this.bytes(bytes);
  }

  compactNullableBytes(bytes: Uint8Array | null): void {
    if (bytes === null) this.unsignedVarint(0);
    else this.compactBytes(bytes);
  }

  #checkBytes(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) this.fail(`Cannot write ${bytes} as bytes`);
  }

  /** Records: bytes, or several parts that follow one another on the wire, under one length. */
  records(records: Uint8Array | readonly Uint8Array[]): void {
    if (records instanceof Uint8Array) return this.sizedBytes(records);
    this.int32(this.#sizeOfParts(records));
    for (const part of records) this.bytes(part);
  }

  nullableRecords(records: Uint8Array | readonly Uint8Array[] | null): void {
    if (records === null) this.int32(-1);
    else this.records(records);
  }

  compactRecords(records: Uint8Array | readonly Uint8Array[]): void {
    if (records instanceof Uint8Array) return this.compactBytes(records);
    this.unsignedVarint(this.#sizeOfParts(records) + 1);
    for (const part of records) this.bytes(part);
  }

  compactNullableRecords(records: Uint8Array | readonly Uint8Array[] | null): void {
    if (records === null) this.unsignedVarint(0);
    else this.compactRecords(records);
  }

  #sizeOfParts(parts: readonly Uint8Array[]): number {
    if (!Array.isArray(parts)) this.fail(`Cannot write ${parts} as records`);
    let size = 0;
    for (const part of parts as readonly Uint8Array[]) {
      this.#checkBytes(part);
      size += part.length;
    }
    return size;
  }

  /** Element count of a plain array; null is −1. */
  arrayLength(count: number): void {
    this.int32(count);
  }

  /** Element count of a compact array; null is −1. */
  compactArrayLength(count: number): void {
    this.unsignedVarint(count + 1);
  }

  /** The written bytes in order, big fields as they were given; the writer is empty afterwards. */
  finish(): Uint8Array[] {
    // One copy of the small bytes: the parts do not pin the writer's buffer.
    const small = this.#bytes.slice(0, this.#position);
    const parts: Uint8Array[] = [];
    let start = 0;
    for (let i = 0; i < this.#references.length; i++) {
      const cut = this.#cuts[i]!;
      if (cut > start) parts.push(small.subarray(start, cut));
      parts.push(this.#references[i]!);
      start = cut;
    }
    if (start < small.length) parts.push(start === 0 ? small : small.subarray(start));
    this.reset();
    return parts;
  }

  /** The written bytes as one array; the writer is empty afterwards. */
  toBytes(): Uint8Array {
    return concat(this.finish());
  }

  /** Forgets what was written. */
  reset(): void {
    this.#position = 0;
    if (this.#references.length > 0) {
      this.#references = [];
      this.#cuts = [];
      this.#referenceBytes = 0;
    }
    if (this.#bytes.length > KEPT_CAPACITY_MAX) {
      this.#bytes = new Uint8Array(KEPT_CAPACITY_MAX);
      this.#view = new DataView(this.#bytes.buffer);
    }
  }
}

/** Joins parts; a single part is returned as it is. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let size = 0;
  for (const part of parts) size += part.length;
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The value of a hex digit, NaN for any other character. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  return NaN;
}
