/**
 * One partition's log in a shard. Skeleton; the exports are final.
 */
import type { ProducerState } from "../core/partition/producer_state.ts";
import type { ShardStore } from "./shard.ts";

export interface LogEpoch {
  readonly epoch: number;
  readonly startOffset: number;
}

/** What the head says of the log. Offsets and timestamps are numbers; -1 for no timestamp. */
export interface LogHead {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly leaderEpoch: number;
  /** Rising; the leader epochs that have written, and where each began (KIP-101). */
  readonly epochs: readonly LogEpoch[];
  readonly maxTimestamp: number;
  /** Offset of the batch's last record that reached `maxTimestamp`; -1 for none. */
  readonly maxTimestampOffset: number;
  readonly sizeBytes: number;
}

export interface LogAppend {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  /** One whole record batch with its offsets filled in; immutable from here on. */
  readonly bytes: Uint8Array;
  readonly maxTimestamp: number;
  /** The producer's state after this batch; null when it has none. */
  readonly producer: ProducerState | null;
  readonly headAfter: LogHead;
}

export interface ReadOptions {
  readonly maxBytes: number;
  /** Kafka's rule: the first batch is returned even if it is larger than `maxBytes`. */
  readonly minOneBatch: boolean;
  /** Exclusive; a durable offset. */
  readonly upTo: number;
}

export class PartitionLog {
  /** Fences older writers and reads O(1) keys; creates an empty log when there is none. */
  static open(_shards: ShardStore, _topicId: string, _partition: number): Promise<PartitionLog> {
    throw new Error("not yet");
  }

  /** As last committed. */
  get head(): LogHead {
    throw new Error("not yet");
  }

  /** Makes a prefix of `appends` durable and returns how many; at least 1 unless it throws. */
  append(_appends: readonly LogAppend[]): Promise<number> {
    throw new Error("not yet");
  }

  /** Commits a head without a batch: a new leader epoch, a raised log start. */
  commitHead(_head: LogHead): Promise<void> {
    throw new Error("not yet");
  }

  /** Whole batches, the first of which contains `from`. */
  read(_from: number, _options: ReadOptions): Promise<Uint8Array[]> {
    throw new Error("not yet");
  }

  /** The first record whose timestamp is at least `timestamp`, below `upTo`. */
  offsetForTimestamp(
    _timestamp: number,
    _upTo: number,
  ): Promise<{ readonly offset: number; readonly timestamp: number } | null> {
    throw new Error("not yet");
  }

  producerState(_producerId: number): Promise<ProducerState | null> {
    throw new Error("not yet");
  }

  close(): void {}
}
