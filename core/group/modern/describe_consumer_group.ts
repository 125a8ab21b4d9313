/** ConsumerGroupDescribe for one group. Source: KIP-848; Kafka's ConsumerGroup.asDescribedGroup. */
import type { ConsumerGroupDescription } from "../group_commands.ts";
import type { GroupTopics, GroupTurn } from "../group_turn.ts";
import type { Assignment } from "./assignment.ts";
import { consumerGroupState } from "./consumer_group_record.ts";

/** null: there is no such group, or it is of another type. */
export function describeConsumerGroup({ state, topics }: GroupTurn): ConsumerGroupDescription | null {
  if (state.consumer === null) return null;
  const { record } = state.consumer;
  return {
    groupId: state.groupId,
    state: consumerGroupState(record),
    groupEpoch: record.groupEpoch,
    assignmentEpoch: record.assignmentEpoch,
    assignorName: record.assignorName,
    members: record.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.memberEpoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.subscribedTopicNames,
      subscribedTopicRegex: member.subscribedTopicRegex,
      assignment: namedTopics(member.assigned, topics),
      targetAssignment: namedTopics(member.target, topics),
      isClassic: member.classic !== null,
    })),
  };
}

/** Topics that are gone have no name any more and are left out. */
export function namedTopics(assignment: Assignment, topics: GroupTopics) {
  return [...assignment].flatMap(([topicId, partitions]) => {
    const topicName = topics.topicsById.get(topicId)?.name;
    return topicName === undefined ? [] : [{ topicId, topicName, partitions }];
  });
}
