/**
 * The actor of a consumer that lives on the server, as REST v2 has them. It is an ordinary member of its group, so programs that speak
 * Kafka's protocol share the partitions with it. It is stored, so it comes back after a restart; what it had read and not committed is
 * read again then. By itself it commits only what its client received, and a client says so by asking for more.
 *
 * A request for records runs beside the mailbox, one at a time; joining goes on in the background, so no request waits longer
 * than it said. Who is silent for five minutes leaves and is forgotten.
 */
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import { markReceived, moveOn, type Reading, setPosition } from "../core/rest_consumer/reading.ts";
import {
  type Interest,
  type RestConsumer,
  subscribedTopics,
  type TopicPartition,
} from "../core/rest_consumer/rest_consumer.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { RestConsumerStore } from "../storage/rest_consumer_store.ts";
import type { ShardStore } from "../storage/shard.ts";
import { CONSUMER_GROUP_KIND } from "./consumer_group.ts";
import { PARTITION_KIND } from "./kinds.ts";
import type { ConsumerGroupMessage } from "./messages/consumer_group.ts";
import type { PartitionMessage } from "./messages/partition.ts";
import type {
  CommittedOffsets,
  PartitionOffset,
  PolledRecord,
  PollRecords,
  RestConsumerAnswer,
  RestConsumerMessage,
  SeekOffsets,
} from "./messages/rest_consumer.ts";
import { partitionKey } from "./partition.ts";
import { readingKey, type Readings, RestConsumerReader } from "./rest_consumer_reader.ts";
import { GroupRefusedError, RestMembership } from "./rest_membership.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";

export const REST_CONSUMER_KIND = "rest_consumer";

const BEAT_MS = 1_000;
const AUTO_COMMIT_MS = 5_000;
/** `consumer.instance.timeout.ms` of Confluent's proxy. */
const SILENCE_MS_MAX = 300_000;

export interface RestConsumerKindOptions {
  readonly shards: ShardStore;
  readonly metadata: () => MetadataImage;
  /** How many there may be at once. Default `limits.restConsumersMax`. */
  readonly consumersMax?: number;
}

export function restConsumerKey(groupId: string, instanceId: string): string {
  return JSON.stringify([groupId, instanceId]);
}

export function restConsumerKind(options: RestConsumerKindOptions): ActorKind<RestConsumerMessage, never> {
  const { consumersMax = limits.restConsumersMax } = options;
  const present = new Set<string>();
  return {
    kind: REST_CONSUMER_KIND,
    async activate(context) {
      const [groupId, instanceId] = JSON.parse(context.address.key) as [string, string];
      const store = new RestConsumerStore(options.shards, groupId, instanceId);
      return new RestConsumerHost(context, {
        ...options,
        consumersMax,
        present,
        store,
        groupId,
        instanceId,
        stored: await store.load(),
      });
    },
  };
}

interface HostOptions extends RestConsumerKindOptions {
  readonly consumersMax: number;
  /** Keys of those that are there, of all that were asked for since the start. */
  readonly present: Set<string>;
  readonly store: RestConsumerStore;
  readonly groupId: string;
  readonly instanceId: string;
  readonly stored: RestConsumer | null;
}

class RestConsumerHost implements ActorHost<RestConsumerMessage, never> {
  readonly #context: ActorContext<RestConsumerMessage, never>;
  readonly #options: HostOptions;
  readonly #group: ActorRef<ConsumerGroupMessage>;
  readonly #membership: RestMembership;
  readonly #reader: RestConsumerReader;
  #consumer: RestConsumer | null;
  #readings: Readings = new Map();
  /** Those of the assignment before, while the next one is not there. */
  #before: ReadonlyMap<string, Reading> = new Map();
  /** Of the image that the partitions were looked up in. */
  #readVersion = -1;
  /** Changes with each assignment: what was begun under an older one is dropped. */
  #round = new AbortController();
  /** Ends with each change of what it is subscribed to. */
  #subscription = new AbortController();
  #joining: Promise<void> | null = null;
  #refusal: ErrorName | null = null;
  #polling = false;
  #lastRequestMs: number;
  #lastCommitMs: number;

