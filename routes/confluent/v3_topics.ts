/** REST v3: topics, partitions and replicas. Source: Confluent's documentation of API v3. */
import { z } from "@hono/zod-openapi";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { internalTopicNames } from "../../core/config/topic_name.ts";
import { jsonResponse, parse } from "../endpoint.ts";
import { kafkaProblem } from "../problem.ts";
import { readJson } from "../request_body.ts";
import { confluentProblem } from "./confluent_error.ts";
import { type ContractRequest, type ContractRoute, numberParam } from "./contract_router.ts";
import { checkCluster, collection, noContent, related, resource, topicOf } from "./v3_resources.ts";

const createSchema = z.object({
  topic_name: z.string("expected a string"),
  partitions_count: z.int("expected a whole number").nullish(),
  replication_factor: z.int("expected a whole number").nullish(),
  replicas_assignments: z.array(z.object({
    partition_id: z.int("expected a whole number"),
    broker_ids: z.array(z.int("expected a whole number")).max(1_000, "expected at most 1000 brokers"),
  })).max(10_000, "expected at most 10000 partitions").optional(),
  configs: z.array(z.object({
    name: z.string("expected a string"),
    value: z.string("expected a string or null").nullish(),
  })).max(1_000, "expected at most 1000 configurations").optional(),
  validate_only: z.boolean("expected true or false").optional(),
}, "expected an object");

const patchSchema = z.object({ partitions_count: z.int("expected a whole number") }, "expected an object");

function topicResource(context: ContractRequest, { name, partitions }: TopicImage): Record<string, unknown> {
  return resource(context, "KafkaTopic", ["topics", name], {
    topic_name: name,
    is_internal: internalTopicNames.has(name),
    replication_factor: partitions[0]?.replicas.length ?? 0,
    partitions_count: partitions.length,
    partitions: related(context, "topics", name, "partitions"),
    configs: related(context, "topics", name, "configs"),
    partition_reassignments: related(context, "topics", name, "partitions", "-", "reassignment"),
    authorized_operations: [],
  });
}

async function createTopic(context: ContractRequest): Promise<Response> {
  const { broker, request } = context;
  const body = parse(createSchema, await readJson(request, broker.env));
  const assignments = body.replicas_assignments ?? [];
  const outcome = await broker.supervisor.ask({
    type: "createTopic",
    name: body.topic_name,
    partitionCount: body.partitions_count ?? -1,
    replicationFactor: body.replication_factor ?? -1,
    ...(assignments.length === 0 ? {} : {
      assignments: new Map(assignments.map(({ partition_id, broker_ids }) => [partition_id, broker_ids])),
    }),
    configs: Object.fromEntries(
      (body.configs ?? []).flatMap(({ name, value }) =>
        value === null || value === undefined ? [] : [[name, value]]
      ),
    ),
    validateOnly: body.validate_only ?? false,
  });
  if (!("topic" in outcome)) throw confluentProblem(40002, outcome.message);
  const created = topicResource(context, outcome.topic);
  if (body.validate_only === true) return jsonResponse(200, created);
  const { self } = created["metadata"] as { self: string };
  return jsonResponse(201, created, { location: self });
}

async function patchTopic(context: ContractRequest): Promise<Response> {
  const { name } = topicOf(context);
  const { partitions_count: count } = parse(patchSchema, await readJson(context.request, context.broker.env));
  const outcome = await context.broker.supervisor.ask({
    type: "addPartitions",
    name,
    count,
    assignments: null,
    validateOnly: false,
  });
  if (!("topic" in outcome)) throw confluentProblem(40002, outcome.message);
  return jsonResponse(200, topicResource(context, outcome.topic));
}

async function deleteTopic(context: ContractRequest): Promise<Response> {
  const { topicId } = topicOf(context);
  const outcome = await context.broker.supervisor.ask({ type: "deleteTopic", topicId });
  if (!("topic" in outcome)) throw kafkaProblem(outcome.error, outcome.message);
  return noContent();
}

function partitionResource(context: ContractRequest, { name, partitions }: TopicImage, partition: number) {
  const leader = partitions[partition]?.leader ?? -1;
  const place = ["topics", name, "partitions", partition] as const;
  return resource(context, "KafkaPartition", place, {
    topic_name: name,
    partition_id: partition,
    ...(leader < 0 ? {} : { leader: related(context, ...place, "replicas", leader) }),
    replicas: related(context, ...place, "replicas"),
    reassignment: related(context, ...place, "reassignment"),
  });
}

