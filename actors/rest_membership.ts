/**
 * A member of a consumer group that lives on the server: joins, leads when it is its turn, beats, leaves. It joins again when what it
 * subscribed to has got other topics or partitions. Not an actor; the consumer's actor owns one and calls one method at a
 * time besides `beat`.
 */
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import {
  assignRanges,
  type SubscribedMember,
  type TopicPartition,
} from "../core/rest_consumer/rest_consumer.ts";
import type { Env } from "../lib/env.ts";
import { DecodeError } from "../lib/bytes.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../protocol/messages/consumer_protocol.ts";
import type { ConsumerGroupMessage, GroupError, JoinGroupResult } from "./messages/consumer_group.ts";
import type { ActorRef } from "./runtime/types.ts";

const SESSION_MS = 30_000;
const REBALANCE_MS = 60_000;
const JOIN_DEADLINE_MS = 2 * REBALANCE_MS + 10_000;
const RETRY_PAUSE_MS = 100;
const PROTOCOL = "range";

export interface RestMembershipOptions {
  readonly env: Env;
  readonly group: ActorRef<ConsumerGroupMessage>;
  readonly metadata: () => MetadataImage;
  readonly clientId: string;
}

export class RestMembership {
  memberId: string;
  /** -1 while it is no member. */
  generationId = -1;
  readonly #options: RestMembershipOptions;
  #topics: () => readonly string[] = () => [];
  /** What those topics were when it joined, by the image of this version. */
  #subscribed: ReadonlyMap<string, string> = new Map();
  #version = -1;
  #naming: Promise<void> | null = null;

  constructor(options: RestMembershipOptions, memberId: string) {
    this.#options = options;
    this.memberId = memberId;
  }

  /** Until the group gave it its partitions. Throws an Error that names what Kafka's coordinator refused. */
  async join(topics: () => readonly string[], signal: AbortSignal): Promise<TopicPartition[]> {
    const { env } = this.#options;
    this.generationId = -1;
    this.#topics = topics;
    while (true) {
      signal.throwIfAborted();
      this.#version = this.#options.metadata().version;
      this.#subscribed = this.#lookUp();
      if (this.memberId === "") await this.#name();
      signal.throwIfAborted();
      if (this.memberId === "") {
        await env.sleep(RETRY_PAUSE_MS, signal);
        continue;
      }
      const joined = await this.#joinOnce([...this.#subscribed.keys()], signal);
      if (joined.error === "NONE") {
        this.memberId = joined.memberId;
        const synced = await this.#sync(joined, signal);
        if (synced.error === "NONE") {
          this.generationId = joined.generationId;
          return decodeAssignment(synced.assignment).assignedPartitions.flatMap(({ topic, partitions }) =>
            partitions.map((partition) => ({ topic, partition }))
          );
        }
        this.#afterRefusal(synced.error);
      } else this.#afterRefusal(joined.error);
      await env.sleep(RETRY_PAUSE_MS, signal);
    }
  }

  /** True when it must join again. */
  async beat(): Promise<boolean> {
    const { generationId, memberId } = this;
    if (generationId < 0) return false;
    if (this.#hasChanged()) return true;
    const { error } = await this.#options.group.ask({
      type: "heartbeat",
      generationId,
      memberId,
      groupInstanceId: null,
    });
    if (error === "NONE" || generationId !== this.generationId) return false;
    if (error === "UNKNOWN_MEMBER_ID") this.memberId = "";
    return true;
  }

  async leave(): Promise<void> {
    await this.#naming?.catch(() => {
      // Without a name there is nobody to leave.
    });
    const { memberId } = this;
    this.generationId = -1;
    this.memberId = "";
    if (memberId === "") return;
    const member = { memberId, groupInstanceId: null, reason: null };
    await this.#options.group.ask({ type: "leaveGroup", members: [member] });
  }

  /** Id and number of partitions of each topic; nothing of those that do not exist. */
  #lookUp(): Map<string, string> {
    const { topicsByName } = this.#options.metadata();
    return new Map(
      this.#topics().map((name) => {
        const topic = topicsByName.get(name);
        return [name, topic === undefined ? "" : `${topic.topicId} ${topic.partitions.length}`];
      }),
    );
  }

  #hasChanged(): boolean {
    const { version } = this.#options.metadata();
    if (version === this.#version) return false;
    this.#version = version;
    const now = this.#lookUp();
    return now.size !== this.#subscribed.size ||
      [...now].some(([name, topic]) => this.#subscribed.get(name) !== topic);
  }

  /**
   * Gets its member id, whatever becomes of who asked: the group waits for a member that it has named, so whoever joins next must be the
   * same one.
   */
  #name(): Promise<void> {
    return this.#naming ??= this.#joinOnce([], null).then((named) => {
      if (named.error === "MEMBER_ID_REQUIRED") this.memberId = named.memberId;
      else this.#afterRefusal(named.error);
    }).finally(() => this.#naming = null);
  }

  /** Without a signal it only asks for a member id. */
  async #joinOnce(topics: readonly string[], signal: AbortSignal | null): Promise<JoinGroupResult> {
    const metadata = encodeSubscription(1, { topics: [...topics], userData: null, ownedPartitions: [] });
    return await this.#options.group.ask({
      type: "joinGroup",
      client: { clientId: this.#options.clientId, clientHost: "/127.0.0.1" },
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocols: [{ name: PROTOCOL, metadata }],
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      requireKnownMemberId: signal === null,
      supportsSkippingAssignment: false,
      reason: null,
    }, signal === null ? {} : { deadlineMs: JOIN_DEADLINE_MS, signal });
  }

  async #sync(joined: JoinGroupResult, signal: AbortSignal) {
    const { memberId, generationId, leader, members } = joined;
    return await this.#options.group.ask({
      type: "syncGroup",
      generationId,
      memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocolName: PROTOCOL,
      assignments: leader === memberId ? this.#lead(members) : [],
    }, { deadlineMs: JOIN_DEADLINE_MS, signal });
  }

  #lead(members: JoinGroupResult["members"]) {
    const { topicsByName } = this.#options.metadata();
    const subscribed = members.map(({ memberId, metadata }): SubscribedMember => ({
      memberId,
      topics: topicsOf(metadata),
    }));
    const assigned = assignRanges(subscribed, (topic) => topicsByName.get(topic)?.partitions.length ?? 0);
    return [...assigned].map(([memberId, topics]) => ({
      memberId,
      assignment: encodeAssignment(1, {
        assignedPartitions: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
        userData: null,
      }),
    }));
  }

  /** Throws what joining again does not help against. */
  #afterRefusal(error: GroupError): void {
    switch (error) {
      case "UNKNOWN_MEMBER_ID":
        this.memberId = "";
        return;
      case "REBALANCE_IN_PROGRESS":
      case "ILLEGAL_GENERATION":
      case "COORDINATOR_LOAD_IN_PROGRESS":
      case "COORDINATOR_NOT_AVAILABLE":
      case "NOT_COORDINATOR":
        return;
      default:
        throw new GroupRefusedError(error);
    }
  }
}

/** The coordinator does not take the member. */
export class GroupRefusedError extends Error {
  override readonly name = "GroupRefusedError";
  readonly error: GroupError;

  constructor(error: GroupError) {
    super(`Cannot join the group: ${error}`);
    this.error = error;
  }
}

function topicsOf(metadata: Uint8Array): readonly string[] {
  try {
    return decodeSubscription(metadata).topics;
  } catch (error) {
    if (error instanceof DecodeError) return [];
    throw error;
  }
}
