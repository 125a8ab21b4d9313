/**
 * What the consumer protocol's tests are written with: topics, and clients of both protocols that do what KIP-848 asks
 * of them. A client owns what it was last given and gives up what it must not own before it says so.
 */
import assert from "node:assert/strict";
import { decodeAssignment, encodeSubscription } from "../protocol/messages/consumer_protocol.ts";
import { GroupHarness } from "./group_harness.ts";
import { emptyMetadataImage, type TopicImage } from "../core/cluster/metadata_image.ts";
import type {
  ConsumerHeartbeatRequest,
  ConsumerHeartbeatResult,
  DescribeConsumerGroupResult,
} from "../core/group/group_commands.ts";
import {
  type Assignment,
  assignmentOf,
  intersection,
  noPartitions,
  topicsOf,
} from "../core/group/modern/assignment.ts";
import { assignmentByNames } from "../core/group/modern/convert.ts";

const partition = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1] };

/** Sets the topics that there are, by name with their numbers of partitions; their ids are `id-<name>`. */
export function setTopics(group: GroupHarness, counts: Readonly<Record<string, number>>): void {
  const topics = Object.entries(counts).map(([name, count]): TopicImage => ({
    name,
    topicId: `id-${name}`,
    partitions: Array.from({ length: count }, () => partition),
    configs: {},
  }));
  group.topics = {
    ...emptyMetadataImage,
    version: group.topics.version + 1,
    topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
    topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
  };
}

export function consumerGroup(counts: Readonly<Record<string, number>>, groupId?: string): GroupHarness {
  const group = new GroupHarness({}, groupId);
  setTopics(group, counts);
  return group;
}

export function describeConsumers(group: GroupHarness) {
  const { description } = group.send<DescribeConsumerGroupResult>({ type: "describeConsumer" }).now;
  assert(description !== null, "it is a consumer group");
  return description;
}

export interface TestClient {
  readonly owned: Assignment;
  /** One round trip; "left" when it has to start over. */
  poll(): void;
  leave(): void;
}

/** A client of the consumer protocol. */
export class ConsumerClient implements TestClient {
  owned: Assignment = noPartitions;
  epoch = 0;
  #acknowledges = false;

  constructor(
    readonly group: GroupHarness,
    public memberId: string,
    readonly request: Partial<ConsumerHeartbeatRequest> = { subscribedTopicNames: ["t"] },
  ) {}

  heartbeat(change: Partial<ConsumerHeartbeatRequest> = {}): ConsumerHeartbeatResult {
    const isJoin = this.epoch === 0;
    const full = {
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: null,
      topicPartitions: [],
      ...this.request,
    };
    return this.group.send<ConsumerHeartbeatResult>({
      type: "consumerHeartbeat",
      client: { clientId: "client", clientHost: "/127.0.0.1" },
      memberId: this.memberId,
      memberEpoch: this.epoch,
      instanceId: this.request.instanceId ?? null,
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: null,
      requireMemberId: true,
      ...(isJoin ? full : {}),
      ...change,
    }).now;
  }

  /** A heartbeat as a client sends it, and what follows from the answer. */
  poll(): ConsumerHeartbeatResult {
    const result = this.heartbeat(
      this.#acknowledges && this.epoch !== 0 ? { topicPartitions: topicsOf(this.owned) } : {},
    );
    this.#acknowledges = false;
    if (result.error !== "NONE") {
      this.owned = noPartitions;
      this.epoch = 0;
      return result;
    }
    this.epoch = result.memberEpoch;
    if (result.assignment !== null) {
      this.owned = assignmentOf(result.assignment);
      this.#acknowledges = true;
    }
    return result;
  }

  leave(memberEpoch = -1): ConsumerHeartbeatResult {
    this.owned = noPartitions;
    const result = this.heartbeat({ memberEpoch });
    this.epoch = 0;
    return result;
  }
}

/** A client of the classic protocol, cooperative or eager, that never leads. */
export class ClassicClient implements TestClient {
  owned: Assignment = noPartitions;
  memberId = "";
  generationId = -1;
  #joinId: number | null = null;
  #syncId: number | null = null;
  #needsJoin = true;

