/**
 * `["p", topicId, partition, "c", baseOffset, attempt, k]`: piece k of a batch too large for its index entry. The
 * offset comes first so that a reader takes the pieces of many batches with one scan. Pieces that no index entry
 * names belong to an attempt that did not end; the next opening sweeps them. Owner: `log_writer.ts`.
 *
 * Value v1: the bytes of the batch and nothing else, not even a version byte: pieces fill a value to its limit, and the
 * index entry that names them has the version and the CRC of the whole.
 */

/** Attempt of pieces that are in the same commit as their index entry. */
export const SAME_COMMIT = "";

/** Views, not copies. */
export function splitIntoChunks(bytes: Uint8Array, chunkBytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  return chunks;
}
