/**
 * The consumer: records of partitions that are assigned by hand, or by a group.
 *
 * `poll` and the async iterator do the work; between calls only heartbeats and reading ahead go on. Offsets of what an
 * earlier `poll` returned are committed on an interval, at a rebalance and on close. Source: Kafka's KafkaConsumer (classic).
 */
import type { Env } from "../lib/env.ts";
import type { AssignorName } from "./assignors.ts";
import { type CallOptions, type ClientOptions, Cluster } from "./cluster.ts";
import { CommitFailedError, ConfigurationError, isRetriableError } from "./errors.ts";
import { type ConsumedRecord, Fetcher } from "./fetcher.ts";
import type { ClientMetric } from "./metrics.ts";
import { type CommittedOffset, GroupMembership } from "./group.ts";
import { findOffsets, type IsolationLevel, type OffsetSpec } from "./offsets.ts";
import { partitionKey, type TopicPartition } from "./topic_partition.ts";

export interface ConsumerOptions extends ClientOptions {
  /** Needed for `subscribe` and for commits. */
  readonly groupId?: string | undefined;
  /** Makes this a static member, which keeps its partitions over a restart (KIP-345). */
  readonly groupInstanceId?: string | undefined;
  /** Where to begin without a committed offset, or outside the log. Default `"latest"`. */
  readonly offsetReset?: "earliest" | "latest" | "none" | undefined;
  /** Default `"read_uncommitted"`. */
  readonly isolationLevel?: IsolationLevel | undefined;
  /** Whether positions are committed without being asked. Default true with a group. */
  readonly autoCommit?: boolean | undefined;
  /** Default 5,000. */
  readonly autoCommitIntervalMs?: number | undefined;
  /** Without heartbeats for this long the group takes the partitions away. Default 45,000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** Default 3,000. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** Without a `poll` for this long the consumer leaves its group, milliseconds. Default 300,000. */
  readonly pollIntervalMaxMs?: number | undefined;
  /** How a group's leader divides partitions, in order of preference. Default `["range", "roundrobin"]`. */
  readonly assignors?: readonly AssignorName[] | undefined;
  /** A Fetch is answered as soon as there are so many bytes, or after `fetchMaxWaitMs`. Default 1. */
  readonly fetchMinBytes?: number | undefined;
  /** Default 500. */
  readonly fetchMaxWaitMs?: number | undefined;
  /** Default 50 MiB. */
  readonly fetchMaxBytes?: number | undefined;
  /** Per partition and answer. Default 1 MiB. */
  readonly partitionFetchMaxBytes?: number | undefined;
}

export interface PollOptions {
  /** How long to wait for the first record, milliseconds. Default: without end. */
  readonly timeoutMs?: number | undefined;
  /** Default 500. */
  readonly recordsMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const POLL_RECORDS_MAX = 500;
/** How often a leader looks whether topics of its group have come into being. */
const MISSING_TOPIC_INTERVAL_MS = 1_000;

/**
 * Reads records.
 *
 * ```ts
 * const consumer = new Consumer(env, { bootstrapServers: "localhost:9092", groupId: "g" });
 * consumer.subscribe(["test"]);
 * for await (const record of consumer) console.log(record.offset, record.value);
 * ```
 */
export class Consumer implements AsyncIterable<ConsumedRecord> {
  readonly #env: Env;
  readonly #cluster: Cluster;
  readonly #fetcher: Fetcher;
  readonly #group: GroupMembership | null;
  readonly #isolationLevel: IsolationLevel;
  readonly #autoCommit: boolean;
  readonly #autoCommitIntervalMs: number;
  readonly #pollIntervalMaxMs: number;
  #topics: readonly string[] = [];
  /** The join under way. */
  #joining: Promise<void> | null = null;
  #joinFailure: Error | null = null;
  /** Of the group, when it assigned the partitions that are read now: positions belong to it and to no other. */
  #assignedGenerationId = -1;
  #nextCommitAtMs: number;
  #nextTopicCheckAtMs = 0;
  /** A commit of the interval is under way: another one would wait for it. */
  #isCommitting = false;
  /** Partition key and offset of what was committed last. */
  #lastCommitted = new Map<string, number>();
  #cancelPollWatch: (() => void) | null = null;
  /** Polls that wait now. */
  #pollCount = 0;
  #closed: Promise<void> | null = null;

