/**
 * Reads assigned partitions ahead: one long-polling Fetch per leader at a time, answers kept until they are taken.
 *
 * A partition is asked for again as soon as less than one answer's worth of it is kept, so that reading and transfer
 * overlap. Source: Kafka's Fetcher and AbstractFetch, without fetch sessions.
 */
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorName, isRetriable } from "../protocol/errors.ts";
import { fetchApi, type FetchResponse } from "../protocol/messages/01_fetch.ts";
import type { KafkaRecord, RecordHeader, TimestampType } from "../protocol/records/record_batch.ts";
import type { Cluster } from "./cluster.ts";
import { BrokerError, isRetriableError, NoOffsetError, ProtocolViolationError } from "./errors.ts";
import { type DecodedBatch, FetchedBatches } from "./fetched_batches.ts";
import { AmountMetric, type ClientMetric } from "./metrics.ts";
import { findOffsets, ISOLATION_LEVELS, type IsolationLevel, type OffsetSpec } from "./offsets.ts";
import { partitionKey, type TopicPartition } from "./topic_partition.ts";

/** A record as the consumer hands it out. Bytes are views: copy what is kept for long. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds; −1 for none. */
  readonly timestamp: number;
  readonly timestampType: TimestampType;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  /** Epoch of the leader that appended it; −1 when unknown. */
  readonly leaderEpoch: number;
}

export interface FetcherOptions {
  /** Where to begin when there is no position, or it lies outside the log. */
  readonly offsetReset: "earliest" | "latest" | "none";
  readonly isolationLevel: IsolationLevel;
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
}

interface PartitionState extends TopicPartition {
  /** Offset of the next record to hand out; null while it is looked up. */
  position: number | null;
  /** Where the position comes from when it is null. */
  spec: OffsetSpec;
  /** Offset to ask the broker for. */
  fetchOffset: number;
  /** Rises when the position jumps, so that answers to older questions are dropped. */
  jumpCount: number;
  isLookingUp: boolean;
  /** Before this time (mono) the broker is left alone: back-off after a failure. */
  retryAtMs: number;
  failureCount: number;
  kept: FetchedBatches[];
  keptBytes: number;
  current: DecodedBatch | null;
  currentIndex: number;
}

export class Fetcher {
  readonly #cluster: Cluster;
  readonly #options: FetcherOptions;
  /** In the order in which they are served next. */
  #partitions = new Map<string, PartitionState>();
  readonly #busyLeaders = new Set<number>();
  readonly #fetchSizes = new AmountMetric();
  #recordCount = 0;
  #wake: PromiseWithResolvers<void> | null = null;
  #failure: Error | null = null;

