/** The topics resource: create, list, describe, delete. Changes go to the supervisor, reads come from the metadata image. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import type { TopicFault } from "../actors/messages/supervisor.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import { describeTopicConfigs, topicConfigsFault } from "../core/config/topic_configs.ts";
import { internalTopicNames, topicNameFault } from "../core/config/topic_name.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { addEndpoint, integerParam, jsonResponse, parse } from "./endpoint.ts";
import { fieldProblem, kafkaProblem, type Problem } from "./problem.ts";
import { readJson } from "./request_body.ts";
import { findTopic, topicParam } from "./topic_lookup.ts";

const pageLengthDefault = 100;

const createTopicSchema = z.strictObject({
  name: z.string("expected a string").openapi({ pattern: "^[a-zA-Z0-9._-]{1,249}$", example: "orders" }),
  partitionCount: z.int("expected a whole number").min(1, "expected at least 1")
    .max(limits.partitionsPerTopicMax, `expected at most ${limits.partitionsPerTopicMax}`).optional()
    .openapi({ description: "Default: num.partitions" }),
  replicationFactor: z.int("expected a whole number").min(1, "expected at least 1")
    .max(32_767, "expected at most 32767").optional()
    .openapi({ description: "Default: default.replication.factor" }),
  configs: z.record(
    z.string(),
    z.union([z.string(), z.number(), z.boolean()], "expected a string, a number or a boolean").transform(
      String,
    ),
    "expected an object",
  ).optional().openapi({ description: "By Kafka's names", example: { "retention.ms": "86400000" } }),
}, "expected an object").openapi("CreateTopic");

const topicSummarySchema = z.object({
  name: z.string(),
  id: z.string().openapi({ description: "UUID" }),
  partitionCount: z.int(),
  replicationFactor: z.int(),
  internal: z.boolean(),
}).openapi("TopicSummary");

const topicListSchema = z.object({
  topics: z.array(topicSummarySchema),
  next: z.string().nullable().openapi({ description: "`after` of the next page; null on the last" }),
}).openapi("TopicList");

const partitionSchema = z.object({
  partition: z.int(),
  leader: z.int(),
  leaderEpoch: z.int(),
  replicas: z.array(z.int()),
  isr: z.array(z.int()),
  logStartOffset: z.int().nullable().openapi({ description: "null while the partition does not answer" }),
  highWatermark: z.int().nullable(),
  sizeBytes: z.int().nullable(),
}).openapi("Partition");

const topicSchema = topicSummarySchema.extend({
  partitions: z.array(partitionSchema),
  nextPartition: z.int().nullable().openapi({
    description: "`fromPartition` of the next page; null on the last",
  }),
  configs: z.array(z.object({
    name: z.string(),
    value: z.string().nullable(),
    source: z.enum(["topic", "server", "default"]),
    documentation: z.string(),
  })),
}).openapi("Topic");

/** Which field of a creation an error of the supervisor is about. */
const fieldOfError: Partial<Record<ErrorName, string>> = {
  INVALID_TOPIC_EXCEPTION: "name",
  INVALID_PARTITIONS: "partitionCount",
  INVALID_REPLICATION_FACTOR: "replicationFactor",
  INVALID_CONFIG: "configs",
};

