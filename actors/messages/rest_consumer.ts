/** Messages of a consumer that lives on the server (`rest_consumer/["group","instance"]`). Absent: there is no such consumer. */
import type {
  Interest,
  RestConsumer,
  RestConsumerConfig,
  TopicPartition,
} from "../../core/rest_consumer/rest_consumer.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import type { KafkaRecord } from "../../protocol/records/record_batch.ts";
import type { Expects } from "../runtime/types.ts";

export type RestConsumerAnswer<T> =
  | { readonly type: "ok"; readonly value: T }
  | { readonly type: "absent" }
  /** It is in the wrong state: subscribed otherwise, or busy with a request for records. */
  | { readonly type: "conflict"; readonly message: string }
  | { readonly type: "failed"; readonly error: ErrorName };

export interface CreateRestConsumer extends Expects<"created" | "exists" | "tooMany"> {
  readonly type: "create";
  readonly config: RestConsumerConfig;
}

export interface DescribeRestConsumer
  extends Expects<RestConsumerAnswer<RestConsumer & { readonly assigned: readonly TopicPartition[] }>> {
  readonly type: "describe";
}

/** Leaves the group; an automatic commit comes first. */
export interface RemoveRestConsumer extends Expects<RestConsumerAnswer<null>> {
  readonly type: "remove";
}

export interface SetInterest extends Expects<RestConsumerAnswer<null>> {
  readonly type: "setInterest";
  readonly interest: Interest;
}

export interface PolledRecord extends TopicPartition {
  readonly record: KafkaRecord;
}

/** Waits for the first records, also through a rebalance, but never longer than the timeout. */
export interface PollRecords extends Expects<RestConsumerAnswer<readonly PolledRecord[]>> {
  readonly type: "poll";
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
  readonly metadata: string;
}

export interface CommitOffsets extends Expects<RestConsumerAnswer<null>> {
  readonly type: "commit";
  /** Null: everything that was read. */
  readonly offsets: readonly PartitionOffset[] | null;
}

export interface CommittedOffsets extends Expects<RestConsumerAnswer<readonly PartitionOffset[]>> {
  readonly type: "committed";
  /** Null: of everything that is assigned. */
  readonly partitions: readonly TopicPartition[] | null;
}

export interface SeekOffsets extends Expects<RestConsumerAnswer<null>> {
  readonly type: "seek";
  readonly offsets: readonly (TopicPartition & { readonly offset: number | "beginning" | "end" })[];
}

/** Internal: time for a heartbeat; a task beside the mailbox ended. */
export interface RestConsumerBeat {
  readonly type: "beat";
}

export type RestConsumerMessage =
  | CreateRestConsumer
  | DescribeRestConsumer
  | RemoveRestConsumer
  | SetInterest
  | PollRecords
  | CommitOffsets
  | CommittedOffsets
  | SeekOffsets
  | RestConsumerBeat;
