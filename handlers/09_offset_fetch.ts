/**
 * OffsetFetch (API 9): a group's committed offsets; since version 8 of several groups at once, since version 10
 * with topic ids. A list of topics that is null asks for all offsets of the group.
 */
import type { CommittedOffset } from "../actors/messages/consumer_group.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { offsetFetch, type OffsetFetchRequest } from "../protocol/messages/09_offset_fetch.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { lookUpTopic } from "./topic_lookup.ts";

const GROUPS_VERSION = 8;
const TOPIC_ID_VERSION = 10;

interface AskedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitionIndexes: readonly number[];
}

interface AskedGroup {
  readonly groupId: string;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly topics: readonly AskedTopic[] | null;
}

export const offsetFetchHandler = handler(offsetFetch, serveOffsetFetch);

async function serveOffsetFetch(request: OffsetFetchRequest, context: RequestContext) {
  if (context.apiVersion >= GROUPS_VERSION) {
    return { groups: await Promise.all(request.groups.map((group) => fetchGroup(group, request, context))) };
  }
  const topics = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null;
  const asked = { groupId: request.groupId, memberId: null, memberEpoch: -1, topics };
  const { topics: answered, errorCode } = await fetchGroup(asked, request, context);
  return { topics: answered, errorCode };
}

async function fetchGroup(asked: AskedGroup, request: OffsetFetchRequest, context: RequestContext) {
  const { groupId } = asked;
  const byId = context.apiVersion >= TOPIC_ID_VERSION;
  const resolved = asked.topics?.map((topic) => ({
    ...topic,
    lookup: lookUpTopic(context.broker.metadata, topic, byId),
  })) ?? null;
  try {
    const result = await context.broker.group(groupId).ask({
      type: "offsetFetch",
      partitions: resolved?.flatMap(({ lookup, partitionIndexes }) =>
        lookup.topic === null ? [] : partitionIndexes.map((partition) => ({
          topic: lookup.topic.name,
          topicId: lookup.topic.topicId,
          partition,
        }))
      ) ?? null,
      memberId: asked.memberId,
      memberEpoch: asked.memberEpoch,
      requireStable: request.requireStable,
    });
    if (result.error !== "NONE") return { groupId, topics: [], errorCode: errorCode(result.error) };
    const topics = resolved === null
      ? grouped(result.offsets, context)
      : resolved.map((topic) => answered(topic, topic.lookup.topic?.topicId ?? null, byId, result.offsets));
    return { groupId, topics, errorCode: 0 };
  } catch (error) {
    return { groupId, topics: [], errorCode: errorCode(coordinatorFailure(error)) };
  }
}

/** A topic asked for by name that does not exist has no offsets; by id it is an error of each partition. */
function answered(
  asked: AskedTopic,
  topicId: string | null,
  byId: boolean,
  offsets: readonly CommittedOffset[],
) {
  const error: ErrorName = topicId === null && byId ? "UNKNOWN_TOPIC_ID" : "NONE";
  return {
    name: asked.name,
    topicId: asked.topicId,
    partitions: asked.partitionIndexes.map((partition) => {
      const found = offsets.find((each) => each.topicId === topicId && each.partition === partition);
      return partitionAnswer(partition, found, error);
    }),
  };
}

function grouped(offsets: readonly CommittedOffset[], context: RequestContext) {
  const byTopic = Map.groupBy(offsets, (offset) => offset.topicId);
  return [...byTopic].flatMap(([topicId, group]) => {
    // Offsets of a deleted topic are not shown: a topic of the same name now is another topic.
    const topic = context.broker.metadata.topicsById.get(topicId);
    if (topic === undefined) return [];
    return [{
      name: topic.name,
      topicId,
      partitions: group.map((each) => partitionAnswer(each.partition, each, "NONE")),
    }];
  });
}

function partitionAnswer(partitionIndex: number, found: CommittedOffset | undefined, error: ErrorName) {
  return {
    partitionIndex,
    committedOffset: found?.offset ?? -1,
    committedLeaderEpoch: found?.leaderEpoch ?? -1,
    metadata: found?.metadata ?? "",
    errorCode: errorCode(found?.isUnstable === true ? "UNSTABLE_OFFSET_COMMIT" : error),
  };
}
