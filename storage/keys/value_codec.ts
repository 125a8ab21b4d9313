/**
 * What all stored values share: a version byte first, and bytes that do not decode are a storage error.
 *
 * Stored bytes are a promise: a layout is never changed, only followed by a new version with a reader for both.
 */
import { ByteReader, ByteWriter, DecodeError } from "../../lib/bytes.ts";
import { CorruptStorageError } from "../errors.ts";

/** `write` appends everything after the version byte. */
export function encodeValue(version: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(128);
  writer.uint8(version);
  write(writer);
  return writer.toBytes();
}

/** Throws `CorruptStorageError` for a version above `newest`, for too few bytes and for too many. `what` names the family. */
export function decodeValue<T>(
  what: string,
  newest: number,
  value: Uint8Array,
  read: (reader: ByteReader, version: number) => T,
): T {
  const reader = new ByteReader(value);
  try {
    const found = reader.uint8();
    if (found < 1 || found > newest) {
      throw new CorruptStorageError(`Cannot read ${what}: version ${found}, this Kavka knows ${newest}`);
    }
    const result = read(reader, found);
    reader.end();
    return result;
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new CorruptStorageError(`Cannot read ${what}: ${cause.message}`, { cause });
  }
}
