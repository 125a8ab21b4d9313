/**
 * Retention as a pure decision: how far a log's start may rise. Kafka deletes whole segments, the one being written only after it
 * was rolled; here a batch is the unit, so that a record is kept for its time and little longer, read or not.
 * Source: Kafka's UnifiedLog.deleteOldSegments.
 */

export interface RetentionSettings {
  /** Milliseconds after its newest record at which a batch goes; -1 for never. */
  readonly retentionMs: number;
  /** Bytes that are kept at least, when there are as many; -1 for no bound. */
  readonly retentionBytes: number;
}

export interface StoredBatch {
  readonly lastOffset: number;
  /** Milliseconds, -1 for none. */
  readonly maxTimestamp: number;
  readonly sizeBytes: number;
}

/**
 * The new log start; the present one when everything stays. `batches` are the oldest ones in order, not all need be given.
 * A batch without timestamps goes with the first one behind it that has any.
 */
export function decideRetention(
  head: { readonly logStartOffset: number; readonly sizeBytes: number },
  batches: readonly StoredBatch[],
  { retentionMs, retentionBytes }: RetentionSettings,
  nowMs: number,
): number {
  let start = head.logStartOffset;
  let left = head.sizeBytes;
  for (const { lastOffset, maxTimestamp, sizeBytes } of batches) {
    left -= sizeBytes;
    const isBeyondSize = retentionBytes >= 0 && left >= retentionBytes;
    const isExpired = retentionMs >= 0 && maxTimestamp >= 0 && nowMs - maxTimestamp > retentionMs;
    if (isBeyondSize || isExpired) start = lastOffset + 1;
    else if (maxTimestamp >= 0 || retentionMs < 0) break;
  }
  return start;
}