  constructor(readonly group: GroupHarness, readonly isCooperative: boolean, readonly topics = ["t"]) {}

  /** One step of joining, syncing or heartbeating; parked requests are looked after first. */
  poll(): void {
    if (this.#joinId !== null) return this.#joined(this.#joinId);
    if (this.#syncId !== null) return this.#synced(this.#syncId);
    if (this.#needsJoin) return this.#join();
    const error = this.group.heartbeat(this.memberId, this.generationId);
    if (error !== "NONE") this.#startOver(error);
  }

  /** What it waits for does not come any more: the coordinator was started anew. */
  reconnect(): void {
    if (this.#joinId === null && this.#syncId === null) return;
    this.#joinId = null;
    this.#syncId = null;
    this.#needsJoin = true;
  }

  leave(): void {
    this.owned = noPartitions;
    this.group.leave({ memberId: this.memberId });
    this.#startOver("UNKNOWN_MEMBER_ID");
  }

  #join(): void {
    if (!this.isCooperative) this.owned = noPartitions;
    const ownedPartitions = topicsOf(this.owned).map(({ topicId, partitions }) => ({
      topic: topicId.slice(3),
      partitions,
    }));
    const metadata = encodeSubscription(1, { topics: this.topics, userData: null, ownedPartitions });
    const { requestId } = this.group.join({
      memberId: this.memberId,
      requireKnownMemberId: true,
      protocols: [{ name: "range", metadata }],
    });
    this.#joined(requestId);
  }

  #joined(requestId: number): void {
    const answer = this.group.answers.get(requestId);
    this.#joinId = requestId;
    if (answer === undefined || !("generationId" in answer && "leader" in answer)) return;
    this.#joinId = null;
    if (answer.error === "MEMBER_ID_REQUIRED") {
      this.memberId = answer.memberId;
      return;
    }
    if (answer.error !== "NONE") return this.#startOver(answer.error);
    this.memberId = answer.memberId;
    this.generationId = answer.generationId;
    const { requestId: syncId } = this.group.sync(answer, {
      assignments: answer.members.map(({ memberId }) => ({ memberId, assignment: new Uint8Array() })),
    });
    this.#synced(syncId);
  }

  #synced(requestId: number): void {
    const answer = this.group.answers.get(requestId);
    this.#syncId = requestId;
    if (answer === undefined || !("assignment" in answer && answer.assignment instanceof Uint8Array)) return;
    this.#syncId = null;
    if (answer.error !== "NONE") return this.#startOver(answer.error);
    this.#needsJoin = false;
    const { assignedPartitions } = decodeAssignment(answer.assignment);
    const assigned = assignmentByNames(assignedPartitions, this.group.topics);
    // What was taken away is given up, and that is told by joining again.
    const isShrunk = intersection(this.owned, assigned).size < this.owned.size;
    this.owned = assigned;
    if (this.isCooperative && isShrunk) this.#needsJoin = true;
  }

  #startOver(error: string): void {
    this.#needsJoin = true;
    if (error === "REBALANCE_IN_PROGRESS") return;
    this.owned = noPartitions;
    this.generationId = -1;
    if (error === "UNKNOWN_MEMBER_ID") this.memberId = "";
  }
}

/** Polls everyone until nothing changes any more. */
export function settle(clients: readonly TestClient[], rounds = 12): void {
  for (let i = 0; i < rounds; i++) for (const client of clients) client.poll();
}

/** Fails if two clients own the same partition. */
export function assertDisjoint(clients: readonly TestClient[]): void {
  const owners = new Map<string, number>();
  clients.forEach(({ owned }, index) => {
    for (const { topicId, partitions } of topicsOf(owned)) {
      for (const each of partitions) {
        const key = `${topicId}/${each}`;
        assert(!owners.has(key), `${key} is owned by ${owners.get(key)} and ${index}`);
        owners.set(key, index);
      }
    }
  });
}

export function ownedCount(...clients: readonly TestClient[]): number {
  return clients.reduce(
    (sum, { owned }) => sum + topicsOf(owned).reduce((n, t) => n + t.partitions.length, 0),
    0,
  );
}