  /** Throws `ConfigurationError`. Connects on first use. */
  constructor(env: Env, options: ConsumerOptions) {
    this.#env = env;
    this.#cluster = new Cluster(env, options);
    this.#isolationLevel = options.isolationLevel ?? "read_uncommitted";
    this.#autoCommit = options.autoCommit ?? true;
    this.#autoCommitIntervalMs = options.autoCommitIntervalMs ?? 5_000;
    this.#pollIntervalMaxMs = options.pollIntervalMaxMs ?? 300_000;
    this.#nextCommitAtMs = env.mono() + this.#autoCommitIntervalMs;
    this.#fetcher = new Fetcher(this.#cluster, {
      offsetReset: options.offsetReset ?? "latest",
      isolationLevel: this.#isolationLevel,
      minBytes: options.fetchMinBytes ?? 1,
      maxWaitMs: options.fetchMaxWaitMs ?? 500,
      maxBytes: options.fetchMaxBytes ?? 50 * 1024 * 1024,
      partitionMaxBytes: options.partitionFetchMaxBytes ?? 1024 * 1024,
    });
    this.#group = options.groupId === undefined ? null : new GroupMembership(this.#cluster, {
      groupId: options.groupId,
      groupInstanceId: options.groupInstanceId ?? null,
      sessionTimeoutMs: options.sessionTimeoutMs ?? 45_000,
      heartbeatIntervalMs: options.heartbeatIntervalMs ?? 3_000,
      rebalanceTimeoutMs: this.#pollIntervalMaxMs,
      assignors: options.assignors ?? ["range", "roundrobin"],
      onChange: () => this.#fetcher.wake(),
    });
  }

  /** The partitions that are read now. */
  get assignment(): readonly TopicPartition[] {
    return this.#fetcher.assignment;
  }

  /** Lets the group assign partitions of these topics. Throws `ConfigurationError` without a group id. */
  subscribe(topics: readonly string[]): void {
    if (this.#group === null) throw new ConfigurationError("Cannot subscribe: the consumer has no group id");
    this.#topics = [...new Set(topics)];
    this.#group.requestJoin();
  }

  /** Reads these partitions, whatever others do. `start`: an offset, or where to look for one. */
  assign(
    partitions: readonly (TopicPartition & { readonly start?: number | OffsetSpec | undefined })[],
  ): void {
    if (this.#topics.length > 0) throw new ConfigurationError("Cannot assign: the consumer has subscribed");
    this.#fetcher.assign(partitions);
  }

  /** Reads all partitions of a topic, which is created if the broker does that. */
  async assignTopic(
    topic: string,
    options: CallOptions & { readonly start?: OffsetSpec } = {},
  ): Promise<void> {
    const { start } = options;
    const { partitions } = await this.#cluster.topic(topic, { ...options, allowAutoTopicCreation: true });
    this.assign(partitions.map(({ partition }) => ({ topic, partition, start })));
  }

  /** Figures under the names that Kafka's consumer has for them. */
  metrics(): ClientMetric[] {
    return this.#fetcher.metrics();
  }

  /**
   * The next records, at least one unless `timeoutMs` passes first: then none. Calling it says that the records of the
   * call before are done with. Throws a `ClientError`, or the signal's reason.
   */
  async poll(options: PollOptions = {}): Promise<ConsumedRecord[]> {
    const { timeoutMs = Infinity, recordsMax = POLL_RECORDS_MAX, signal } = options;
    const deadline = new AbortController();
    const cancel = timeoutMs === Infinity ? null : this.#env.timer(timeoutMs, () => deadline.abort());
    const stop = AbortSignal.any([
      deadline.signal,
      this.#cluster.closed,
      ...(signal === undefined ? [] : [signal]),
    ]);
    const wake = () => this.#fetcher.wake();
    stop.addEventListener("abort", wake, { once: true });
    this.#watchPolls();
    this.#pollCount++;
    try {
      for (;;) {
        signal?.throwIfAborted();
        this.#cluster.closed.throwIfAborted();
        if (this.#topics.length > 0) this.#pollGroup();
        const changed = this.#fetcher.changed();
        if (this.#joining === null) {
          const records = this.#fetcher.take(recordsMax);
          if (records.length > 0) return records;
        }
        if (deadline.signal.aborted) return [];
        await changed;
      }
    } finally {
      this.#pollCount--;
      cancel?.();
      stop.removeEventListener("abort", wake);
    }
  }

  /** What belongs to a group in a poll: joins when that is due, commits when that is due. */
  #pollGroup(): void {
    const group = this.#group;
    if (group === null) return;
    group.throwIfFatal();
    if (this.#joinFailure !== null) {
      const failure = this.#joinFailure;
      this.#joinFailure = null;
      throw failure;
    }
    if (this.#joining !== null) return;
    if (group.needsJoin) {
      this.#joining = this.#join(group);
      return;
    }
    const nowMs = this.#env.mono();
    if (this.#autoCommit && nowMs >= this.#nextCommitAtMs && !this.#isCommitting) {
      this.#nextCommitAtMs = nowMs + this.#autoCommitIntervalMs;
      this.#isCommitting = true;
      void this.#commitQuietly(group).finally(() => this.#isCommitting = false);
    }
    this.#checkTopics(group, nowMs);
  }

  /** Never rejects: a failure is thrown by the next poll. */
  async #join(group: GroupMembership): Promise<void> {
    try {
      if (this.#autoCommit) await this.#commitQuietly(group);
      const partitions = await group.join(this.#topics, this.#cluster.closed);
      const { generationId } = group;
      const committed = await group.committed(partitions);
      this.#lastCommitted = committed;
      this.#assignedGenerationId = generationId;
      this.#fetcher.assign(partitions.map(({ topic, partition }) => ({
        topic,
        partition,
        start: committed.get(partitionKey(topic, partition)),
      })));
    } catch (error) {
      group.requestJoin();
      if (!this.#cluster.isClosed && !isRetriableError(error)) {
        this.#joinFailure = error instanceof Error ? error : new Error(String(error));
      }
    } finally {
      this.#joining = null;
      this.#fetcher.wake();
    }
  }

  /** As the group's leader, joins again when a topic has got more partitions. */
  #checkTopics(group: GroupMembership, nowMs: number): void {
    const counts = group.assignedCounts;
    if (counts === null || nowMs < this.#nextTopicCheckAtMs) return;
    const someMissing = [...counts.values()].includes(0);
    const first = this.#nextTopicCheckAtMs === 0;
    this.#nextTopicCheckAtMs = nowMs +
      (someMissing ? MISSING_TOPIC_INTERVAL_MS : this.#cluster.metadataMaxAgeMs);
    if (first && !someMissing) return;
    if (someMissing) this.#env.timer(MISSING_TOPIC_INTERVAL_MS, () => this.#fetcher.wake());
    group.partitionCounts(new Set(counts.keys())).then((now) => {
      if ([...now].some(([topic, count]) => count !== counts.get(topic))) group.requestJoin();
    }, () => {
      // The next check is soon enough.
    });
  }

  /** Leaves the group when nobody polls: others can do the work. */
  #watchPolls(): void {
    const group = this.#group;
    if (group === null || this.#topics.length === 0) return;
    this.#cancelPollWatch?.();
    this.#cancelPollWatch = this.#env.timer(this.#pollIntervalMaxMs, () => {
      // A poll that waits for records is a poll.
      if (this.#pollCount > 0) return this.#watchPolls();
      void group.leave({ rejoinLater: true });
    });
  }

  /** Offset of the next record that `poll` returns; null while unknown. */
  position(topic: string, partition: number): number | null {
    return this.#fetcher.position(topic, partition);
  }

  /** Goes on at another place of an assigned partition. Throws `ConfigurationError` when it is not assigned. */
  seek(topic: string, partition: number, to: number | OffsetSpec): void {
    if (!this.#fetcher.seek(topic, partition, to)) {
      throw new ConfigurationError(`Cannot seek: ${topic}-${partition} is not assigned`);
    }
  }

  /** Commits offsets; without an argument, the positions. Throws `CommitFailedError` when the group has rebalanced. */
  async commit(offsets?: readonly CommittedOffset[], options: CallOptions = {}): Promise<void> {
    const group = this.#groupFor("commit");
    if (!this.#ownsPositions(group)) {
      throw new CommitFailedError("Cannot commit: the group has rebalanced and this member is out of it");
    }
    const committed = offsets ?? this.#fetcher.positions();
    await group.commit(committed, options);
    for (const { topic, partition, offset } of committed) {
      this.#lastCommitted.set(partitionKey(topic, partition), offset);
    }
  }

  /** The offsets that the group has committed; partitions without one are missing. */
  async committed(
    partitions: readonly TopicPartition[],
    options: CallOptions = {},
  ): Promise<CommittedOffset[]> {
    const offsets = await this.#groupFor("read commits").committed(partitions, options);
    return partitions.flatMap(({ topic, partition }) => {
      const offset = offsets.get(partitionKey(topic, partition));
      return offset === undefined ? [] : [{ topic, partition, offset }];
    });
  }

  /** Offsets of a place in the partitions' logs: start, end, or the first record since a time (−1 for none). */
  async offsets(
    partitions: readonly TopicPartition[],
    spec: OffsetSpec,
    options: CallOptions = {},
  ): Promise<CommittedOffset[]> {
    const requests = partitions.map(({ topic, partition }) => ({ topic, partition, spec }));
    const found = await findOffsets(this.#cluster, requests, this.#isolationLevel, options);
    return partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      offset: found.get(partitionKey(topic, partition))?.offset ?? -1,
    }));
  }

  /** Who this is in its group: member id and generation, "" and −1 while it is no member. */
  get groupMetadata(): { readonly memberId: string; readonly generationId: number } {
    const { memberId, generationId } = this.#groupFor("tell its membership");
    return { memberId, generationId };
  }

  /**
   * Whether what is read now was assigned in the generation that the broker would take a commit for. In a newer one the
   * partitions may be another's; without one it would be a commit from outside, which an empty group accepts.
   */
  #ownsPositions({ generationId }: GroupMembership): boolean {
    if (this.#topics.length === 0) return true;
    return generationId >= 0 && generationId === this.#assignedGenerationId;
  }

  #groupFor(action: string): GroupMembership {
    if (this.#group === null) throw new ConfigurationError(`Cannot ${action}: the consumer has no group id`);
    return this.#group;
  }

  /** Commits what changed; a commit that fails because of a rebalance is the new owner's affair. Never rejects. */
  async #commitQuietly(group: GroupMembership, options: CallOptions = {}): Promise<void> {
    if (!this.#ownsPositions(group)) return;
    const changed = this.#fetcher.positions().filter(({ topic, partition, offset }) =>
      this.#lastCommitted.get(partitionKey(topic, partition)) !== offset
    );
    try {
      await group.commit(changed, options);
      for (const { topic, partition, offset } of changed) {
        this.#lastCommitted.set(partitionKey(topic, partition), offset);
      }
    } catch (error) {
      if (error instanceof CommitFailedError) return;
      // The next interval tries again.
      this.#nextCommitAtMs = Math.min(this.#nextCommitAtMs, this.#env.mono() + this.#autoCommitIntervalMs);
    }
  }

  /** Records one by one, without end. Leaving the loop early gives back what was not handed out. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedRecord, void, undefined> {
    for (;;) {
      const records = await this.poll();
      let next = 0;
      try {
        while (next < records.length) {
          const record = records[next++];
          if (record !== undefined) yield record;
        }
      } finally {
        this.#giveBack(records.slice(next));
      }
    }
  }

  #giveBack(records: readonly ConsumedRecord[]): void {
    const seen = new Set<string>();
    for (const { topic, partition, offset } of records) {
      const key = partitionKey(topic, partition);
      if (!seen.has(key)) this.#fetcher.seek(topic, partition, offset);
      seen.add(key);
    }
  }

  /** Commits if that is on, leaves the group, closes all connections. Idempotent; never rejects. */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeoutMs ?? 5_000);
    return this.#closed;
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#cancelPollWatch?.();
    const group = this.#group;
    if (group !== null) {
      if (this.#autoCommit && this.#joining === null && !group.needsJoin) {
        await this.#commitQuietly(group, { timeoutMs });
      }
      await group.leave();
    }
    this.#cluster.close();
    this.#fetcher.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
