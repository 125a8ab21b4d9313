/**
 * A cursor over the records of a batch, after decompression: the one place that parses record bytes.
 *
 * It trusts nothing: each length is checked against the record it lies in, each record against the payload. What it
 * refuses is a `CorruptRecordError` with INVALID_RECORD, as where Kafka throws `InvalidRecordException`.
 * Source: Kafka's `DefaultRecord.readFrom`.
 */

import { type RecordHeader } from "./build_batch.ts";
import { CorruptRecordError } from "./record_errors.ts";

/** Record length, attributes, two deltas, key and value lengths and header count take a byte each at least. */
export const RECORD_BYTES_MIN = 7;

const VARINT_SHIFT_MAX = 28;
const VARLONG_BYTES_MAX = 10;
/** Up to here, decoding ASCII by hand beats the call into the runtime. */
const ASCII_BYTES_MAX = 64;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

/**
 * Parses record after record; `next()` fills the public fields, `key()`, `value()` and `headers()` make objects.
 * `begin()` and `skipHeaders()` are `next()` in steps, for records that may have millions of headers.
 */
export class RecordCursor {
  /** The current record's delta to the batch's base timestamp, in milliseconds. */
  timestampDelta = 0;
  /** The current record's delta to the batch's base offset. */
  offsetDelta = 0;
  /** −1 for a null key. */
  keySize = -1;
  /** Where the current record begins in the payload, its length field included. */
  start = 0;

  readonly #bytes: Uint8Array;
  #position = 0;
  #end = 0;
  #keyStart = 0;
  #valueStart = 0;
  #valueSize = -1;
  #headerCount = 0;
  #headersStart = 0;
  #headersLeft = 0;
  #bodyStart = 0;

  /** `payload` is the uncompressed records, first to last byte. */
  constructor(payload: Uint8Array) {
    this.#bytes = payload;
  }

  /** Where the current record ends in the payload. */
  get end(): number {
    return this.#end;
  }

  /** Headers of the current record that were not looked at yet. */
  get headersLeft(): number {
    return this.#headersLeft;
  }

  get hasValue(): boolean {
    return this.#valueSize >= 0;
  }

  get hasRemaining(): boolean {
    return this.#position < this.#bytes.length;
  }

  /** Parses and checks the next record. */
  next(): void {
    this.begin();
    this.skipHeaders(Infinity);
  }

  /** Parses the next record up to its headers. */
  begin(): void {
    this.start = this.#position;
    this.#end = this.#bytes.length;
    const size = this.#varint();
    if (size < 0 || size > this.#end - this.#position) {
      throw invalid(`a record of ${size} bytes, ${this.#end - this.#position} are left`);
    }
    this.#bodyStart = this.#position;
    const end = this.#end = this.#position + size;
    this.#position++; // the record's attributes are unused
    this.timestampDelta = this.#varlong();
    this.offsetDelta = this.#varint();
    this.keySize = this.#varint();
    this.#keyStart = this.#position;
    this.#skip(this.keySize);
    this.#valueSize = this.#varint();
    this.#valueStart = this.#position;
    this.#skip(this.#valueSize);
    const headerCount = this.#headerCount = this.#varint();
    this.#headersStart = this.#position;
    if (headerCount < 0 || headerCount > end - this.#position) throw invalid(`${headerCount} record headers`);
    this.#headersLeft = headerCount;
  }

  /** Checks so many headers of the current record; true when it is at the record's end. */
  skipHeaders(countMax: number): boolean {
    const count = Math.min(this.#headersLeft, countMax);
    for (let i = 0; i < count; i++) {
      const keySize = this.#varint();
      if (keySize < 0) throw invalid(`a header key of ${keySize} bytes`);
      this.#skip(keySize);
      this.#skip(this.#varint());
    }
    this.#headersLeft -= count;
    if (this.#headersLeft > 0) return false;
    if (this.#position !== this.#end) {
      throw invalid(
        `a record of ${this.#end - this.#bodyStart} bytes, ${this.#end - this.#position} are unused`,
      );
    }
    return true;
  }

  /** The current record's key, a view. */
  key(): Uint8Array | null {
    return this.keySize < 0 ? null : this.#bytes.subarray(this.#keyStart, this.#keyStart + this.keySize);
  }

  /** The current record's value, a view. */
  value(): Uint8Array | null {
    return this.#valueSize < 0
      ? null
      : this.#bytes.subarray(this.#valueStart, this.#valueStart + this.#valueSize);
  }

  /** The current record's headers; the values are views. Records without headers share one frozen empty array. */
  headers(): readonly RecordHeader[] {
    if (this.#headerCount === 0) return NO_HEADERS;
    const end = this.#position;
    this.#position = this.#headersStart;
    const headers: RecordHeader[] = [];
    for (let i = 0; i < this.#headerCount; i++) {
      const keySize = this.#varint();
      const keyStart = this.#position;
      this.#position += keySize;
      const valueSize = this.#varint();
      const valueStart = this.#position;
      if (valueSize > 0) this.#position += valueSize;
      headers.push({
        key: decodeText(this.#bytes, keyStart, keyStart + keySize),
        value: valueSize < 0 ? null : this.#bytes.subarray(valueStart, valueStart + valueSize),
      });
    }
    this.#position = end;
    return headers;
  }

  #skip(size: number): void {
    if (size <= 0) return;
    if (size > this.#end - this.#position) throw invalid(`a field of ${size} bytes`);
    this.#position += size;
  }

  #varint(): number {
    const bytes = this.#bytes;
    let position = this.#position;
    let value = 0;
    for (let shift = 0; shift <= VARINT_SHIFT_MAX; shift += 7) {
      if (position >= this.#end) throw invalid("a varint that is cut short");
      const byte = bytes[position++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#position = position;
        return (value >>> 1) ^ -(value & 1);
      }
    }
    throw invalid("a varint of more than 5 bytes");
  }

  /** Beyond ±2^53 the result is rounded; timestamps are clamped there anyway. */
  #varlong(): number {
    const bytes = this.#bytes;
    const first = bytes[this.#position];
    if (first !== undefined && first < 0x80 && this.#position < this.#end) {
      this.#position++;
      return (first >>> 1) ^ -(first & 1);
    }
    let position = this.#position;
    let magnitude = 0;
    let scale = 0.5;
    let sign = 0;
    for (let i = 0; i < VARLONG_BYTES_MAX; i++) {
      if (position >= this.#end) throw invalid("a varlong that is cut short");
      const byte = bytes[position++]!;
      if (i === 0) {
        sign = byte & 1;
        magnitude = (byte & 0x7e) * 0.5;
      } else magnitude += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) {
        this.#position = position;
        return sign === 0 ? magnitude : -magnitude - 1;
      }
    }
    throw invalid("a varlong of more than 10 bytes");
  }
}

function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= ASCII_BYTES_MAX) {
    let text = "";
    let position = start;
    for (; position < end; position++) {
      const byte = bytes[position]!;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (position === end) return text;
  }
  return decoder.decode(bytes.subarray(start, end));
}

function invalid(what: string): CorruptRecordError {
  return new CorruptRecordError(`Cannot read record: found ${what}`, { error: "INVALID_RECORD" });
}
