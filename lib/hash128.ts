/**
 * MurmurHash3 for x86 with 128 bits: keys that are only compared are kept as 16 bytes. Not for secrets; a seed of its own for
 * each table keeps people from choosing keys that fall together.
 * Source: Austin Appleby's MurmurHash3_x86_128, public domain.
 */

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** Up to four bytes from `at`, little-endian; those beyond `end` are 0. */
function word(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = Math.min(3, end - at - 1); i >= 0; i--) value = (value << 8) | (bytes[at + i] ?? 0);
  return value;
}

/** Writes the hash of `bytes` into the first four elements of `out`. */
export function hash128(bytes: Uint8Array, seed: number, out: Uint32Array): void {
  const { length } = bytes;
  let h1 = seed;
  let h2 = seed;
  let h3 = seed;
  let h4 = seed;
  const blocksEnd = length - length % 16;
  for (let at = 0; at < blocksEnd; at += 16) {
    h1 ^= Math.imul(rotate(Math.imul(word(bytes, at, length), C1), 15), C2);
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(word(bytes, at + 4, length), C2), 16), C3);
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(word(bytes, at + 8, length), C3), 17), C4);
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(word(bytes, at + 12, length), C4), 18), C1);
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  if (length > blocksEnd) h1 ^= Math.imul(rotate(Math.imul(word(bytes, blocksEnd, length), C1), 15), C2);
  if (length > blocksEnd + 4) {
    h2 ^= Math.imul(rotate(Math.imul(word(bytes, blocksEnd + 4, length), C2), 16), C3);
  }
  if (length > blocksEnd + 8) {
    h3 ^= Math.imul(rotate(Math.imul(word(bytes, blocksEnd + 8, length), C3), 17), C4);
  }
  if (length > blocksEnd + 12) {
    h4 ^= Math.imul(rotate(Math.imul(word(bytes, blocksEnd + 12, length), C4), 18), C1);
  }
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = mix(h1);
  h2 = mix(h2);
  h3 = mix(h3);
  h4 = mix(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  out[0] = h1;
  out[1] = h2 + h1;
  out[2] = h3 + h1;
  out[3] = h4 + h1;
}
