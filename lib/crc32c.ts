/**
 * CRC-32C (Castagnoli), the checksum of record batches.
 */
const TABLE = /* @__PURE__ */ makeTable();

/** The CRC-32C of `bytes[start, end)`, as a uint32. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = -1;
  for (let i = start; i < end; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

function makeTable(): Int32Array {
  const table = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (-(crc & 1) & 0x82f63b78);
    table[i] = crc;
  }
  return table;
}
