/**
 * OffsetFetch (API 9): a group's committed offsets; since version 8 of several groups at once, since version 10
 * with topic ids. A list of topics that is null asks for all offsets of the group.
 */
import type { CommittedOffset } from "../actors/messages/consumer_group.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import {
  offsetFetch,
  type OffsetFetchRequest,
  type OffsetFetchResponse,
} from "../protocol/messages/09_offset_fetch.ts";
import { answerGroups } from "./group_answers.ts";
import { coordinatorFailure, handler, type RequestContext } from "./handler.ts";
import { hasPartition, lookUpTopic } from "./topic_lookup.ts";

const GROUPS_VERSION = 8;
const TOPIC_ID_VERSION = 10;
/** Of a partition in the answer, beside its metadata. */
const PARTITION_BYTES = 24;

type FetchedGroup = OffsetFetchResponse["groups"][number];

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
    const groups = await answerGroups(request.groups, {
      groupIdOf: ({ groupId }) => groupId,
      answer: (group) => fetchGroup(group, request, context),
      bytesOf: bytesOfGroup,
      refuse: ({ groupId }, error) => ({ groupId, topics: [], errorCode: errorCode(error) }),
    });
    return { groups };
  }
  const topics = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null;
  const asked = { groupId: request.groupId, memberId: null, memberEpoch: -1, topics };
  const { groupId: _groupId, ...answer } = await fetchGroup(asked, request, context);
  return answer;
}

async function fetchGroup(
  asked: AskedGroup,
  request: OffsetFetchRequest,
  context: RequestContext,
): Promise<FetchedGroup> {
  const { groupId } = asked;
  const partitions: { topic: string; topicId: string; partition: number }[] = [];
  const topics = asked.topics === null ? null : placed(asked.topics, partitions, context);
  try {
    const result = await context.broker.group(groupId).ask({
      type: "offsetFetch",
      partitions: topics === null ? null : partitions,
      memberId: asked.memberId,
      memberEpoch: asked.memberEpoch,
      requireStable: request.requireStable,
    });
    if (result.error !== "NONE") return { groupId, topics: [], errorCode: errorCode(result.error) };
    const answered = topics?.map(({ name, topicId, error, places }) => ({
      name,
      topicId,
      partitions: Array.from(
        places,
        ([partition, place]) => partitionAnswer(partition, result.offsets[place], error),
      ),
    }));
    return { groupId, topics: answered ?? grouped(result.offsets, context), errorCode: 0 };
  } catch (error) {
    return { groupId, topics: [], errorCode: errorCode(coordinatorFailure(error)) };
  }
}

function bytesOfGroup({ topics }: FetchedGroup): number {
  return topics.reduce(
    (sum, { partitions }) =>
      partitions.reduce((bytes, { metadata }) => bytes + PARTITION_BYTES + (metadata?.length ?? 0), sum),
    0,
  );
}

interface PlacedTopic {
  readonly name: string;
  readonly topicId: string;
  /** Of each partition: a topic asked for by name that does not exist has no offsets, by id it is an error. */
  readonly error: ErrorName;
  /** Where each partition is among those that the group is asked for; -1 when it is not. */
  readonly places: ReadonlyMap<number, number>;
}

/** Appends what the group is to be asked: each partition that exists, once. A repeated one is answered once, too. */
function placed(
  topics: readonly AskedTopic[],
  partitions: { topic: string; topicId: string; partition: number }[],
  context: RequestContext,
): PlacedTopic[] {
  const byId = context.apiVersion >= TOPIC_ID_VERSION;
  const seenOf = new Map<string, Set<number>>();
  return topics.map((asked) => {
    const { topic } = lookUpTopic(context.broker.metadata, asked, byId);
    const key = byId ? asked.topicId : asked.name;
    const seen = seenOf.get(key) ?? new Set();
    seenOf.set(key, seen);
    const places = new Map<number, number>();
    for (const partition of asked.partitionIndexes) {
      if (seen.has(partition)) continue;
      seen.add(partition);
      const place = topic === null || !hasPartition(topic, partition)
        ? -1
        : partitions.push({ topic: topic.name, topicId: topic.topicId, partition }) - 1;
      places.set(partition, place);
    }
    const error = topic === null && byId ? "UNKNOWN_TOPIC_ID" : "NONE";
    return { name: asked.name, topicId: asked.topicId, error, places };
  });
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
