/**
 * Administration of consumer groups, of both protocols: list, describe, read and set offsets, delete. Each request goes
 * to the group's coordinator. Source: Kafka's Admin client (KIP-222, KIP-229, KIP-496, KIP-518, KIP-848).
 */
import type { Env } from "../lib/env.ts";
import { errorCode } from "../protocol/errors.ts";
import { offsetCommit } from "../protocol/messages/08_offset_commit.ts";
import { offsetFetch } from "../protocol/messages/09_offset_fetch.ts";
import { describeGroups } from "../protocol/messages/15_describe_groups.ts";
import { listGroups } from "../protocol/messages/16_list_groups.ts";
import { deleteGroups } from "../protocol/messages/42_delete_groups.ts";
import { offsetDelete } from "../protocol/messages/47_offset_delete.ts";
import { consumerGroupDescribe } from "../protocol/messages/69_consumer_group_describe.ts";
import { decodeAssignment } from "../protocol/messages/consumer_protocol.ts";
import type { Api, ResponseOf } from "../protocol/schema/api.ts";
import { type Broker, type CallOptions, type ClientOptions, Cluster, type TopicMetadata } from "./cluster.ts";
import { BrokerError, throwIfError, UnsupportedVersionError } from "./errors.ts";
import { askCoordinator, type CoordinatorCall } from "./group_coordinator.ts";
import { findOffsets, type FoundOffset, type OffsetSpec } from "./offsets.ts";
import type { TopicPartition } from "./topic_partition.ts";

/** Above it OffsetCommit and OffsetFetch name topics by id. */
const OFFSETS_BY_NAME_VERSION_MAX = 9;
const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;

export interface GroupListing {
  readonly groupId: string;
  /** `Classic` or `Consumer`; empty where the broker does not tell. */
  readonly type: string;
  readonly state: string;
  readonly protocolType: string;
}

export interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface GroupMemberDescription {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly assignment: readonly TopicPartitions[];
  /** null: a classic group. */
  readonly targetAssignment: readonly TopicPartitions[] | null;
  readonly memberEpoch: number | null;
  /** Whether it uses the consumer protocol; null where that is not told. */
  readonly isUpgraded: boolean | null;
}

export interface GroupDescription {
  readonly groupId: string;
  readonly type: "Classic" | "Consumer";
  readonly state: string;
  readonly assignor: string;
  readonly coordinator: Broker;
  /** null: a classic group. */
  readonly groupEpoch: number | null;
  readonly targetAssignmentEpoch: number | null;
  readonly members: readonly GroupMemberDescription[];
}

export interface GroupOffset extends TopicPartition {
  readonly offset: number;
  /** −1 unknown. */
  readonly leaderEpoch: number;
}

/** One client for any number of calls; `close` it at the end. Every call throws a `ClientError`. */
export class GroupAdmin {
  readonly #cluster: Cluster;

  constructor(env: Env, options: ClientOptions) {
    this.#cluster = new Cluster(env, options);
  }

  /** The groups of all brokers, sorted; empty filters pass everything. */
  async listGroups(
    filter: { readonly states?: readonly string[]; readonly types?: readonly string[] } = {},
    options: CallOptions = {},
  ): Promise<GroupListing[]> {
    const cluster = this.#cluster;
    return await cluster.retry(async () => {
      await cluster.refresh([]);
      const listings: GroupListing[] = [];
      for (const { nodeId } of cluster.brokers) {
        const connection = await cluster.connection(nodeId);
        const response = await connection.request(listGroups, {
          statesFilter: [...filter.states ?? []],
          typesFilter: [...filter.types ?? []],
        });
        throwIfError(response.errorCode);
        for (const { groupId, groupType, groupState, protocolType } of response.groups) {
          listings.push({ groupId, type: capitalized(groupType), state: groupState, protocolType });
        }
      }
      return listings.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    }, options);
  }

