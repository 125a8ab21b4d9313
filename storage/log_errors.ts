/** What a log says beside the storage errors. Both are answers for the caller to turn into Kafka's, not accidents. */

/** The offset lies below the log start: OFFSET_OUT_OF_RANGE. */
export class OffsetTrimmedError extends Error {
  override readonly name = "OffsetTrimmedError";
  readonly logStartOffset: number;

  constructor(offset: number, logStartOffset: number) {
    super(`Cannot read offset ${offset}: the log starts at ${logStartOffset}`);
    this.logStartOffset = logStartOffset;
  }
}

/** The partition's head is a tombstone: UNKNOWN_TOPIC_OR_PARTITION. */
export class PartitionDeletedError extends Error {
  override readonly name = "PartitionDeletedError";

  constructor(topicId: string, partition: number) {
    super(`Cannot open log of topic ${topicId}, partition ${partition}: it was deleted`);
  }
}
