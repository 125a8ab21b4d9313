/**
 * CRC-32C (Castagnoli polynomial, reflected 0x82f63b78): the checksum of record batches and stored extents.
 *
 * Slicing-by-8 in plain TypeScript: eight tables, eight bytes a step. Measured on Deno 2.9.6 against hash-wasm's
 * WebAssembly it is ten times as fast for 100 B and 1.5 times for 1 KB, and 0.7 times for 64 KB and more, where
 * it still passes 1.2 GB/s; and importing hash-wasm takes 20 ms and more of a server's start.
 * Source: RFC 3720 appendix B.4; Intel's slicing-by-8.
 */

/** Eight tables of 256 entries, one after the other; entry k·256+b is the CRC of byte b followed by k zero bytes. */
const TABLE = makeTable();

/** The CRC-32C of `bytes[start, end)` as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const table = TABLE;
  let crc = -1;
  let position = start;
  for (const stop = end - 7; position < stop; position += 8) {
    crc = table[1792 + ((crc ^ bytes[position]!) & 0xff)]! ^
      table[1536 + (((crc >>> 8) ^ bytes[position + 1]!) & 0xff)]! ^
      table[1280 + (((crc >>> 16) ^ bytes[position + 2]!) & 0xff)]! ^
      table[1024 + ((crc >>> 24) ^ bytes[position + 3]!)]! ^
      table[768 + bytes[position + 4]!]! ^
      table[512 + bytes[position + 5]!]! ^
      table[256 + bytes[position + 6]!]! ^
      table[bytes[position + 7]!]!;
  }
  for (; position < end; position++) crc = table[(crc ^ bytes[position]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function makeTable(): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (-(crc & 1) & 0x82f63b78);
    table[byte] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    const previous = table[i - 256]!;
    table[i] = (previous >>> 8) ^ table[previous & 0xff]!;
  }
  return table;
}
