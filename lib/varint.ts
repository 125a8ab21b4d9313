/**
 * Variable-length integers as plain arithmetic: zigzag and encoded sizes. The loops over bytes are in `bytes.ts`.
 *
 * Source: the base-128 scheme of Protocol Buffers, as Kafka's `ByteUtils` uses it. Pure.
 */

/** Most bytes of an unsigned or signed 32-bit varint. */
export const VARINT_BYTES_MAX = 5;
/** Most bytes of a 64-bit varlong. */
export const VARLONG_BYTES_MAX = 10;

/** Maps a signed 32-bit integer to an unsigned one so that small magnitudes stay small. */
export function zigzagEncode32(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

/** The inverse of `zigzagEncode32`. */
export function zigzagDecode32(value: number): number {
  return (value >>> 1) ^ -(value & 1);
}

/** Bytes that `value` (0 to 2^32−1) takes as an unsigned varint. */
export function unsignedVarintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

/** Bytes that a signed 32-bit integer takes as a zigzag varint. */
export function varintSize(value: number): number {
  return unsignedVarintSize(zigzagEncode32(value));
}

/** Bytes that a safe integer takes as a zigzag varlong. */
export function varlongSize(value: number): number {
  // The zigzag image of v needs one bit more than its magnitude (−v−1 for the negatives).
  let magnitude = value < 0 ? -(value + 1) : value;
  let size = 1;
  for (magnitude = Math.floor(magnitude / 0x40); magnitude > 0; magnitude = Math.floor(magnitude / 0x80)) {
    size++;
  }
  return size;
}
