/**
 * A bounds-checked cursor over protobuf bytes that somebody else sent: fields of a message one after the other, unknown ones
 * passed over. Just as much as OpenTelemetry's metrics need. Pure.
 * Source: the protobuf encoding (varints, tags, length-delimited fields).
 */
import { DecodeError } from "../../lib/bytes.ts";

export const WIRE = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const;

export interface ProtobufField {
  readonly number: number;
  readonly wire: number;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const VARINT_BYTES_MAX = 10;

/** Every method throws `DecodeError` when the bytes run out or make no sense. */
export class ProtobufReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next field, or null at the end of the message. */
  next(): ProtobufField | null {
    if (this.#at >= this.#bytes.length) return null;
    const tag = this.#varint();
    const number = Number(tag >> 3n);
    if (number < 1 || number > 0x1fff_ffff) throw new DecodeError("Field number is not legal", this.#at);
    return { number, wire: Number(tag & 7n) };
  }

  skip({ wire }: ProtobufField): void {
    switch (wire) {
      case WIRE.VARINT:
        this.#varint();
        return;
      case WIRE.FIXED64:
        return this.#advance(8);
      case WIRE.BYTES:
        this.bytes();
        return;
      case WIRE.FIXED32:
        return this.#advance(4);
      default:
        throw new DecodeError(`Wire type ${wire} is not known`, this.#at);
    }
  }

  /** As a number; exact within ±(2^53−1). */
  int64(): number {
    return Number(BigInt.asIntN(64, this.#varint()));
  }

  /** A view into the message. */
  bytes(): Uint8Array {
    const size = this.#varint();
    if (size > BigInt(this.#bytes.length - this.#at)) throw new DecodeError("Field is cut short", this.#at);
    const from = this.#at;
    this.#at += Number(size);
    return this.#bytes.subarray(from, this.#at);
  }

  string(): string {
    return utf8.decode(this.bytes());
  }

  double(): number {
    const at = this.#at;
    this.#advance(8);
    return this.#view.getFloat64(at, true);
  }

  /** As a number; exact within ±(2^53−1). */
  sfixed64(): number {
    const at = this.#at;
    this.#advance(8);
    return Number(this.#view.getBigInt64(at, true));
  }

  #advance(size: number): void {
    if (size > this.#bytes.length - this.#at) throw new DecodeError("Field is cut short", this.#at);
    this.#at += size;
  }

  #varint(): bigint {
    let value = 0n;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new DecodeError("Varint is cut short", this.#at);
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return value;
    }
    throw new DecodeError("Varint has too many bytes", this.#at);
  }
}
