/** Skeleton; see the exports. */
import { type Compression } from "./batch_header.ts";
export type { Compression };

/** Compresses with Kafka's framing of `codec`; synchronous. Throws `UnsupportedCompressionError`. */
export function compress(_codec: Compression, _bytes: Uint8Array): Uint8Array {
  throw new Error("not yet");
}

/**
 * Inflates at most `maxBytes`; synchronous. Throws `DecompressedTooLargeError`, `CorruptRecordError` or
 * `UnsupportedCompressionError`. With codec "none" returns `bytes` itself.
 */
export function decompress(
  _codec: Compression,
  _bytes: Uint8Array,
  _options: { maxBytes: number },
): Uint8Array {
  throw new Error("not yet");
}
