/**
 * `["p", topicId, partition, …]`: everything of one partition's log lies below one prefix; this makes its keys. What
 * lies under them is in `log_head.ts`, `batch_index.ts`, `chunk.ts`, `attempt.ts`, `producer.ts`, `time_index.ts`,
 * `partition_transaction.ts`, `cleaner_checkpoint.ts`, `trimmed_timestamp.ts`.
 */
import type { KvKey } from "../storage.ts";
import { below, FAMILY, type KeyRange } from "./keyspace.ts";
import { uuidBytes, uuidText } from "./uuid.ts";

/** The keys of one partition. Made once per open log: the topic id is converted once. */
export class PartitionKeys {
  readonly prefix: KvKey;
  readonly head: KvKey;
  readonly #topicId: Uint8Array;
  readonly #partition: number;

  constructor(topicId: string, partition: number) {
    this.#topicId = uuidBytes(topicId);
    this.#partition = partition;
    this.prefix = [FAMILY.partition, this.#topicId, partition];
    this.head = this.#key("h");
  }

  /** `["p", topicId, partition, "i", baseOffset]` */
  index(baseOffset: number): KvKey {
    return this.#key("i", baseOffset);
  }

  /** `["p", topicId, partition, "c", baseOffset, attempt, k]` */
  chunk(baseOffset: number, attempt: string, k: number): KvKey {
    return this.#key("c", baseOffset, attempt, k);
  }

  /** `["p", topicId, partition, "o", attempt]` */
  attempt(attempt: string): KvKey {
    return this.#key("o", attempt);
  }

  /** `["p", topicId, partition, "s", producerId]` */
  producer(producerId: number): KvKey {
    return this.#key("s", producerId);
  }

  /** `["p", topicId, partition, "t", maxTimestamp, baseOffset]` */
  time(maxTimestamp: number, baseOffset: number): KvKey {
    return this.#key("t", maxTimestamp, baseOffset);
  }

  /** `["p", topicId, partition, "k"]` */
  get cleanerCheckpoint(): KvKey {
    return this.#key("k");
  }

  /** `["p", topicId, partition, "m"]` */
  get trimmedTimestamp(): KvKey {
    return this.#key("m");
  }

  /** `["p", topicId, partition, "x", producerId]` */
  openTransaction(producerId: number): KvKey {
    return this.#key("x", producerId);
  }

  /** `["p", topicId, partition, "a", markerOffset, producerId]` */
  abortedTransaction(markerOffset: number, producerId: number): KvKey {
    return this.#key("a", markerOffset, producerId);
  }

  openTransactions(): KeyRange {
    return below(this.#key("x"));
  }

  /** Transactions whose abort markers lie at from <= offset < to. */
  abortedRange(from: number, to: number): KeyRange {
    return { start: this.#key("a", from), end: this.#key("a", to) };
  }

  /** Index entries with from <= base offset < to. */
  indexRange(from: number, to: number): KeyRange {
    return { start: this.index(from), end: this.index(to) };
  }

  /** Pieces of the batches with from <= base offset < to. */
  chunkRange(from: number, to: number): KeyRange {
    return { start: this.#key("c", from), end: this.#key("c", to) };
  }

  /** Time entries with from <= timestamp < to. */
  timeRange(from: number, to: number): KeyRange {
    return { start: this.#key("t", from), end: this.#key("t", to) };
  }

  attempts(): KeyRange {
    return below(this.#key("o"));
  }

  producers(): KeyRange {
    return below(this.#key("s"));
  }

  /** All keys of the partition, the head among them. */
  all(): KeyRange {
    return below(this.prefix);
  }

  #key(...rest: (string | number)[]): KvKey {
    return [FAMILY.partition, this.#topicId, this.#partition, ...rest];
  }
}

/** What a key below `["p"]` names, for inspection and tests. */
export function partitionOfKey(
  key: KvKey,
): { readonly topicId: string; readonly partition: number; readonly family: string; readonly rest: KvKey } {
  return {
    topicId: uuidText(key[1] as Uint8Array),
    partition: key[2] as number,
    family: key[3] as string,
    rest: key.slice(4),
  };
}

/** The base offset in an index key. */
export function baseOffsetOfKey(key: KvKey): number {
  return key[4] as number;
}

/** Which piece of its batch a chunk's key names. */
export function pieceOfKey(key: KvKey): number {
  return key[6] as number;
}
