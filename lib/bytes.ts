/** Reading and writing of bytes: one import for both directions. */
export { ByteReader, DecodeError, ZERO_UUID } from "./byte_reader.ts";
export { ByteWriter, concat, EncodeError, REFERENCE_BYTES_MIN } from "./byte_writer.ts";
