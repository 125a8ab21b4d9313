/** Record batches with one field changed after they were built, and the CRC put right again. */

import { crc32c } from "../../../lib/crc32c.ts";
import { buildBatch, type BuildBatchOptions } from "../../../protocol/records/record_batch.ts";

const ATTRIBUTES_AT = 21;

/** Where a field of the batch header lies, and its size in bytes. */
export const FIELDS = {
  baseOffset: [0, 8],
  batchLength: [8, 4],
  magic: [16, 1],
  crc: [17, 4],
  attributes: [ATTRIBUTES_AT, 2],
  lastOffsetDelta: [23, 4],
  baseTimestamp: [27, 8],
  maxTimestamp: [35, 8],
  producerId: [43, 8],
  producerEpoch: [51, 2],
  baseSequence: [53, 4],
  recordCount: [57, 4],
} as const;

const text = (value: string) => new TextEncoder().encode(value);

/** A batch of the values given. */
export function batch(values: readonly string[], options: Partial<BuildBatchOptions> = {}): Uint8Array {
  const records = values.map((value) => ({
    key: null,
    value: text(value),
    headers: [],
    timestamp: 1_700_000_000_000,
  }));
  return buildBatch({ records, ...options });
}

/** A copy with fields changed; the CRC is computed anew unless it is one of them. */
export function changed(
  original: Uint8Array,
  changes: Partial<Record<keyof typeof FIELDS, number | bigint>>,
): Uint8Array {
  const bytes = original.slice();
  const view = new DataView(bytes.buffer);
  for (const [name, value] of Object.entries(changes)) {
    const [at, size] = FIELDS[name as keyof typeof FIELDS];
    if (size === 8) view.setBigInt64(at, BigInt(value));
    else if (size === 4) view.setInt32(at, Number(value));
    else if (size === 2) view.setInt16(at, Number(value));
    else view.setInt8(at, Number(value));
  }
  if (changes.crc === undefined) view.setUint32(FIELDS.crc[0], crc32c(bytes.subarray(ATTRIBUTES_AT)));
  return bytes;
}

/** A batch of one record whose records section is replaced by `section`, said to be compressed with `codec`. */
export function withSection(codec: number, section: Uint8Array, recordCount = 1): Uint8Array {
  const head = batch(["x"]).subarray(0, 61);
  const bytes = new Uint8Array(head.length + section.length);
  bytes.set(head);
  bytes.set(section, head.length);
  return changed(bytes, {
    attributes: codec,
    batchLength: bytes.length - 12,
    lastOffsetDelta: recordCount - 1,
    recordCount,
  });
}
