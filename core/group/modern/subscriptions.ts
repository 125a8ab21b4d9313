/** What members read: names and regular expressions looked up among the topics there are. */
import type { GroupTopics } from "../group_turn.ts";
import { TopicRegex } from "../regex/topic_regex.ts";
import type { ConsumerMember, SubscribedTopic } from "./consumer_group_record.ts";
import type { ConsumerGroupState } from "./consumer_group_state.ts";

/** Kafka's own topics are read by name only. */
const INTERNAL_TOPICS = new Set(["__consumer_offsets", "__transaction_state", "__share_group_state"]);

/** Names of the member's topics, also of those that do not exist (yet). */
export function subscribedNames(
  group: ConsumerGroupState,
  member: ConsumerMember,
  topics: GroupTopics,
): readonly string[] {
  const { subscribedTopicNames, subscribedTopicRegex } = member;
  if (subscribedTopicRegex === null) return subscribedTopicNames;
  return [...new Set([...subscribedTopicNames, ...matchingNames(group, subscribedTopicRegex, topics)])];
}

/** Ids of the member's topics that exist. */
export function subscribedTopicIds(
  group: ConsumerGroupState,
  member: ConsumerMember,
  topics: GroupTopics,
): Set<string> {
  const topicIds = new Set<string>();
  for (const name of subscribedNames(group, member, topics)) {
    const topic = topics.topicsByName.get(name);
    if (topic !== undefined) topicIds.add(topic.topicId);
  }
  return topicIds;
}

/** All that is read and exists, with the numbers of partitions, sorted by id. */
export function subscribedTopicsOf(
  group: ConsumerGroupState,
  members: Iterable<ConsumerMember>,
  topics: GroupTopics,
): SubscribedTopic[] {
  const topicIds = new Set<string>();
  for (const member of members) {
    for (const topicId of subscribedTopicIds(group, member, topics)) topicIds.add(topicId);
  }
  return [...topicIds].sort().map((topicId) => ({
    topicId,
    partitionCount: topics.topicsById.get(topicId)?.partitions.length ?? 0,
  }));
}

export function sameTopics(a: readonly SubscribedTopic[], b: readonly SubscribedTopic[]): boolean {
  return a.length === b.length &&
    a.every((topic, index) =>
      topic.topicId === b[index]?.topicId && topic.partitionCount === b[index]?.partitionCount
    );
}

/** Every expression is evaluated once for each change of the topics. */
function matchingNames(
  group: ConsumerGroupState,
  expression: string,
  topics: GroupTopics,
): readonly string[] {
  const known = group.regexes.get(expression);
  if (known?.version === topics.version) return known.names;
  const regex = known?.regex ?? new TopicRegex(expression);
  const names = [...topics.topicsByName.keys()].filter((name) =>
    !INTERNAL_TOPICS.has(name) && regex.matches(name)
  );
  group.regexes.set(expression, { regex, version: topics.version, names });
  return names;
}