  constructor(context: ActorContext<RestConsumerMessage, never>, options: HostOptions) {
    this.#context = context;
    this.#options = options;
    this.#consumer = options.stored;
    this.#count();
    const { groupId, instanceId, metadata, stored } = options;
    this.#group = context.ref<ConsumerGroupMessage>(CONSUMER_GROUP_KIND, groupId);
    const { env } = context;
    const membership = { env, group: this.#group, metadata, clientId: instanceId };
    this.#membership = new RestMembership(membership, stored?.memberId ?? "");
    this.#reader = new RestConsumerReader({
      env,
      group: this.#group,
      partition: ({ topicId, partition }) =>
        context.ref<PartitionMessage>(PARTITION_KIND, partitionKey(topicId, partition)),
    });
    this.#lastRequestMs = this.#lastCommitMs = env.mono();
    if (stored !== null) this.#follow(stored.interest);
  }

  async receive(message: RestConsumerMessage, reply: Reply<unknown>): Promise<void> {
    if (message.type === "beat") return this.#beat();
    this.#lastRequestMs = this.#context.env.mono();
    if (message.type === "create") {
      if (this.#consumer !== null) return reply.sendNow("exists");
      const { present, consumersMax } = this.#options;
      if (present.size >= consumersMax) return reply.sendNow("tooMany");
      present.add(this.#context.address.key);
      await this.#save({ config: message.config, interest: { type: "none" }, memberId: "" });
      this.#follow({ type: "none" });
      return reply.sendNow("created");
    }
    const consumer = this.#consumer;
    const answer = (value: RestConsumerAnswer<unknown>) => reply.sendNow(value);
    if (consumer === null) return answer({ type: "absent" });
    switch (message.type) {
      case "describe":
        return answer({ type: "ok", value: { ...consumer, assigned: this.#assigned() } });
      case "remove":
        markReceived(this.#readings.values());
        await this.#remove();
        return answer({ type: "ok", value: null });
      case "setInterest": {
        const { interest } = message;
        const { type } = consumer.interest;
        if (
          type !== "none" && interest.type !== "none" &&
          (type === "assigned") !== (interest.type === "assigned")
        ) {
          return answer({
            type: "conflict",
            message: "Subscription to topics, partitions and pattern are mutually exclusive.",
          });
        }
        this.#subscription.abort();
        this.#subscription = new AbortController();
        markReceived(this.#readings.values());
        await this.#stopReading(interest.type === "none" || interest.type === "assigned");
        await this.#save({ ...consumer, interest, memberId: this.#membership.memberId });
        this.#follow(interest);
        return answer({ type: "ok", value: null });
      }
      case "poll":
        if (this.#polling) {
          return answer({
            type: "conflict",
            message: "A request for records of this consumer is under way.",
          });
        }
        this.#polling = true;
        return this.#context.run(async (stopped) => {
          try {
            await this.#poll(message, consumer, { reply, stopped });
          } finally {
            this.#polling = false;
          }
        });
      case "commit":
        return answer(
          await (message.offsets === null ? this.#commitThat("position") : this.#commit(message.offsets)),
        );
      case "committed":
        return answer(await this.#committed(message));
      case "seek":
        return answer(await this.#seek(message));
    }
  }

  idle(): boolean {
    return this.#consumer === null;
  }

  inspect(): Record<string, unknown> {
    return {
      interest: this.#consumer?.interest.type ?? "absent",
      partitions: this.#readings.size,
      generationId: this.#membership.generationId,
      polling: this.#polling,
    };
  }

  async #save(consumer: RestConsumer | null): Promise<void> {
    await this.#options.store.save(consumer);
    this.#consumer = consumer;
    this.#count();
  }

  #count(): void {
    const { present } = this.#options;
    const { key } = this.#context.address;
    if (this.#consumer === null) present.delete(key);
    else present.add(key);
  }

  async #remove(): Promise<void> {
    await this.#stopReading(true);
    await this.#save(null);
    this.#context.cancelTimer("beat");
    this.#context.passivate();
  }

  /** Commits what is to be committed by itself, and gives the partitions back. */
  async #stopReading(leave: boolean): Promise<void> {
    await this.#autoCommit();
    this.#round.abort();
    this.#round = new AbortController();
    this.#joining = null;
    this.#readings = new Map();
    this.#before = new Map();
    if (leave) await this.#membership.leave();
  }

  #follow(interest: Interest): void {
    this.#context.setTimer("beat", BEAT_MS, { type: "beat" });
    if (interest.type === "assigned") this.#read(interest.partitions);
    else if (interest.type !== "none") this.#join(interest);
  }

  /** Joins the group in the background; requests for records wait for it as long as they may. */
  #join(interest: Interest): void {
    const round = this.#round;
    this.#refusal = null;
    const joining = Promise.withResolvers<void>();
    this.#joining = joining.promise;
    this.#context.run(async (stopped) => {
      const signal = AbortSignal.any([stopped, round.signal]);
      try {
        const topics = () => subscribedTopics(interest, this.#options.metadata());
        const partitions = await this.#membership.join(topics, signal);
        if (signal.aborted) return;
        this.#read(partitions);
        await this.#rememberMember();
      } catch (error) {
        stopped.throwIfAborted();
        if (error instanceof GroupRefusedError && error.error !== "NONE") this.#refusal = error.error;
        // Weather passes: the next beat joins again.
      } finally {
        if (this.#joining === joining.promise) this.#joining = null;
        joining.resolve();
      }
    });
  }

  /** So that it comes back as the same member, and nobody has to wait for the old one's session to end. */
  async #rememberMember(): Promise<void> {
    const { memberId } = this.#membership;
    if (this.#consumer === null || this.#consumer.memberId === memberId) return;
    await this.#save({ ...this.#consumer, memberId });
  }

  #read(partitions: readonly TopicPartition[]): void {
    const { topicsByName, version } = this.#options.metadata();
    this.#readVersion = version;
    this.#readings = new Map(partitions.flatMap(({ topic, partition }) => {
      const image = topicsByName.get(topic);
      if (image === undefined || partition >= image.partitions.length) return [];
      const { topicId } = image;
      const key = readingKey({ topic, partition });
      const same = this.#readings.get(key);
      if (same?.topicId === topicId) return [[key, same] as const];
      const earlier = this.#before.get(key);
      const before = earlier?.topicId === topicId ? earlier.place ?? earlier.before : null;
      const reading: Reading = { topic, partition, topicId, place: null, before };
      return [[key, reading] as const];
    }));
    this.#before = new Map();
  }

  /** Partitions that were assigned by hand may come to be, and cease to. */
  #readAgain(partitions: readonly TopicPartition[]): void {
    if (this.#options.metadata().version === this.#readVersion) return;
    const before = this.#readings;
    this.#read(partitions);
    const after = this.#readings;
    if (before.size === after.size && [...after].every(([key, reading]) => before.get(key) === reading)) {
      return;
    }
    // Who waits for records looks again.
    this.#round.abort();
    this.#round = new AbortController();
  }

  async #beat(): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === null) return;
    const nowMs = this.#context.env.mono();
    if (!this.#polling && nowMs - this.#lastRequestMs > SILENCE_MS_MAX) return await this.#remove();
    this.#context.setTimer("beat", BEAT_MS, { type: "beat" });
    if (nowMs - this.#lastCommitMs >= AUTO_COMMIT_MS) await this.#autoCommit();
    const { interest } = consumer;
    if (interest.type === "assigned") return this.#readAgain(interest.partitions);
    if (interest.type === "none" || this.#joining !== null) return;
    let joinsAgain = this.#membership.generationId < 0;
    try {
      joinsAgain ||= await this.#membership.beat();
    } catch {
      // The coordinator is restarting; the next beat finds it.
      return;
    }
    if (!joinsAgain) return;
    const before = this.#readings.size > 0 ? this.#readings : this.#before;
    await this.#stopReading(false);
    this.#before = before;
    this.#join(interest);
  }

  async #poll(
    { timeoutMs, maxBytes }: PollRecords,
    { config }: RestConsumer,
    { reply, stopped }: { readonly reply: Reply<unknown>; readonly stopped: AbortSignal },
  ): Promise<void> {
    const { env } = this.#context;
    const answer = (value: RestConsumerAnswer<readonly PolledRecord[]>) => reply.sendNow(value);
    const left = new AbortController();
    reply.onAbandon(() => left.abort());
    const subscription = this.#subscription.signal;
    const ended = AbortSignal.any([stopped, left.signal, subscription]);
    const deadlineMs = env.mono() + timeoutMs;
    markReceived([...this.#readings.values(), ...this.#before.values()]);
    await this.#autoCommit();
    while (!reply.settled) {
      stopped.throwIfAborted();
      // What comes now may be none of the business of who asked.
      if (subscription.aborted) return answer({ type: "ok", value: [] });
      const round = this.#round;
      if (this.#refusal !== null) return answer({ type: "failed", error: this.#refusal });
      if (this.#joining !== null) await this.#within(this.#joining, deadlineMs, ended);
      else {
        const collected = await this.#reader.collect(this.#readings, config, maxBytes);
        // Read under an assignment that is over: somebody else has the partitions now.
        if (round !== this.#round) continue;
        // Who is gone receives nothing: nothing moves.
        if (reply.settled) return;
        if (collected.error !== null) return answer({ type: "failed", error: collected.error });
        if (collected.records.length > 0) {
          moveOn(collected.moves);
          return answer({ type: "ok", value: collected.records });
        }
        if (env.mono() < deadlineMs) {
          await this.#reader.awaitData(this.#readings, deadlineMs, AbortSignal.any([ended, round.signal]));
        }
      }
      if (env.mono() >= deadlineMs) return answer({ type: "ok", value: [] });
    }
  }

  async #within(promise: Promise<void>, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    const restMs = Math.max(0, deadlineMs - this.#context.env.mono());
    const sleep = this.#context.env.sleep(restMs, AbortSignal.any([late.signal, signal])).catch(() => {
      // The promise was first, or the actor stops.
    });
    await Promise.race([promise, sleep]);
    late.abort();
  }

  async #autoCommit(): Promise<void> {
    this.#lastCommitMs = this.#context.env.mono();
    if (this.#consumer?.config.autoCommit !== true) return;
    try {
      await this.#commitThat("received");
    } catch {
      // Nobody waits for it; the next one says the same and more.
    }
  }

  /** Up to where the client received, or was given, what is not committed yet. */
  #commitThat(which: "received" | "position"): Promise<RestConsumerAnswer<null>> {
    const { topicsById } = this.#options.metadata();
    return this.#commit(
      [...this.#readings.values()].flatMap(({ topic, topicId, partition, place }) =>
        // Of a topic that is gone nothing is left; one of the same name now is another one.
        place === null || place[which] <= place.committed || !topicsById.has(topicId)
          ? []
          : [{ topic, partition, offset: place[which], metadata: "" }]
      ),
    );
  }

  async #commit(offsets: readonly PartitionOffset[]): Promise<RestConsumerAnswer<null>> {
    const { topicsByName } = this.#options.metadata();
    const known = offsets.map((each) => ({
      ...each,
      topicId: topicsByName.get(each.topic)?.topicId,
      leaderEpoch: -1,
    }));
    if (known.length === 0) return { type: "ok", value: null };
    const sent = known.flatMap((each) =>
      each.topicId === undefined ? [] : [{ ...each, topicId: each.topicId }]
    );
    if (sent.length < known.length) return { type: "failed", error: "UNKNOWN_TOPIC_OR_PARTITION" };
    const { generationId, memberId } = this.#membership;
    const isMember = generationId >= 0;
    const result = await this.#group.ask({
      type: "offsetCommit",
      generationId,
      memberId: isMember ? memberId : "",
      groupInstanceId: null,
      offsets: sent,
    });
    const failed = [result.error, ...result.offsetErrors].find((error) => error !== "NONE");
    if (failed !== undefined) return { type: "failed", error: failed };
    for (const { topic, partition, offset } of sent) {
      const reading = this.#readings.get(readingKey({ topic, partition }));
      const place = reading?.place ?? reading?.before;
      if (place !== null && place !== undefined) place.committed = offset;
    }
    return { type: "ok", value: null };
  }

  async #committed(
    { partitions }: CommittedOffsets,
  ): Promise<RestConsumerAnswer<readonly PartitionOffset[]>> {
    const { topicsByName } = this.#options.metadata();
    const asked = (partitions ?? this.#assigned()).flatMap(({ topic, partition }) => {
      const topicId = topicsByName.get(topic)?.topicId;
      return topicId === undefined ? [] : [{ topic, topicId, partition }];
    });
    const result = await this.#group.ask({
      type: "offsetFetch",
      partitions: asked,
      memberId: null,
      memberEpoch: -1,
      requireStable: false,
    });
    if (result.error !== "NONE") return { type: "failed", error: result.error };
    const value = result.offsets.filter(({ offset }) => offset >= 0)
      .map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata }));
    return { type: "ok", value };
  }

  async #seek({ offsets }: SeekOffsets): Promise<RestConsumerAnswer<null>> {
    const targets = offsets.map((each) => ({ ...each, reading: this.#readings.get(readingKey(each)) }));
    if (targets.some(({ reading }) => reading === undefined)) {
      return { type: "conflict", message: "A partition is not assigned to this consumer." };
    }
    for (const { reading, offset } of targets) {
      if (reading === undefined) continue;
      if (typeof offset === "number") setPosition(reading, offset);
      else {
        const error = await this.#reader.moveTo(reading, offset);
        if (error !== null) return { type: "failed", error };
      }
    }
    return { type: "ok", value: null };
  }

  #assigned(): TopicPartition[] {
    return [...this.#readings.values()].map(({ topic, partition }) => ({ topic, partition }))
      .sort((a, b) => a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition);
  }
}
