/** The records that were locked for an HTTP consumer, out of the batches in which they are stored. */
import type { AcquireRecordsResult } from "../actors/messages/share_partition.ts";
import { limits } from "../core/config/limits.ts";
import type { AcknowledgementBatch } from "../core/share/partition/acknowledge.ts";
import { iterateRecords, type KafkaRecord, RecordError } from "../protocol/records/record_batch.ts";

export interface QueueRecord {
  readonly partition: number;
  readonly deliveryCount: number;
  readonly record: KafkaRecord;
}

const GAP = 0;
const RELEASE = 2;

/**
 * `gaps`: locked offsets that have no record, to be acknowledged as such. Records of a batch that cannot be read are given
 * back, until they were delivered too often.
 */
export function takenRecords(
  partition: number,
  { records, ranges }: Pick<AcquireRecordsResult, "records" | "ranges">,
): { readonly found: readonly QueueRecord[]; readonly gaps: readonly AcknowledgementBatch[] } {
  const counts = new Map<number, number>();
  for (const { firstOffset, lastOffset, deliveryCount } of ranges) {
    for (let offset = firstOffset; offset <= lastOffset; offset++) counts.set(offset, deliveryCount);
  }
  const found: QueueRecord[] = [];
  let type = GAP;
  for (const batch of records) {
    try {
      for (
        const record of iterateRecords(batch, { maxDecompressedBytes: limits.decompressedBatchBytesMax })
      ) {
        const deliveryCount = counts.get(record.offset);
        if (deliveryCount === undefined) continue;
        counts.delete(record.offset);
        found.push({ partition, deliveryCount, record });
      }
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      type = RELEASE;
    }
  }
  const gaps = [...counts.keys()].map((offset) => ({
    firstOffset: offset,
    lastOffset: offset,
    acknowledgeTypes: [type],
  }));
  return { found, gaps };
}