function replicaResources(context: ContractRequest, topic: TopicImage, partition: number) {
  const image = topic.partitions[partition];
  return (image?.replicas ?? []).map((brokerId) =>
    resource(context, "KafkaReplica", ["topics", topic.name, "partitions", partition, "replicas", brokerId], {
      topic_name: topic.name,
      partition_id: partition,
      broker_id: brokerId,
      is_leader: brokerId === image?.leader,
      is_in_sync: image?.isr.includes(brokerId) ?? false,
      broker: related(context, "brokers", brokerId),
    })
  );
}

function partitionOf(context: ContractRequest): { readonly topic: TopicImage; readonly partition: number } {
  const topic = topicOf(context);
  const partition = numberParam(context.params["partition_id"], "Partition");
  if (partition >= topic.partitions.length) {
    throw confluentProblem(40403, "This server does not host this topic-partition.");
  }
  return { topic, partition };
}

async function partitionOffsets(context: ContractRequest): Promise<Response> {
  const { topic, partition } = partitionOf(context);
  const { logStartOffset, highWatermark } = await context.broker.partition(topic.topicId, partition)
    .ask({ type: "describe" });
  return jsonResponse(
    200,
    resource(context, "KafkaPartitionOffset", ["topics", topic.name, "partitions", partition, "offset"], {
      topic_name: topic.name,
      partition_id: partition,
      earliest_offset: logStartOffset,
      latest_offset: highWatermark,
    }),
  );
}

export const topicRoutes: readonly ContractRoute[] = ([
  ["GET", "", (context) =>
    collection(
      context,
      "KafkaTopicList",
      [...context.broker.metadata.topicsByName.values()].map((topic) => topicResource(context, topic)),
    )],
  ["POST", "", createTopic],
  ["GET", "/{topic_name}", (context) => jsonResponse(200, topicResource(context, topicOf(context)))],
  ["PATCH", "/{topic_name}", patchTopic],
  ["DELETE", "/{topic_name}", deleteTopic],
  ["GET", "/{topic_name}/partitions", (context) => {
    const topic = topicOf(context);
    const data = topic.partitions.map((_, partition) => partitionResource(context, topic, partition));
    return collection(context, "KafkaPartitionList", data);
  }],
  ["GET", "/{topic_name}/partitions/{partition_id}", (context) => {
    const { topic, partition } = partitionOf(context);
    return jsonResponse(200, partitionResource(context, topic, partition));
  }],
  ["GET", "/{topic_name}/partitions/{partition_id}/offset", partitionOffsets],
  ["GET", "/{topic_name}/partitions/{partition_id}/replicas", (context) => {
    const { topic, partition } = partitionOf(context);
    return collection(context, "KafkaReplicaList", replicaResources(context, topic, partition));
  }],
  ["GET", "/{topic_name}/partitions/{partition_id}/replicas/{broker_id}", (context) => {
    const { topic, partition } = partitionOf(context);
    const brokerId = numberParam(context.params["broker_id"], "Broker");
    const found = replicaResources(context, topic, partition).find((each) => each["broker_id"] === brokerId);
    if (found === undefined) {
      throw confluentProblem(404, `Broker ${brokerId} has no replica of the partition.`);
    }
    return jsonResponse(200, found);
  }],
] satisfies [ContractRoute["method"], string, ContractRoute["handle"]][]).map(([method, path, handle]) => ({
  method,
  pattern: `/clusters/{cluster_id}/topics${path}`,
  handle: (context: ContractRequest) => {
    checkCluster(context);
    return handle(context);
  },
}));

export const replicaRoutes: readonly ContractRoute[] = [{
  method: "GET",
  pattern: "/clusters/{cluster_id}/brokers/{broker_id}/partition-replicas",
  handle: (context) => {
    checkCluster(context);
    const brokerId = numberParam(context.params["broker_id"], "Broker");
    const data = [...context.broker.metadata.topicsByName.values()].flatMap((topic) =>
      topic.partitions.flatMap((_, partition) =>
        replicaResources(context, topic, partition).filter((replica) => replica["broker_id"] === brokerId)
      )
    );
    return collection(context, "KafkaReplicaList", data);
  },
}];