export function topicsApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();

  addEndpoint(app, {
    method: "post",
    path: "/",
    operationId: "createTopic",
    summary: "Create a topic",
    body: { "application/json": { schema: createTopicSchema } },
    responses: {
      201: {
        description: "Created; Location names it",
        content: { "application/json": { schema: topicSummarySchema } },
      },
    },
    problems: [408, 409, 413, 415, 504],
    async handle({ request }) {
      const body = await readJson(request, broker.env);
      const { name, partitionCount = -1, replicationFactor = -1, configs = {} } = parse(
        createTopicSchema,
        body,
      );
      const nameFault = topicNameFault(name);
      if (nameFault !== null) throw fieldProblem("name", nameFault);
      const configFault = topicConfigsFault(configs, { nullDeletes: false });
      if (configFault !== null) throw fieldProblem("configs", configFault);
      const outcome = await broker.supervisor.ask({
        type: "createTopic",
        name,
        partitionCount,
        replicationFactor,
        configs,
        validateOnly: false,
      });
      if (!("topic" in outcome)) throw topicProblem(outcome);
      const location = `/v1/topics/${encodeURIComponent(name)}`;
      return jsonResponse(201, topicSummary(outcome.topic), { location });
    },
  });

  addEndpoint(app, {
    method: "get",
    path: "/",
    operationId: "listTopics",
    summary: "List the topics, by name",
    query: {
      limit: integerParam({ min: 1, max: limits.pageLengthMax, description: "Topics on a page, default 100" })
        .optional(),
      after: z.string().optional().openapi({ description: "Only names behind this one" }),
    },
    responses: {
      200: { description: "A page", content: { "application/json": { schema: topicListSchema } } },
    },
    problems: [],
    handle({ query: { limit = pageLengthDefault, after } }) {
      const { topicsByName } = broker.metadata;
      const names = [...topicsByName.keys()].filter((name) => after === undefined || name > after).sort();
      const page = names.slice(0, limit);
      const topics = page.map((name) => topicsByName.get(name)).filter((topic) => topic !== undefined);
      const next = names.length > page.length ? page.at(-1) ?? null : null;
      return jsonResponse(200, { topics: topics.map(topicSummary), next });
    },
  });

  addEndpoint(app, {
    method: "get",
    path: "/{topic}",
    operationId: "describeTopic",
    summary: "Describe a topic: partitions, offsets, configuration",
    params: { topic: topicParam },
    query: {
      limit: integerParam({
        min: 1,
        max: limits.pageLengthMax,
        description: "Partitions on a page, default 100",
      })
        .optional(),
      fromPartition: integerParam({
        min: 0,
        max: limits.partitionsPerTopicMax,
        description: "First partition",
      })
        .optional(),
    },
    responses: {
      200: { description: "The topic", content: { "application/json": { schema: topicSchema } } },
    },
    problems: [404],
    async handle({ params, query: { limit = pageLengthDefault, fromPartition = 0 } }) {
      const topic = findTopic(broker, params.topic);
      const end = Math.min(fromPartition + limit, topic.partitions.length);
      const partitions = await Promise.all(
        topic.partitions.slice(fromPartition, end).map((image, index) =>
          describePartition(broker, topic, fromPartition + index, image)
        ),
      );
      return jsonResponse(200, {
        ...topicSummary(topic),
        partitions,
        nextPartition: end < topic.partitions.length ? end : null,
        configs: topicConfigList(broker, topic),
      });
    },
  });

  addEndpoint(app, {
    method: "delete",
    path: "/{topic}",
    operationId: "deleteTopic",
    summary: "Delete a topic; its name is free at once",
    params: { topic: topicParam },
    responses: { 204: { description: "Deleted" } },
    problems: [403, 404, 504],
    async handle({ params }) {
      const { name, topicId } = findTopic(broker, params.topic);
      // By id, so that a topic created anew under the name in between is left alone.
      const outcome = await broker.supervisor.ask({ type: "deleteTopic", topicId });
      if (!("topic" in outcome)) throw kafkaProblem(outcome.error, `Topic "${name}": ${outcome.message}`);
      return new Response(null, { status: 204 });
    },
  });

  return app;
}

export function topicProblem({ error, message }: TopicFault): Problem {
  const field = fieldOfError[error];
  return kafkaProblem(error, message, field === undefined ? {} : { errors: [{ field, detail: message }] });
}

function topicSummary({ name, topicId, partitions }: TopicImage) {
  return {
    name,
    id: topicId,
    partitionCount: partitions.length,
    replicationFactor: partitions[0]?.replicas.length ?? 0,
    internal: internalTopicNames.has(name),
  };
}

const partitionDeadlineMs = 5_000;

/** A partition that does not answer must not hide the others: its offsets are null. */
async function describePartition(
  broker: Broker,
  topic: TopicImage,
  partition: number,
  { leader, leaderEpoch, replicas, isr }: TopicImage["partitions"][number],
) {
  const known = { partition, leader, leaderEpoch, replicas, isr };
  try {
    const { logStartOffset, highWatermark, sizeBytes } = await broker.partition(topic.topicId, partition)
      .ask({ type: "describe" }, { deadlineMs: partitionDeadlineMs });
    return { ...known, logStartOffset, highWatermark, sizeBytes };
  } catch (error) {
    broker.log.warn("a partition did not describe itself", {
      topic: topic.name,
      partition,
      error: error instanceof Error ? error.name : "unknown",
    });
    return { ...known, logStartOffset: null, highWatermark: null, sizeBytes: null };
  }
}

const sourceNames: Readonly<Record<number, string>> = { 1: "topic", 4: "server", 5: "default" };

function topicConfigList(broker: Broker, topic: TopicImage) {
  return describeTopicConfigs(topic.configs, (name) => broker.config(name), null)
    .map(({ name, value, source, documentation }) => ({
      name,
      value,
      source: sourceNames[source],
      documentation,
    }));
}
