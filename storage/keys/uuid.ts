/** UUIDs in keys and values: 16 bytes there, 36 characters of text everywhere else. */
import { ByteReader, ByteWriter } from "../../lib/bytes.ts";

export const UUID_BYTES = 16;

/** Throws `EncodeError` unless `text` is a UUID. */
export function uuidBytes(text: string): Uint8Array {
  const writer = new ByteWriter(UUID_BYTES);
  writer.uuid(text);
  return writer.toBytes();
}

export function uuidText(bytes: Uint8Array): string {
  return new ByteReader(bytes).uuid();
}
