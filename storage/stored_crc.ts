/**
 * The CRC of a stored batch: over everything from its attributes on, as its header has it already, continued over the 21
 * bytes before them, base offset, leader epoch and that CRC itself. So writing takes no second pass over a batch whose own
 * CRC was checked when it came in; reading makes the one pass that proves both.
 */
import { crc32c } from "../lib/crc32c.ts";

/** Bytes of a batch that its own CRC does not cover; the last four are that CRC. */
const UNCOVERED_BYTES = 21;
const CRC_AT = 17;

/** For a batch whose own CRC is known to be right. */
export function storedCrc(batch: Uint8Array): number {
  return crc32c(batch, 0, UNCOVERED_BYTES, crcField(batch));
}

/** Whether these are the bytes that `storedCrc` was computed of. */
export function hasStoredCrc(batch: Uint8Array, crc: number): boolean {
  return batch.length >= UNCOVERED_BYTES && storedCrc(batch) === crc &&
    crc32c(batch, UNCOVERED_BYTES) === crcField(batch);
}

const LAST_OFFSET_DELTA_AT = 23;

/** The last offset of a batch at `baseOffset`, as the batch itself says. */
export function lastOffsetOf(baseOffset: number, batch: Uint8Array): number {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  return baseOffset + view.getInt32(LAST_OFFSET_DELTA_AT);
}

function crcField(batch: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = batch.subarray(CRC_AT, UNCOVERED_BYTES);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