  constructor(cluster: Cluster, options: FetcherOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  get assignment(): TopicPartition[] {
    return [...this.#partitions.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  /** Replaces the assignment. `start`: an offset, or where to look for one; without it the reset policy decides. */
  assign(
    partitions: readonly (TopicPartition & { readonly start?: number | OffsetSpec | undefined })[],
  ): void {
    this.#partitions = new Map();
    this.#failure = null;
    for (const { topic, partition, start } of partitions) {
      const isOffset = typeof start === "number";
      this.#partitions.set(partitionKey(topic, partition), {
        topic,
        partition,
        position: isOffset ? start : null,
        // Of no account while there is a position.
        spec: isOffset ? "latest" : start ?? this.#resetSpec(topic, partition),
        fetchOffset: isOffset ? start : -1,
        jumpCount: 0,
        isLookingUp: false,
        retryAtMs: 0,
        failureCount: 0,
        kept: [],
        keptBytes: 0,
        current: null,
        currentIndex: 0,
      });
    }
    this.#notify();
  }

  #resetSpec(topic: string, partition: number): OffsetSpec {
    const { offsetReset } = this.#options;
    if (offsetReset !== "none") return offsetReset;
    this.#fail(
      new NoOffsetError(`No offset to start from in ${topic}-${partition}, and offsetReset is "none"`),
    );
    return "latest";
  }

  metrics(): ClientMetric[] {
    const group = "consumer-fetch-manager-metrics";
    return [
      { group, name: "fetch-total", value: this.#fetchSizes.count },
      { group, name: "fetch-size-avg", value: this.#fetchSizes.average },
      { group, name: "fetch-size-max", value: this.#fetchSizes.max },
      { group, name: "records-consumed-total", value: this.#recordCount },
    ];
  }

  /** Offset of the next record to hand out; null while unknown, or when the partition is not assigned. */
  position(topic: string, partition: number): number | null {
    return this.#partitions.get(partitionKey(topic, partition))?.position ?? null;
  }

  /** Positions of all partitions that have one. */
  positions(): (TopicPartition & { offset: number })[] {
    const positions: (TopicPartition & { offset: number })[] = [];
    for (const { topic, partition, position } of this.#partitions.values()) {
      if (position !== null) positions.push({ topic, partition, offset: position });
    }
    return positions;
  }

  /** Goes on at another place. False when the partition is not assigned. */
  seek(topic: string, partition: number, to: number | OffsetSpec): boolean {
    const state = this.#partitions.get(partitionKey(topic, partition));
    if (state === undefined) return false;
    this.#jump(state, to);
    this.#notify();
    return true;
  }

  #jump(state: PartitionState, to: number | OffsetSpec): void {
    state.jumpCount++;
    state.kept = [];
    state.keptBytes = 0;
    state.current = null;
    state.isLookingUp = false;
    state.position = typeof to === "number" ? to : null;
    if (typeof to === "number") state.fetchOffset = to;
    else state.spec = to;
  }

  /** Up to `recordsMax` records that are here already, and asks for more. Throws what went wrong for good. */
  take(recordsMax: number): ConsumedRecord[] {
    if (this.#failure !== null) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure;
    }
    const records: ConsumedRecord[] = [];
    for (const [key, state] of [...this.#partitions]) {
      if (records.length >= recordsMax) break;
      this.#takeFrom(state, recordsMax, records);
      // Served partitions go to the end, so that a busy one does not starve the others.
      if (records.length > 0) {
        this.#partitions.delete(key);
        this.#partitions.set(key, state);
      }
    }
    this.#recordCount += records.length;
    this.pump();
    return records;
  }

  #takeFrom(state: PartitionState, recordsMax: number, records: ConsumedRecord[]): void {
    while (records.length < recordsMax && state.position !== null) {
      const { current } = state;
      if (current === null) {
        if (!this.#decodeNext(state, state.position)) return;
        continue;
      }
      const end = Math.min(current.records.length, state.currentIndex + recordsMax - records.length);
      for (; state.currentIndex < end; state.currentIndex++) {
        const record = current.records[state.currentIndex];
        if (record !== undefined) records.push(consumedRecord(state, current, record));
      }
      const next = current.records[state.currentIndex];
      state.position = next?.offset ?? current.nextOffset;
      if (next === undefined) state.current = null;
    }
  }

  #decodeNext(state: PartitionState, position: number): boolean {
    const fetched = state.kept[0];
    if (fetched === undefined) return false;
    state.current = fetched.next(position);
    state.currentIndex = 0;
    if (fetched.isEmpty) {
      state.kept.shift();
      state.keptBytes -= fetched.sizeInBytes;
    }
    return true;
  }

  /** Resolves when something may have changed: records came, a failure, a new assignment. */
  changed(): Promise<void> {
    this.#wake ??= Promise.withResolvers();
    return this.#wake.promise;
  }

  /** Wakes who waits in `changed`. */
  wake(): void {
    this.#wake?.resolve();
    this.#wake = null;
  }

  #notify(): void {
    this.pump();
    this.wake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.wake();
  }

  /** Starts every lookup and every Fetch that can start now. */
  pump(): void {
    if (this.#cluster.isClosed) return;
    const nowMs = this.#cluster.env.mono();
    const byLeader = new Map<number, PartitionState[]>();
    const unknown = new Set<string>();
    for (const state of this.#partitions.values()) {
      if (state.retryAtMs > nowMs) continue;
      if (state.position === null) {
        if (!state.isLookingUp) void this.#lookUp(state);
        continue;
      }
      if (state.keptBytes >= this.#options.partitionMaxBytes) continue;
      const leader = this.#cluster.knownTopic(state.topic)?.partitions[state.partition]?.leader ?? -1;
      if (leader < 0) unknown.add(state.topic);
      else byLeader.set(leader, [...(byLeader.get(leader) ?? []), state]);
    }
    for (const topic of unknown) void this.#findLeader(topic);
    for (const [leader, states] of byLeader) {
      if (!this.#busyLeaders.has(leader)) void this.#fetch(leader, states);
    }
  }

  /** Turns `spec` into a position. Never rejects. */
  async #lookUp(state: PartitionState): Promise<void> {
    const { topic, partition, spec, jumpCount } = state;
    state.isLookingUp = true;
    try {
      const found = await findOffsets(
        this.#cluster,
        [{ topic, partition, spec }],
        this.#options.isolationLevel,
      );
      const offset = found.get(partitionKey(topic, partition))?.offset ?? -1;
      if (state.jumpCount !== jumpCount) return;
      // No record is as young as the timestamp: the end of the log is where it will be.
      this.#jump(state, offset >= 0 ? offset : "latest");
      this.#notify();
    } catch (error) {
      if (state.jumpCount !== jumpCount || this.#cluster.isClosed) return;
      state.isLookingUp = false;
      if (isRetriableError(error)) this.#backOff([state]);
      else this.#fail(asError(error));
    }
  }

  readonly #searching = new Set<string>();

  /** Never rejects. */
  async #findLeader(topic: string): Promise<void> {
    if (this.#searching.has(topic)) return;
    this.#searching.add(topic);
    try {
      await this.#cluster.topic(topic);
    } catch (error) {
      if (!this.#cluster.isClosed && !isRetriableError(error)) this.#fail(asError(error));
    } finally {
      this.#searching.delete(topic);
      this.pump();
    }
  }

  /** Leaves the partitions alone for a while. */
  #backOff(states: readonly PartitionState[]): void {
    const { env } = this.#cluster;
    let pauseMs = 0;
    for (const state of states) {
      state.failureCount++;
      pauseMs = Math.max(pauseMs, this.#cluster.backoffMs(state.failureCount));
    }
    for (const state of states) state.retryAtMs = env.mono() + pauseMs;
    env.timer(pauseMs, () => {
      for (const state of states) state.retryAtMs = 0;
      this.pump();
    });
  }

  /** One Fetch and its answer. Never rejects. */
  async #fetch(leader: number, states: readonly PartitionState[]): Promise<void> {
    this.#busyLeaders.add(leader);
    const asked = states.map((state) => ({
      state,
      jumpCount: state.jumpCount,
      fetchOffset: state.fetchOffset,
      topicId: this.#cluster.knownTopic(state.topic)?.topicId ?? ZERO_UUID,
    }));
    try {
      const response = await this.#request(leader, asked);
      if (response.errorCode !== 0) throw new BrokerError(response.errorCode);
      this.#accept(response, asked);
    } catch (error) {
      if (this.#cluster.isClosed) return;
      for (const { topic } of states) this.#cluster.forgetTopic(topic);
      this.#backOff(states);
      if (!isRetriableError(error)) this.#fail(asError(error));
    } finally {
      this.#busyLeaders.delete(leader);
      this.#notify();
    }
  }

  async #request(leader: number, asked: readonly Question[]): Promise<FetchResponse> {
    const { minBytes, maxWaitMs, maxBytes, partitionMaxBytes, isolationLevel } = this.#options;
    const connection = await this.#cluster.connection(leader, "fetch");
    // Version 13 names topics by id.
    const versionMax = asked.every(({ topicId }) => topicId !== ZERO_UUID) ? fetchApi.maxVersion : 12;
    return await connection.request(fetchApi, {
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: ISOLATION_LEVELS[isolationLevel],
      topics: [...Map.groupBy(asked, ({ state }) => state.topic)].map(([topic, group]) => ({
        topic,
        topicId: group[0]?.topicId ?? ZERO_UUID,
        partitions: group.map(({ state, fetchOffset }) => ({
          partition: state.partition,
          fetchOffset,
          partitionMaxBytes,
        })),
      })),
    }, { versionMax, timeoutMs: maxWaitMs + this.#cluster.requestTimeoutMs });
  }

  #accept(response: FetchResponse, asked: readonly Question[]): void {
    const parts = response.responses.flatMap(({ partitions }) => partitions);
    this.#fetchSizes.record(parts.reduce((sum, { records }) => sum + (records?.length ?? 0), 0));
    const questions = new Map<string, Question>();
    for (const question of asked) {
      const { topic, partition } = question.state;
      questions.set(partitionKey(topic, partition), question);
      questions.set(partitionKey(question.topicId, partition), question);
    }
    for (const topic of response.responses) {
      const id = topic.topic !== "" ? topic.topic : topic.topicId;
      for (const answer of topic.partitions) {
        const question = questions.get(partitionKey(id, answer.partitionIndex));
        if (question === undefined || question.state.jumpCount !== question.jumpCount) continue;
        if (answer.errorCode !== 0) this.#acceptError(question.state, answer.errorCode);
        else this.#acceptRecords(question.state, answer);
      }
    }
  }

  #acceptRecords(
    state: PartitionState,
    answer: Pick<FetchResponse["responses"][number]["partitions"][number], "records" | "abortedTransactions">,
  ): void {
    state.failureCount = 0;
    if (answer.records === null || answer.records.length === 0) return;
    const aborted = this.#options.isolationLevel === "read_committed"
      ? answer.abortedTransactions ?? []
      : null;
    const fetched = new FetchedBatches(answer.records, aborted);
    if (fetched.nextOffset === null) {
      throw new ProtocolViolationError(
        `Batch at offset ${state.fetchOffset} of ${state.topic}-${state.partition} does not fit into a response`,
      );
    }
    state.kept.push(fetched);
    state.keptBytes += fetched.sizeInBytes;
    state.fetchOffset = fetched.nextOffset;
  }

  #acceptError(state: PartitionState, code: number): void {
    switch (errorName(code)) {
      case "OFFSET_OUT_OF_RANGE":
        // What is kept is still good; the jump waits until it was handed out.
        if (state.kept.length > 0 || state.current !== null) return this.#backOff([state]);
        return this.#jump(state, this.#resetSpec(state.topic, state.partition));
      default:
        this.#cluster.forgetTopic(state.topic);
        this.#backOff([state]);
        if (!isRetriable(code)) this.#fail(new BrokerError(code));
    }
  }
}

/** What was asked about a partition. */
interface Question {
  readonly state: PartitionState;
  readonly jumpCount: number;
  readonly fetchOffset: number;
  readonly topicId: string;
}

function consumedRecord(state: TopicPartition, batch: DecodedBatch, record: KafkaRecord): ConsumedRecord {
  return {
    topic: state.topic,
    partition: state.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    timestampType: batch.timestampType,
    key: record.key,
    value: record.value,
    headers: record.headers,
    leaderEpoch: batch.leaderEpoch,
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
