/**
 * What all stored values share: a version byte first, a seal last, and bytes that do not decode are a storage error.
 *
 * The seal is the CRC-32C of everything before it, in four bytes. Without it a flipped bit would move a log's end or a
 * committed offset, and nobody would know. Values with a seal have the two highest bits of the version byte set; those that were
 * written before there were seals have none of them, and are read as they are.
 *
 * Stored bytes are a promise: a layout is never changed, only followed by a new version with a reader for both.
 */
import { ByteReader, ByteWriter, DecodeError } from "../../lib/bytes.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { mutant } from "../../lib/mutants.ts";
import { CorruptStorageError } from "../errors.ts";

export const SEAL_BYTES = 4;
/** In the version byte: the value ends with a seal. Two bits, so that no flipped one makes a value of the other kind. */
export const SEALED = 0xc0;

/** `write` appends everything between the version byte and the seal. */
export function encodeValue(version: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(128);
  writer.uint8(version | SEALED);
  write(writer);
  const value = writer.toBytes();
  const sealed = new Uint8Array(value.length + SEAL_BYTES);
  sealed.set(value);
  writeSeal(sealed, value.length);
  return sealed;
}

/** The version that a value was written in; 0 for none. */
export function versionOf(value: Uint8Array): number {
  return (value[0] ?? 0) & ~SEALED;
}

/** Whether it may have a seal, which is then to be checked. */
export function isSealed(value: Uint8Array): boolean {
  return ((value[0] ?? 0) & SEALED) !== 0;
}

/** Seals `bytes[0, at)`: the four bytes at `at` are its CRC from here on. */
export function writeSeal(bytes: Uint8Array, at: number): void {
  const crc = crc32c(bytes, 0, at);
  bytes[at] = crc >>> 24;
  bytes[at + 1] = crc >>> 16;
  bytes[at + 2] = crc >>> 8;
  bytes[at + 3] = crc;
}

/** Throws `CorruptStorageError` when the four bytes at `at` are not the seal of what is before them. */
export function checkSeal(what: string, bytes: Uint8Array, at: number): void {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + SEAL_BYTES);
  const seal = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  const hasMark = ((bytes[0] ?? 0) & SEALED) === SEALED;
  if (hasMark && at > 0 && at + SEAL_BYTES <= bytes.length && crc32c(bytes, 0, at) === seal) return;
  if (mutant("seals-unchecked")) return;
  throw new CorruptStorageError(`Cannot read ${what}: its bytes are not those that were written`);
}

/**
 * Throws `CorruptStorageError` for a wrong seal, for a version above `newest`, for too few bytes and for too many. `what`
 * names the family.
 */
export function decodeValue<T>(
  what: string,
  newest: number,
  value: Uint8Array,
  read: (reader: ByteReader, version: number) => T,
): T {
  if (!isSealed(value)) return readValue(what, newest, value, read);
  const length = value.length - SEAL_BYTES;
  checkSeal(what, value, length);
  return readValue(what, newest, value.subarray(0, length), read);
}

/** The same for bytes whose seal was checked and is not among them. */
export function readValue<T>(
  what: string,
  newest: number,
  value: Uint8Array,
  read: (reader: ByteReader, version: number) => T,
): T {
  const reader = new ByteReader(value);
  try {
    const found = reader.uint8() & ~SEALED;
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
