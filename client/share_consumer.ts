/**
 * The consumer of a queue (KIP-932): a member of a share group takes records, and says of each whether it is done with,
 * is for somebody else, or is for nobody. Source: Kafka's KafkaShareConsumer with explicit acknowledgement.
 */
import type { Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import type { ShareFetchResponse } from "../protocol/messages/78_share_fetch.ts";
import { type CallOptions, type ClientOptions, Cluster } from "./cluster.ts";
import { asError, isRetriableError } from "./errors.ts";
import { FetchedBatches } from "./fetched_batches.ts";
import type { ConsumedRecord } from "./fetcher.ts";
import { ShareMembership } from "./share_membership.ts";
import { type AcknowledgeType, isSessionError, ShareSession } from "./share_session.ts";

export interface ShareConsumerOptions extends ClientOptions {
  readonly groupId: string;
  /** A ShareFetch is answered as soon as there are so many bytes, or after `fetchMaxWaitMs`. Default 1. */
  readonly fetchMinBytes?: number | undefined;
  /** Default 500. */
  readonly fetchMaxWaitMs?: number | undefined;
  /** Default 50 MiB. */
  readonly fetchMaxBytes?: number | undefined;
  /** Records that one request takes at most. Default 500. */
  readonly fetchRecordsMax?: number | undefined;
}

/** A record that this member holds until it says what becomes of it, or the lock runs out. */
export interface SharedRecord extends ConsumedRecord {
  /** 1 for the first delivery. */
  readonly deliveryCount: number;
}

interface Held extends SharedRecord {
  readonly topicId: string;
  readonly nodeId: number;
}

const POLL_PAUSE_MS = 50;

/**
 * Takes records from a queue.
 *
 * ```ts
 * const consumer = new ShareConsumer(env, { bootstrapServers: "localhost:9092", groupId: "queue" });
 * consumer.subscribe(["jobs"]);
 * for (const record of await consumer.poll({ timeoutMs: 1_000 })) consumer.acknowledge(record, "accept");
 * await consumer.commit();
 * await consumer.close();
 * ```
 */
export class ShareConsumer {
  readonly #cluster: Cluster;
  readonly #options: {
    readonly groupId: string;
    readonly fetchMinBytes: number;
    readonly fetchMaxWaitMs: number;
    readonly fetchMaxBytes: number;
    readonly fetchRecordsMax: number;
  };
  readonly #membership: ShareMembership;
  readonly #sessions = new Map<number, ShareSession>();
  readonly #taken: Held[] = [];
  #topics: readonly string[] = [];
  #closed = false;

  /** Throws `ConfigurationError`. Connects on first use. */
  constructor(env: Env, options: ShareConsumerOptions) {
    this.#cluster = new Cluster(env, options);
    this.#options = {
      groupId: options.groupId,
      fetchMinBytes: options.fetchMinBytes ?? 1,
      fetchMaxWaitMs: options.fetchMaxWaitMs ?? 500,
      fetchMaxBytes: options.fetchMaxBytes ?? 50 * 1024 * 1024,
      fetchRecordsMax: options.fetchRecordsMax ?? 500,
    };
    this.#membership = new ShareMembership(this.#cluster, { groupId: options.groupId, onChange: () => {} });
  }

  get memberId(): string {
    return this.#membership.memberId;
  }

  /** Joins the group as a reader of these topics. */
  subscribe(topics: readonly string[]): void {
    this.#topics = [...new Set(topics)];
    this.#membership.start(this.#topics);
  }

  /**
   * Takes records; waits for the first one up to `timeoutMs`, without it without end. What was acknowledged before is sent
   * along. Throws a `ClientError`.
   */
  async poll(
    options: CallOptions & { readonly recordsMax?: number | undefined } = {},
  ): Promise<SharedRecord[]> {
    const { env } = this.#cluster;
    const { signal, timeoutMs = Infinity } = options;
    const recordsMax = Math.min(options.recordsMax ?? Infinity, this.#options.fetchRecordsMax);
    const endsAtMs = env.mono() + timeoutMs;
    while (this.#taken.length === 0) {
      signal?.throwIfAborted();
      if (this.#membership.fatal !== null) throw this.#membership.fatal;
      const leftMs = endsAtMs - env.mono();
      if (leftMs < 0 || this.#closed) return [];
      const maxWaitMs = Math.max(0, Math.min(this.#options.fetchMaxWaitMs, Math.floor(leftMs)));
      const asked = await this.#fetchAll(recordsMax, maxWaitMs);
      if (asked === 0) await this.#cluster.sleep(Math.min(POLL_PAUSE_MS, Math.max(leftMs, 0)), signal);
    }
    return this.#taken.splice(0, recordsMax);
  }

  /** Says what becomes of a record that `poll` returned; sent by the next `poll`, `commit` or `close`. */
  acknowledge(record: SharedRecord, type: Exclude<AcknowledgeType, "gap">): void {
    const { topicId, nodeId, partition, offset } = record as Held;
    this.#sessions.get(nodeId)?.acknowledge({ topicId, partition, offset, type });
  }

  /**
   * Sends what was acknowledged, and waits until it is stored. Throws a `ClientError`, also for what an earlier `poll` sent and the
   * broker refused, for example because the lock had run out.
   */
  async commit(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.commit()));
  }

  /** Sends what was acknowledged, gives the rest back, and leaves the group. Idempotent; never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // With its session the broker takes back what nobody saw.
    this.#taken.length = 0;
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
    await this.#membership.leave();
    this.#cluster.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** One request to each leader of assigned partitions; how many there were. */
  async #fetchAll(recordsMax: number, maxWaitMs: number): Promise<number> {
    const byLeader = await this.#assignedByLeader();
    const limits = {
      maxWaitMs,
      minBytes: this.#options.fetchMinBytes,
      maxBytes: this.#options.fetchMaxBytes,
      recordsMax,
    };
    await Promise.all([...byLeader].map(async ([nodeId, partitions]) => {
      const session = this.#session(nodeId);
      try {
        this.#take(nodeId, await session.fetch(partitions, limits));
      } catch (error) {
        if (!isRetriableError(error) && !isSessionError(error)) throw asError(error);
        for (const topic of this.#topics) this.#cluster.forgetTopic(topic);
        await this.#cluster.sleep(this.#cluster.backoffMs(1));
      }
    }));
    return byLeader.size;
  }

  #session(nodeId: number): ShareSession {
    const existing = this.#sessions.get(nodeId);
    if (existing !== undefined) return existing;
    const identity = { groupId: this.#options.groupId, memberId: this.memberId };
    const session = new ShareSession(this.#cluster, nodeId, identity);
    this.#sessions.set(nodeId, session);
    return session;
  }

  async #assignedByLeader(): Promise<Map<number, { topicId: string; partition: number }[]>> {
    const byLeader = new Map<number, { topicId: string; partition: number }[]>();
    if (this.#membership.assignment.length === 0) return byLeader;
    if (this.#topics.some((topic) => this.#cluster.knownTopic(topic) === null)) {
      await this.#cluster.refresh(this.#topics);
    }
    for (const { topicId, partitions } of this.#membership.assignment) {
      const topic = this.#topicById(topicId);
      for (const partition of partitions) {
        const leader = topic?.partitions[partition]?.leader ?? -1;
        if (leader < 0) continue;
        const group = byLeader.get(leader) ?? [];
        group.push({ topicId, partition });
        byLeader.set(leader, group);
      }
    }
    return byLeader;
  }

  #topicById(topicId: string) {
    for (const name of this.#topics) {
      const topic = this.#cluster.knownTopic(name);
      if (topic?.topicId === topicId) return topic;
    }
    return null;
  }

  #take(nodeId: number, { responses }: ShareFetchResponse): void {
    for (const { topicId, partitions } of responses) {
      const topic = this.#topicById(topicId);
      if (topic === null) continue;
      for (const answer of partitions) {
        if (answer.errorCode === errorCode("NOT_LEADER_OR_FOLLOWER")) this.#cluster.forgetTopic(topic.name);
        if (answer.errorCode !== 0) continue;
        this.#takePartition({ topic: topic.name, topicId, nodeId, partition: answer.partitionIndex }, answer);
      }
    }
  }

  /** What was acquired, without the records around it; offsets without a record are acknowledged as such. */
  #takePartition(
    place: { topic: string; topicId: string; nodeId: number; partition: number },
    { records, acquiredRecords }: ShareFetchResponse["responses"][number]["partitions"][number],
  ): void {
    const found = new Map<number, Omit<Held, "deliveryCount">>();
    const batches = new FetchedBatches(records ?? new Uint8Array(), null);
    for (let batch = batches.next(0); batch !== null; batch = batches.next(0)) {
      const { timestampType, leaderEpoch } = batch;
      for (const record of batch.records) {
        const { offset, timestamp, key, value, headers } = record;
        found.set(offset, { ...place, offset, timestamp, timestampType, key, value, headers, leaderEpoch });
      }
    }
    for (const { firstOffset, lastOffset, deliveryCount } of acquiredRecords) {
      for (let offset = firstOffset; offset <= lastOffset; offset++) {
        const record = found.get(offset);
        if (record !== undefined) this.#taken.push({ ...record, deliveryCount });
        else {
          const { topicId, partition } = place;
          this.#session(place.nodeId).acknowledge({ topicId, partition, offset, type: "gap" });
        }
      }
    }
  }
}
