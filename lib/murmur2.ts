/** MurmurHash2, 32 bits, with the seed and byte order of Kafka's Java client (`Utils.murmur2`). */

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** The hash as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  let hash = SEED ^ length;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    let k = Math.imul(view.getInt32(index, true), M);
    k ^= k >>> R;
    hash = Math.imul(hash, M) ^ Math.imul(k, M);
  }
  const rest = length - index;
  if (rest === 3) hash ^= view.getUint8(index + 2) << 16;
  if (rest >= 2) hash ^= view.getUint8(index + 1) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ view.getUint8(index), M);
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return hash ^ (hash >>> 15);
}
