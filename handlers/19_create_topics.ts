/**
 * CreateTopics (API 19): creates topics one by one, each with its own outcome. Since version 5 the answer tells the
 * partition count, the replication factor and the configuration in force (KIP-525), since 7 the topic id.
 */
import type { TopicOutcome } from "../actors/messages/supervisor.ts";
import { describeTopicConfigs } from "../core/config/topic_configs.ts";
import { limits } from "../core/config/limits.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { createTopics, type CreateTopicsRequest } from "../protocol/messages/19_create_topics.ts";
import { adminFailure } from "./admin_failure.ts";
import { MutationQuota, QUOTA_EXCEEDED_MESSAGE } from "./mutation_quota.ts";
import { firstOfEach, repeated } from "./repeated.ts";
import { handler, type RequestContext } from "./handler.ts";

/** First version that knows THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const STRICT_QUOTA_VERSION = 6;

type Topic = CreateTopicsRequest["topics"][number];

export const createTopicsHandler = handler(createTopics, serveCreateTopics);

async function serveCreateTopics(request: CreateTopicsRequest, context: RequestContext) {
  const isNamedTwice = repeated(request.topics.map((topic) => topic.name));
  const partitions = request.topics.reduce((sum, topic) => sum + Math.max(topic.numPartitions, 0), 0);
  const quota = new MutationQuota(context, STRICT_QUOTA_VERSION);
  const topics = [];
  for (const topic of firstOfEach(request.topics, ({ name }) => name)) {
    if (isNamedTwice(topic.name)) {
      topics.push(refused(topic, "INVALID_REQUEST", "The request names the topic twice"));
    } else if (partitions > limits.partitionsPerRequestMax) {
      const message =
        `The request asks for ${partitions} partitions, at most ${limits.partitionsPerRequestMax}`;
      topics.push(refused(topic, "INVALID_PARTITIONS", message));
    } else {
      topics.push(await createOne(topic, quota, request, context));
    }
  }
  quota.settle();
  return { topics };
}

async function createOne(
  topic: Topic,
  quota: MutationQuota,
  request: CreateTopicsRequest,
  context: RequestContext,
) {
  if (quota.isExceeded) return refused(topic, "THROTTLING_QUOTA_EXCEEDED", QUOTA_EXCEEDED_MESSAGE);
  const assigned = new Set(topic.assignments.map((each) => each.partitionIndex));
  if (assigned.size !== topic.assignments.length) {
    return refused(topic, "INVALID_REPLICA_ASSIGNMENT", "A partition is assigned twice");
  }
  let outcome: TopicOutcome;
  try {
    outcome = await context.broker.supervisor.ask({
      type: "createTopic",
      name: topic.name,
      partitionCount: topic.numPartitions,
      replicationFactor: topic.replicationFactor,
      // Of a name that is given twice the last value counts, as in Kafka.
      configs: Object.fromEntries(topic.configs.map(({ name, value }) => [name, value])),
      validateOnly: request.validateOnly,
      ...(topic.assignments.length === 0
        ? {}
        : { assignments: new Map(topic.assignments.map((each) => [each.partitionIndex, each.brokerIds])) }),
    });
  } catch (error) {
    const failure = adminFailure(error);
    return refused(topic, failure.error, failure.message);
  }
  if (!("topic" in outcome)) return refused(topic, outcome.error, outcome.message);
  const created = outcome.topic;
  if (!request.validateOnly) quota.record(created.partitions.length);
  return {
    name: created.name,
    topicId: created.topicId,
    errorCode: 0,
    errorMessage: null,
    numPartitions: created.partitions.length,
    replicationFactor: created.partitions[0]?.replicas.length ?? 1,
    configs: describeTopicConfigs(created.configs, context.broker.configLayers, null)
      .map(({ name, value, readOnly, source, isSensitive }) => ({
        name,
        value,
        readOnly,
        configSource: source,
        isSensitive,
      })),
  };
}

function refused(topic: Topic, error: ErrorName, errorMessage: string) {
  return {
    name: topic.name,
    errorCode: errorCode(error),
    errorMessage,
    configs: [],
  };
}