  /** State, members and assignments. Throws a `BrokerError`, for example GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string, options: CallOptions = {}): Promise<GroupDescription> {
    const consumerGroup = await this.#describeConsumerGroup(groupId, options);
    if (consumerGroup !== null) return consumerGroup;
    try {
      return await this.#describeClassicGroup(groupId, options);
    } catch (error) {
      if (!(error instanceof BrokerError && error.error === "GROUP_ID_NOT_FOUND")) throw error;
      // Neither kind: in the words that fit both.
      throw new BrokerError(error.code, `Group ${groupId} is not a consumer group.`, { cause: error });
    }
  }

  /** Every offset that the group has committed. */
  async offsets(groupId: string, options: CallOptions = {}): Promise<GroupOffset[]> {
    const response = await this.#ask(groupId, {
      api: offsetFetch,
      value: {
        groupId,
        topics: null,
        groups: [{ groupId, memberId: null, memberEpoch: -1, topics: null }],
        requireStable: false,
      },
      errors: (r) => [r.errorCode, ...r.groups.map((group) => group.errorCode)],
      maxVersion: OFFSETS_BY_NAME_VERSION_MAX,
    }, options);
    const topics = response.groups[0]?.topics ?? response.topics ?? [];
    return topics.flatMap(({ name, partitions }) =>
      partitions.filter(({ committedOffset }) => committedOffset >= 0).map((found) => ({
        topic: name,
        partition: found.partitionIndex,
        offset: found.committedOffset,
        leaderEpoch: found.committedLeaderEpoch,
      }))
    );
  }

  /** Sets offsets of a group without members. Throws a `BrokerError`, for example UNKNOWN_MEMBER_ID if it has some. */
  async setOffsets(
    groupId: string,
    offsets: readonly (TopicPartition & { readonly offset: number })[],
    options: CallOptions = {},
  ): Promise<void> {
    await this.#ask(groupId, {
      api: offsetCommit,
      value: {
        groupId,
        generationIdOrMemberEpoch: -1,
        memberId: "",
        groupInstanceId: null,
        retentionTimeMs: -1,
        topics: [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, group]) => ({
          name,
          partitions: group.map(({ partition, offset }) => ({
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: -1,
            committedMetadata: "",
          })),
        })),
      },
      errors: (r) => r.topics.flatMap(({ partitions }) => partitions.map((partition) => partition.errorCode)),
      maxVersion: OFFSETS_BY_NAME_VERSION_MAX,
    }, options);
  }

  /** Deletes a group without members. Throws a `BrokerError`: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
  async deleteGroup(groupId: string, options: CallOptions = {}): Promise<void> {
    await this.#ask(groupId, {
      api: deleteGroups,
      value: { groupsNames: [groupId] },
      errors: (r) => r.results.map((result) => result.errorCode),
    }, options);
  }

  /** Forgets offsets; the error of each partition, null for none. Throws a `BrokerError` for the group as a whole. */
  async deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: CallOptions = {},
  ): Promise<(TopicPartition & { readonly error: BrokerError | null })[]> {
    const response = await this.#ask(groupId, {
      api: offsetDelete,
      value: {
        groupId,
        topics: [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, group]) => ({
          name,
          partitions: group.map(({ partition }) => ({ partitionIndex: partition })),
        })),
      },
      errors: (r) => [r.errorCode],
    }, options);
    return response.topics.flatMap(({ name, partitions: answered }) =>
      answered.map(({ partitionIndex, errorCode: code }) => ({
        topic: name,
        partition: partitionIndex,
        error: code === 0 ? null : new BrokerError(code),
      }))
    );
  }

  /** Places in the log, keyed by `partitionKey`. */
  findOffsets(
    requests: readonly (TopicPartition & { readonly spec: OffsetSpec })[],
    options: CallOptions = {},
  ): Promise<Map<string, FoundOffset>> {
    return findOffsets(this.#cluster, requests, "read_uncommitted", options);
  }

  /** A topic with its partitions; null if there is none. */
  async topic(name: string, options: CallOptions = {}): Promise<TopicMetadata | null> {
    return await this.#cluster.retry(async () => {
      await this.#cluster.refresh([name]);
      return this.#cluster.knownTopic(name);
    }, options);
  }

  close(): void {
    this.#cluster.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** null: a broker without the consumer protocol, or a group of another type. */
  async #describeConsumerGroup(groupId: string, options: CallOptions): Promise<GroupDescription | null> {
    try {
      const { response, coordinator } = await askCoordinator(this.#cluster, groupId, {
        api: consumerGroupDescribe,
        value: { groupIds: [groupId], includeAuthorizedOperations: false },
        errors: (r) => r.groups.map((group) => group.errorCode),
      }, options);
      const [group] = response.groups;
      if (group === undefined) return null;
      return {
        groupId,
        type: "Consumer",
        state: group.groupState,
        assignor: group.assignorName,
        coordinator,
        groupEpoch: group.groupEpoch,
        targetAssignmentEpoch: group.assignmentEpoch,
        members: group.members.map((member) => ({
          memberId: member.memberId,
          instanceId: member.instanceId,
          clientId: member.clientId,
          host: member.clientHost,
          assignment: member.assignment.topicPartitions.map(named),
          targetAssignment: member.targetAssignment.topicPartitions.map(named),
          memberEpoch: member.memberEpoch,
          isUpgraded: [CLASSIC_MEMBER, CONSUMER_MEMBER].includes(member.memberType)
            ? member.memberType === CONSUMER_MEMBER
            : null,
        })),
      };
    } catch (error) {
      const isOther = error instanceof UnsupportedVersionError ||
        (error instanceof BrokerError && error.error === "GROUP_ID_NOT_FOUND");
      if (isOther) return null;
      throw error;
    }
  }

  async #describeClassicGroup(groupId: string, options: CallOptions): Promise<GroupDescription> {
    const { response, coordinator } = await askCoordinator(this.#cluster, groupId, {
      api: describeGroups,
      value: { groups: [groupId], includeAuthorizedOperations: false },
      errors: (r) => r.groups.map((group) => group.errorCode),
      message: (r) => r.groups[0]?.errorMessage ?? null,
    }, options);
    const [group] = response.groups;
    if (group === undefined || group.groupState === "Dead") {
      throw new BrokerError(errorCode("GROUP_ID_NOT_FOUND"), `Group ${groupId} not found.`);
    }
    return {
      groupId,
      type: "Classic",
      state: group.groupState,
      assignor: group.protocolData,
      coordinator,
      groupEpoch: null,
      targetAssignmentEpoch: null,
      members: group.members.map((member) => ({
        memberId: member.memberId,
        instanceId: member.groupInstanceId,
        clientId: member.clientId,
        host: member.clientHost,
        assignment: group.protocolType === "consumer"
          ? decodeAssignment(member.memberAssignment).assignedPartitions
          : [],
        targetAssignment: null,
        memberEpoch: null,
        isUpgraded: null,
      })),
    };
  }

  async #ask<A extends Api>(
    groupId: string,
    call: CoordinatorCall<A>,
    options: CallOptions,
  ): Promise<ResponseOf<A>> {
    return (await askCoordinator(this.#cluster, groupId, call, options)).response;
  }
}

function named(
  { topicName, partitions }: { topicName: string; partitions: readonly number[] },
): TopicPartitions {
  return { topic: topicName, partitions };
}

function capitalized(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
