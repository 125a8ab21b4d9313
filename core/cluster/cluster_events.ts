/**
 * What happens in a cluster, for people who watch: told from two metadata images, or from two reports of a group's members. Pure.
 *
 * These are ZooKeeper's notifications (`/brokers/ids`, `/brokers/topics`, leader changes) and those of a group's coordinator.
 */
import type { MetadataImage } from "./metadata_image.ts";

export type ClusterEvent =
  | { readonly type: "brokerUp"; readonly brokerId: number; readonly host: string; readonly port: number }
  | { readonly type: "brokerDown"; readonly brokerId: number }
  | {
    readonly type: "topicCreated";
    readonly topic: string;
    readonly topicId: string;
    readonly partitions: number;
  }
  | { readonly type: "topicDeleted"; readonly topic: string; readonly topicId: string }
  | { readonly type: "partitionsAdded"; readonly topic: string; readonly partitions: number }
  | {
    readonly type: "leaderChanged";
    readonly topic: string;
    readonly partition: number;
    readonly leader: number;
    readonly leaderEpoch: number;
  }
  | {
    readonly type: "memberJoined";
    readonly group: string;
    readonly memberId: string;
    readonly clientId: string;
  }
  | {
    readonly type: "memberLost";
    readonly group: string;
    readonly memberId: string;
    readonly clientId: string;
  }
  | { readonly type: "groupRebalanced"; readonly group: string; readonly members: number }
  /** The first delivery that failed after one that did not. */
  | { readonly type: "webhookFailing"; readonly webhook: string; readonly error: string }
  | { readonly type: "webhookRecovered"; readonly webhook: string }
  | { readonly type: "webhookPaused"; readonly webhook: string; readonly reason: string }
  | {
    readonly type: "webhookDeadLetter";
    readonly webhook: string;
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
  };

/** What became of the brokers and the topics. */
export function imageEvents(before: MetadataImage, after: MetadataImage): ClusterEvent[] {
  return [...brokerEvents(before, after), ...topicEvents(before, after)];
}

function brokerEvents(before: MetadataImage, after: MetadataImage): ClusterEvent[] {
  const known = new Map(before.brokers.map((broker) => [broker.brokerId, broker]));
  const live = new Set(after.brokers.map(({ brokerId }) => brokerId));
  return [
    ...before.brokers.filter(({ brokerId }) => !live.has(brokerId))
      .map(({ brokerId }) => ({ type: "brokerDown", brokerId }) as const),
    // A new epoch is a new registration: the broker was away, if only for a moment.
    ...after.brokers.filter(({ brokerId, epoch }) => known.get(brokerId)?.epoch !== epoch)
      .map(({ brokerId, host, port }) => ({ type: "brokerUp", brokerId, host, port }) as const),
  ];
}

function* topicEvents(before: MetadataImage, after: MetadataImage): Generator<ClusterEvent> {
  if (before.topicsById === after.topicsById) return;
  for (const [topicId, { name }] of before.topicsById) {
    if (!after.topicsById.has(topicId)) yield { type: "topicDeleted", topic: name, topicId };
  }
  for (const [topicId, topic] of after.topicsById) {
    const { name, partitions } = topic;
    const old = before.topicsById.get(topicId);
    if (old === topic) continue;
    if (old !== undefined && old.name !== name) {
      yield { type: "topicDeleted", topic: old.name, topicId };
      yield { type: "topicCreated", topic: name, topicId, partitions: partitions.length };
    }
    if (old === undefined) {
      yield { type: "topicCreated", topic: name, topicId, partitions: partitions.length };
      continue;
    }
    if (partitions.length > old.partitions.length) {
      yield { type: "partitionsAdded", topic: name, partitions: partitions.length };
    }
    for (const [partition, { leader, leaderEpoch }] of partitions.entries()) {
      const was = old.partitions[partition];
      if (was !== undefined && (was.leader !== leader || was.leaderEpoch !== leaderEpoch)) {
        yield { type: "leaderChanged", topic: name, partition, leader, leaderEpoch };
      }
    }
  }
}

export interface MemberReport {
  readonly memberId: string;
  readonly clientId: string;
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

/** What became of a group's members, and whether partitions went to others. */
export function memberEvents(
  group: string,
  before: readonly MemberReport[],
  after: readonly MemberReport[],
): ClusterEvent[] {
  const ids = new Set(after.map(({ memberId }) => memberId));
  const known = new Map(before.map((member) => [member.memberId, member]));
  const joined = after.filter(({ memberId }) => !known.has(memberId));
  const lost = before.filter(({ memberId }) => !ids.has(memberId));
  const moved = after.filter((member) => {
    const was = known.get(member.memberId);
    return assignmentText(member) !== (was === undefined ? "" : assignmentText(was));
  });
  return [
    ...joined.map(({ memberId, clientId }) => ({ type: "memberJoined", group, memberId, clientId }) as const),
    ...lost.map(({ memberId, clientId }) => ({ type: "memberLost", group, memberId, clientId }) as const),
    ...(moved.length > 0 ? [{ type: "groupRebalanced", group, members: after.length } as const] : []),
  ];
}

function assignmentText({ assignment }: MemberReport): string {
  return assignment.map(({ topic, partitions }) =>
    `${topic}:${partitions.toSorted((a, b) => a - b).join(",")}`
  )
    .sort().join(";");
}
