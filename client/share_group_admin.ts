/**
 * Administration of share groups: list, describe, read and set their start offsets, delete. Each request goes to the
 * group's coordinator. Source: Kafka's Admin client (KIP-932).
 */
import type { Env } from "../lib/env.ts";
import { listGroups } from "../protocol/messages/16_list_groups.ts";
import { deleteGroups } from "../protocol/messages/42_delete_groups.ts";
import { shareGroupDescribe } from "../protocol/messages/77_share_group_describe.ts";
import { describeShareGroupOffsets } from "../protocol/messages/90_describe_share_group_offsets.ts";
import { alterShareGroupOffsets } from "../protocol/messages/91_alter_share_group_offsets.ts";
import { deleteShareGroupOffsets } from "../protocol/messages/92_delete_share_group_offsets.ts";
import { type Broker, type CallOptions, type ClientOptions, Cluster, type TopicMetadata } from "./cluster.ts";
import { BrokerError, throwIfError } from "./errors.ts";
import { askCoordinator } from "./group_coordinator.ts";
import type { TopicPartitions } from "./group_admin.ts";
import { findOffsets, type FoundOffset, type OffsetSpec } from "./offsets.ts";
import type { TopicPartition } from "./topic_partition.ts";

export interface ShareGroupListing {
  readonly groupId: string;
  readonly state: string;
}

export interface ShareGroupMember {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly clientId: string;
  readonly host: string;
  readonly assignment: readonly TopicPartitions[];
}

export interface ShareGroupDescription {
  readonly groupId: string;
  readonly state: string;
  readonly groupEpoch: number;
  readonly targetAssignmentEpoch: number;
  readonly coordinator: Broker;
  readonly members: readonly ShareGroupMember[];
}

export interface ShareGroupOffset extends TopicPartition {
  /** The first record that is not settled; null while none is known. */
  readonly startOffset: number | null;
  /** −1 unknown. */
  readonly leaderEpoch: number;
  /** Records that are not settled; null where the broker does not tell. */
  readonly lag: number | null;
}

/** What became of one topic or partition; null for no error. */
export interface ShareOffsetOutcome {
  readonly topic: string;
  /** null: of the topic as a whole. */
  readonly partition: number | null;
  readonly error: BrokerError | null;
}

/** One client for any number of calls; `close` it at the end. Every call throws a `ClientError`. */
export class ShareGroupAdmin {
  readonly #cluster: Cluster;

  constructor(env: Env, options: ClientOptions) {
    this.#cluster = new Cluster(env, options);
  }

  /** The share groups of all brokers, sorted; no states: all. */
  async listGroups(states: readonly string[] = [], options: CallOptions = {}): Promise<ShareGroupListing[]> {
    const cluster = this.#cluster;
    return await cluster.retry(async () => {
      await cluster.refresh([]);
      const listings: ShareGroupListing[] = [];
      for (const { nodeId } of cluster.brokers) {
        const response = await (await cluster.connection(nodeId)).request(listGroups, {
          statesFilter: [...states],
          typesFilter: ["share"],
        });
        throwIfError(response.errorCode);
        for (const { groupId, groupState } of response.groups) listings.push({ groupId, state: groupState });
      }
      return listings.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    }, options);
  }

  /** State, members and assignments. Throws a `BrokerError`, for example GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string, options: CallOptions = {}): Promise<ShareGroupDescription> {
    const { response, coordinator } = await askCoordinator(this.#cluster, groupId, {
      api: shareGroupDescribe,
      value: { groupIds: [groupId], includeAuthorizedOperations: false },
      errors: (r) => r.groups.map((group) => group.errorCode),
      message: (r) => r.groups[0]?.errorMessage ?? null,
    }, options);
    const [group] = response.groups;
    return {
      groupId,
      state: group?.groupState ?? "Dead",
      groupEpoch: group?.groupEpoch ?? 0,
      targetAssignmentEpoch: group?.assignmentEpoch ?? 0,
      coordinator,
      members: (group?.members ?? []).map((member) => ({
        memberId: member.memberId,
        memberEpoch: member.memberEpoch,
        clientId: member.clientId,
        host: member.clientHost,
        assignment: member.assignment.topicPartitions.map(({ topicName, partitions }) => ({
          topic: topicName,
          partitions,
        })),
      })),
    };
  }

  /** Where the group is, in every partition that it has met. */
  async offsets(groupId: string, options: CallOptions = {}): Promise<ShareGroupOffset[]> {
    const { response } = await askCoordinator(this.#cluster, groupId, {
      api: describeShareGroupOffsets,
      value: { groups: [{ groupId, topics: null }] },
      errors: (r) => r.groups.map((group) => group.errorCode),
      message: (r) => r.groups[0]?.errorMessage ?? null,
    }, options);
    return (response.groups[0]?.topics ?? []).flatMap(({ topicName, partitions }) =>
      partitions.filter(({ errorCode }) => errorCode === 0).map((partition) => ({
        topic: topicName,
        partition: partition.partitionIndex,
        startOffset: partition.startOffset < 0 ? null : partition.startOffset,
        leaderEpoch: partition.leaderEpoch,
        lag: partition.lag < 0 ? null : partition.lag,
      }))
    );
  }

  /** Sets start offsets of a group without members; the outcome of each partition is in the result. */
  async setOffsets(
    groupId: string,
    offsets: readonly (TopicPartition & { readonly offset: number })[],
    options: CallOptions = {},
  ): Promise<ShareOffsetOutcome[]> {
    const { response } = await askCoordinator(this.#cluster, groupId, {
      api: alterShareGroupOffsets,
      value: {
        groupId,
        topics: [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topicName, group]) => ({
          topicName,
          partitions: group.map(({ partition, offset }) => ({
            partitionIndex: partition,
            startOffset: offset,
          })),
        })),
      },
      errors: (r) => [r.errorCode],
      message: (r) => r.errorMessage,
    }, options);
    return response.responses.flatMap(({ topicName, partitions }) =>
      partitions.map(({ partitionIndex, errorCode, errorMessage }) => ({
        topic: topicName,
        partition: partitionIndex,
        error: errorCode === 0 ? null : new BrokerError(errorCode, errorMessage),
      }))
    );
  }

  /** Forgets topics; the outcome of each is in the result. Throws a `BrokerError` for the group as a whole. */
  async deleteOffsets(
    groupId: string,
    topics: readonly string[],
    options: CallOptions = {},
  ): Promise<ShareOffsetOutcome[]> {
    const { response } = await askCoordinator(this.#cluster, groupId, {
      api: deleteShareGroupOffsets,
      value: { groupId, topics: topics.map((topicName) => ({ topicName })) },
      errors: (r) => [r.errorCode],
      message: (r) => r.errorMessage,
    }, options);
    return response.responses.map(({ topicName, errorCode, errorMessage }) => ({
      topic: topicName,
      partition: null,
      error: errorCode === 0 ? null : new BrokerError(errorCode, errorMessage),
    }));
  }

  /** Deletes a group without members. Throws a `BrokerError`: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
  async deleteGroup(groupId: string, options: CallOptions = {}): Promise<void> {
    await askCoordinator(this.#cluster, groupId, {
      api: deleteGroups,
      value: { groupsNames: [groupId] },
      errors: (r) => r.results.map((result) => result.errorCode),
    }, options);
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
}
