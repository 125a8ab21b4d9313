/**
 * From the bytes of a Fetch answer to records: skips what lies before the wanted offset, control batches and, for
 * READ_COMMITTED, aborted transactions. Batches are decoded one at a time, when somebody reads them. Pure.
 *
 * Source: Kafka's CompletedFetch.
 */
import { readControlBatch } from "../protocol/records/control_record.ts";
import {
  type BatchHeader,
  type BatchView,
  hasValidCrc,
  type KafkaRecord,
  readRecords,
  splitBatches,
  type TimestampType,
} from "../protocol/records/record_batch.ts";
import { ProtocolViolationError } from "./errors.ts";

export interface DecodedBatch {
  readonly records: readonly KafkaRecord[];
  readonly timestampType: TimestampType;
  readonly leaderEpoch: number;
  /** The offset after the batch; there may be gaps before it. */
  readonly nextOffset: number;
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** The batches of one partition from one answer. */
export class FetchedBatches {
  /** The offset after the last batch, or null when there is no whole batch. */
  readonly nextOffset: number | null;
  readonly sizeInBytes: number;
  readonly #batches: readonly BatchView[];
  readonly #aborted: AbortedTransaction[] | null;
  readonly #abortedProducers = new Set<number>();
  #next = 0;

  /** `aborted`: null to read uncommitted records, too. Throws `RecordError` when the bytes are no batches. */
  constructor(bytes: Uint8Array, aborted: readonly AbortedTransaction[] | null) {
    this.#batches = splitBatches(bytes, { allowPartial: true });
    this.#aborted = aborted?.toSorted((a, b) => a.firstOffset - b.firstOffset) ?? null;
    this.sizeInBytes = bytes.length;
    const last = this.#batches.at(-1);
    this.nextOffset = last === undefined ? null : offsetAfter(last.header);
  }

  get isEmpty(): boolean {
    return this.#next >= this.#batches.length;
  }

  /**
   * Decodes the next batch; its records begin at `fromOffset` at the earliest, and may be none. Null at the end. Throws
   * `ProtocolViolationError` or `RecordError` when it is damaged.
   */
  next(fromOffset: number): DecodedBatch | null {
    const view = this.#batches[this.#next++];
    if (view === undefined) return null;
    const { header, bytes } = view;
    const decoded = {
      timestampType: header.timestampType,
      leaderEpoch: header.partitionLeaderEpoch,
      nextOffset: offsetAfter(header),
    };
    if (!hasValidCrc(bytes)) {
      throw new ProtocolViolationError(`Batch at offset ${header.baseOffset} is damaged: its CRC is wrong`);
    }
    if (this.#isHidden(header, bytes) || decoded.nextOffset <= fromOffset) return { ...decoded, records: [] };
    const records = readRecords(bytes);
    const first = records.findIndex((record) => record.offset >= fromOffset);
    return { ...decoded, records: first === 0 ? records : first < 0 ? [] : records.slice(first) };
  }

  /** Whether readers do not get to see the batch; keeps track of the transactions that end in control batches. */
  #isHidden(header: BatchHeader, bytes: Uint8Array): boolean {
    const lastOffset = offsetAfter(header) - 1;
    while (this.#aborted?.[0] !== undefined && this.#aborted[0].firstOffset <= lastOffset) {
      const begun = this.#aborted.shift();
      if (begun !== undefined) this.#abortedProducers.add(begun.producerId);
    }
    if (header.isControl) {
      if (this.#aborted !== null && readControlBatch(bytes)?.type === "ABORT") {
        this.#abortedProducers.delete(header.producerId);
      }
      return true;
    }
    return header.isTransactional && this.#abortedProducers.has(header.producerId);
  }
}

function offsetAfter(header: BatchHeader): number {
  return header.baseOffset + header.lastOffsetDelta + 1;
}
