/**
 * Metadata (API 3): brokers, topics and their leaders, and Kafka's automatic creation of topics
 * (`auto.create.topics.enable`). A topic that this request creates is in its own answer.
 */
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { topicNameFault } from "../core/config/topic_name.ts";
import { ZERO_UUID } from "../lib/bytes.ts";
import { errorCode, type ErrorName } from "../protocol/errors.ts";
import { metadata, type MetadataRequest } from "../protocol/messages/03_metadata.ts";
import { clusterOperations, topicOperations } from "./authorized_operations.ts";
import { handler, type RequestContext } from "./handler.ts";

export const metadataHandler = handler(metadata, serveMetadata);

async function serveMetadata(request: MetadataRequest, context: RequestContext) {
  const { broker } = context;
  const all = request.topics === null || (context.apiVersion === 0 && request.topics.length === 0);
  const topics: ReturnType<typeof refused | typeof described>[] = [];
  if (all) {
    topics.push(...[...broker.metadata.topicsByName.values()].map(described));
  } else {
    for (const asked of distinct(request.topics ?? [])) {
      topics.push(await describeOne(asked, request, context));
    }
  }
  const image = broker.metadata;
  const topicAuthorizedOperations = topicOperations(request.includeTopicAuthorizedOperations);
  return {
    brokers: image.brokers.map(({ brokerId, host, port, rack }) => ({ nodeId: brokerId, host, port, rack })),
    clusterId: image.clusterId,
    controllerId: image.controllerId,
    topics: topics.map((topic) => ({ ...topic, topicAuthorizedOperations })),
    clusterAuthorizedOperations: clusterOperations(request.includeClusterAuthorizedOperations),
    errorCode: 0,
  };
}

interface AskedTopic {
  readonly name: string | null;
  readonly topicId: string;
}

/** Each topic once, as in Kafka: a small request that repeats a wide topic must not become a huge answer. */
function distinct(asked: readonly AskedTopic[]): AskedTopic[] {
  return [...new Map(asked.map((each) => [`${each.name} ${each.topicId}`, each])).values()];
}

async function describeOne(
  asked: AskedTopic,
  request: MetadataRequest,
  context: RequestContext,
) {
  const { broker } = context;
  if (asked.name === null || asked.topicId !== ZERO_UUID) {
    const topic = broker.metadata.topicsById.get(asked.topicId);
    return topic === undefined ? refused(asked.name, asked.topicId, "UNKNOWN_TOPIC_ID") : described(topic);
  }
  const topic = broker.metadata.topicsByName.get(asked.name);
  if (topic !== undefined) return described(topic);
  if (topicNameFault(asked.name) !== null) {
    return refused(asked.name, ZERO_UUID, "INVALID_TOPIC_EXCEPTION");
  }
  if (!request.allowAutoTopicCreation || broker.config("auto.create.topics.enable") !== "true") {
    return refused(asked.name, ZERO_UUID, "UNKNOWN_TOPIC_OR_PARTITION");
  }
  return await createOne(asked.name, context);
}

async function createOne(name: string, context: RequestContext) {
  try {
    const outcome = await context.broker.supervisor.ask({
      type: "createTopic",
      name,
      partitionCount: -1,
      replicationFactor: -1,
      configs: {},
      validateOnly: false,
    });
    if ("topic" in outcome) return described(outcome.topic);
    // Somebody else may have created it in the meantime.
    const topic = context.broker.metadata.topicsByName.get(name);
    if (topic !== undefined) return described(topic);
    // A supervisor that has just started knows it, and this broker will: clients ask again at this error, and not at the other.
    const error = outcome.error === "TOPIC_ALREADY_EXISTS" ? "LEADER_NOT_AVAILABLE" : outcome.error;
    return refused(name, ZERO_UUID, error);
  } catch (error) {
    context.broker.log.warn("Cannot create a topic automatically", { topic: name, error: String(error) });
    return refused(name, ZERO_UUID, "LEADER_NOT_AVAILABLE");
  }
}

function described(topic: TopicImage) {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.map((partition, partitionIndex) => ({
      errorCode: errorCode(partition.leader < 0 ? "LEADER_NOT_AVAILABLE" : "NONE"),
      partitionIndex,
      leaderId: partition.leader,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: [...partition.replicas],
      isrNodes: [...partition.isr],
      offlineReplicas: [],
    })),
  };
}

function refused(name: string | null, topicId: string, error: ErrorName) {
  return { errorCode: errorCode(error), name, topicId, partitions: [] };
}
