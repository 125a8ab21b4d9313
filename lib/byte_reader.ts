/**
 * A bounds-checked cursor over bytes that somebody else sent: the boundary where foreign bytes become values.
 *
 * Every length is compared with the bytes that are left before anything is allocated, so that time and memory stay
 * proportional to the input. Big-endian, as Kafka writes. Pure.
 */
import { zigzagDecode32 } from "./varint.ts";

/** Bytes that are not what the schema says they are. `position` counts from the start of the reader's bytes. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} (at byte ${position})`);
    this.position = position;
  }
}

/** The UUID that stands for "none". */
export const ZERO_UUID = "00000000-0000-0000-0000-000000000000";

const MAX = Number.MAX_SAFE_INTEGER;
const TWO_32 = 0x1_0000_0000;
/** Shared, since a view costs more than the read around it and empty records are common. */
const EMPTY = new Uint8Array(0);

// Not fatal: like Kafka, malformed UTF-8 becomes U+FFFD. The byte order mark is an ordinary character here.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
/** Below this length a string is read character by character, which is cheaper than a call of TextDecoder. */
const SHORT_STRING_BYTES_MAX = 32;

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Reads values off a byte array, front to back. Every method throws `DecodeError` when the bytes run out. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = 0;
  }

  /** Bytes consumed so far. */
  get position(): number {
    return this.#position;
  }

  /** Bytes left. */
  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  /** Takes `size` bytes and returns where they start. */
  #take(size: number): number {
    const start = this.#position;
    const end = start + size;
    // Written so that NaN and negative sizes fail too.
    if (!(size >= 0 && end <= this.#bytes.length)) {
      this.fail(`Cannot read ${size} bytes: ${this.remaining} left`);
    }
    this.#position = end;
    return start;
  }

  /** Throws a `DecodeError` at the current position. */
  fail(message: string): never {
    throw new DecodeError(message, this.#position);
  }

  /** Any byte but 0 is true. */
  bool(): boolean {
    return this.#view.getUint8(this.#take(1)) !== 0;
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** Exact within ±(2^53−1), clamped to that range beyond it. */
  int64(): number {
    const at = this.#take(8);
    const value = this.#view.getInt32(at) * TWO_32 + this.#view.getUint32(at + 4);
    return value > MAX ? MAX : value < -MAX ? -MAX : value;
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  /** 16 bytes as 36 characters of lower-case hex text. */
  uuid(): string {
    const at = this.#take(16);
    const bytes = this.#bytes;
    let text = "";
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
      text += HEX[bytes[at + i]!]!;
    }
    return text;
  }

  /** Base 128, low bits first, at most 5 bytes and 32 bits. */
  unsignedVarint(): number {
    const bytes = this.#bytes;
    const start = this.#position;
    let value = 0;
    for (let i = 0; i < 5; i++) {
      if (start + i >= bytes.length) this.fail("Cannot read a varint: the bytes end inside it");
      const byte = bytes[start + i]!;
      if (i === 4 && byte > 0x0f) this.fail("Varint is longer than 32 bits");
      // Multiplied, not shifted, so that bit 31 does not become a sign.
      value += (byte & 0x7f) * (1 << (7 * i));
      if (byte < 0x80) {
        this.#position = start + i + 1;
        return value;
      }
    }
    this.fail("Varint is longer than 5 bytes");
  }

  /** Zigzag, at most 5 bytes. */
  varint(): number {
    return zigzagDecode32(this.unsignedVarint());
  }

  /** Zigzag, at most 10 bytes. Exact within ±(2^53−1), clamped beyond. */
  varlong(): number {
    const bytes = this.#bytes;
    const start = this.#position;
    let low = 0; // bits 0 to 27
    let high = 0; // bits 28 and up, as a number
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (start + i >= bytes.length) this.fail("Cannot read a varlong: the bytes end inside it");
      const byte = bytes[start + i]!;
      if (i === 9 && byte > 0x01) this.fail("Varlong is longer than 64 bits");
      if (i < 4) {
        low |= (byte & 0x7f) << (7 * i);
      } else {
        high += (byte & 0x7f) * scale;
        scale *= 0x80;
      }
      if (byte < 0x80) {
        this.#position = start + i + 1;
        const magnitude = (low >>> 1) + high * 0x8000000;
        const value = (low & 1) === 0 ? magnitude : -magnitude - 1;
        return value > MAX ? MAX : value < -MAX ? -MAX : value;
      }
    }
    this.fail("Varlong is longer than 10 bytes");
  }

  /** The next `size` bytes, not copied: a view of the reader's own. */
  bytes(size: number): Uint8Array {
    if (size === 0) return EMPTY;
    const start = this.#take(size);
    return this.#bytes.subarray(start, start + size);
  }

  skip(size: number): void {
    this.#take(size);
  }

  /** The next `size` bytes as UTF-8 text. */
  utf8(size: number): string {
    const start = this.#take(size);
    const end = start + size;
    const bytes = this.#bytes;
    if (size <= SHORT_STRING_BYTES_MAX) {
      let text = "";
      let at = start;
      for (; at < end; at++) {
        const byte = bytes[at]!;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (at === end) return text;
    }
    return utf8.decode(bytes.subarray(start, end));
  }

  // What follows are Kafka's length-prefixed types. The plain forms have an int16 or int32 length with −1 for null,
  // the compact forms of flexible versions (KIP-482) an unsigned varint of the length plus one with 0 for null.

  string(): string {
    const size = this.int16();
    if (size < 0) this.fail(`String length is ${size}, but null is not allowed here`);
    return this.utf8(size);
  }

  nullableString(): string | null {
    const size = this.int16();
    if (size === -1) return null;
    if (size < 0) this.fail(`String length is ${size}`);
    return this.utf8(size);
  }

  compactString(): string {
    const size = this.unsignedVarint() - 1;
    if (size < 0) this.fail("String is null, which is not allowed here");
    return this.utf8(size);
  }

  compactNullableString(): string | null {
    const size = this.unsignedVarint() - 1;
    return size < 0 ? null : this.utf8(size);
  }

  sizedBytes(): Uint8Array {
    const size = this.int32();
    if (size < 0) this.fail(`Bytes length is ${size}, but null is not allowed here`);
    return this.bytes(size);
  }

  nullableBytes(): Uint8Array | null {
    const size = this.int32();
    if (size === -1) return null;
    if (size < 0) this.fail(`Bytes length is ${size}`);
    return this.bytes(size);
  }

  compactBytes(): Uint8Array {
    const size = this.unsignedVarint() - 1;
    if (size < 0) this.fail("Bytes are null, which is not allowed here");
    return this.bytes(size);
  }

  compactNullableBytes(): Uint8Array | null {
    const size = this.unsignedVarint() - 1;
    return size < 0 ? null : this.bytes(size);
  }

  /** Element count of a plain array, −1 for null. `elementSizeMin`: the fewest bytes that one element can take. */
  arrayLength(elementSizeMin: number): number {
    return this.#checkCount(this.int32(), elementSizeMin);
  }

  /** Element count of a compact array, −1 for null. */
  compactArrayLength(elementSizeMin: number): number {
    return this.#checkCount(this.unsignedVarint() - 1, elementSizeMin);
  }

  #checkCount(count: number, elementSizeMin: number): number {
    if (count < -1) this.fail(`Array length is ${count}`);
    if (count * elementSizeMin > this.remaining) {
      this.fail(`Array of ${count} elements cannot fit: ${this.remaining} bytes left`);
    }
    return count;
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining !== 0) this.fail(`${this.remaining} bytes are left over`);
  }
}
