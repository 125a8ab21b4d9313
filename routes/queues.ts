/**
 * Queues over HTTP: share groups (KIP-932) for programs without a Kafka client, through the same actors, so that both kinds of
 * consumer share one queue. There is no session to stick to: each take has a lock, a name that nobody else knows, and
 * whoever shows it says what became of the records, on any connection.
 */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import { takeRecords } from "../actors/share_take.ts";
import { ActorStoppedError, AskDeadlineError, OverloadedError } from "../actors/runtime/errors.ts";
import type { TopicImage } from "../core/cluster/metadata_image.ts";
import { limits } from "../core/config/limits.ts";
import { ACKNOWLEDGE_TYPES } from "../core/share/partition/acknowledge.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { addEndpoint, jsonResponse, jsonTextResponse, parse } from "./endpoint.ts";
import { kafkaProblem, Problem } from "./problem.ts";
import { type QueueRecord, takenRecords } from "./queue_records.ts";
import { readJson } from "./request_body.ts";
import { recordFormats } from "./record_data.ts";
import { recordText } from "../core/fetch/record_text.ts";
import { checkPartition, findTopic, topicParam } from "./topic_lookup.ts";

/** Records in one take; a larger wish is 400. */
const TAKE_RECORDS_MAX = 1_000;
/** Records that one request may speak of; then 400. */
const SETTLE_RECORDS_MAX = 10_000;
const LOCK_MS_MIN = 1_000;

const groupParam = z.string().min(1, "expected a name").openapi({
  description: "Name of the queue: a share group",
  example: "mailers",
});

const takeSchema = z.strictObject({
  maxRecords: z.int("expected a whole number").min(1, "expected at least 1")
    .max(TAKE_RECORDS_MAX, `expected at most ${TAKE_RECORDS_MAX}`).optional()
    .openapi({ description: "Default 10" }),
  maxBytes: z.int("expected a whole number").min(1, "expected at least 1")
    .max(limits.httpReadBytesMax, `expected at most ${limits.httpReadBytesMax}`).optional()
    .openapi({ description: "Stored bytes to look through, default 1 MiB; the first record may exceed it" }),
  waitMs: z.int("expected a whole number").min(0, "expected at least 0").optional().openapi({
    description: `How long to wait for a record, default 0; at most ${limits.longPollMsMax} is waited`,
  }),
  lockMs: z.int("expected a whole number").min(LOCK_MS_MIN, `expected at least ${LOCK_MS_MIN}`).optional()
    .openapi({
      description: "How long the records are yours, default as the group is configured; at most " +
        "group.share.max.record.lock.duration.ms",
    }),
  from: z.enum(["earliest", "latest"], "expected earliest or latest").optional().openapi({
    description: "Where a queue begins in a partition that it never read; default as the group is configured",
  }),
  format: z.enum(recordFormats, `expected ${recordFormats.join(", ")}`).optional().openapi({
    description: "auto and string: text where possible; json: JSON where possible; binary: always base64",
  }),
}, "expected an object").openapi("TakeRecords");

const takenSchema = z.object({
  lock: z.string().nullable().openapi({ description: "Names this take; null when nothing was taken" }),
  lockMs: z.int().openapi({ description: "How long the records are locked, in milliseconds" }),
  records: z.array(
    z.object({
      partition: z.int(),
      deliveryCount: z.int().openapi({ description: "1 for the first time" }),
      offset: z.int(),
      timestamp: z.int(),
      key: z.unknown(),
      value: z.unknown(),
      headers: z.array(z.object({ key: z.string(), value: z.unknown() })),
    }),
  ),
}).openapi("TakenRecords");

const settleSchema = z.strictObject({
  lock: z.uuid("expected the lock of a take"),
  records: z.array(
    z.strictObject({
      partition: z.int("expected a whole number").min(0, "expected at least 0"),
      offset: z.int("expected a whole number").min(0, "expected at least 0"),
    }, "expected an object"),
    "expected a list",
  ).min(1, "expected at least one record").max(SETTLE_RECORDS_MAX, `expected at most ${SETTLE_RECORDS_MAX}`),
  lockMs: z.int("expected a whole number").min(LOCK_MS_MIN, `expected at least ${LOCK_MS_MIN}`).optional()
    .openapi({ description: "With renew: how long from now on" }),
}, "expected an object").openapi("SettleRecords");

const settledSchema = z.object({
  settled: z.int().openapi({ description: "How many records" }),
  lockMs: z.int().nullable().openapi({ description: "With renew: how long they are locked from now on" }),
}).openapi("SettledRecords");

const queueSchema = z.object({
  name: z.string(),
  state: z.string().openapi({ description: "Empty: no Kafka client is a member; else Stable" }),
  members: z.array(z.object({ memberId: z.string(), clientId: z.string(), host: z.string() })),
  partitions: z.array(z.object({
    topic: z.string(),
    partition: z.int(),
    startOffset: z.int().openapi({ description: "Everything below is done" }),
    lag: z.int().openapi({ description: "Records still to be done; -1 when unknown" }),
  })),
}).openapi("Queue");

const ACTIONS = [
  ["acknowledge", "accept", "Done: the records never come again"],
  [
    "release",
    "release",
    "Not done: the records go to whoever takes next, until they were delivered too often",
  ],
  ["reject", "reject", "Cannot be done: the records never come again"],
  ["renew", "renew", "Needs longer: the locks begin anew"],
] as const;

export function queuesApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();

  addEndpoint(app, {
    method: "get",
    path: "/",
    operationId: "listQueues",
    summary: "List the queues",
    responses: {
      200: {
        description: "Queues",
        content: {
          "application/json": {
            schema: z.object({ queues: z.array(z.object({ name: z.string(), state: z.string() })) }),
          },
        },
      },
    },
    problems: [504],
    async handle() {
      const groups = await broker.listGroups();
      const queues = groups.filter(({ groupType }) => groupType === "share")
        .map(({ groupId, state }) => ({ name: groupId, state }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      return jsonResponse(200, { queues });
    },
  });

  addEndpoint(app, {
    method: "get",
    path: "/{group}",
    operationId: "describeQueue",
    summary: "How far a queue has got, and who works on it",
    params: { group: groupParam },
    responses: {
      200: { description: "The queue", content: { "application/json": { schema: queueSchema } } },
    },
    problems: [404, 504],
    handle: async ({ params }) => jsonResponse(200, await describeQueue(broker, params.group)),
  });

  addEndpoint(app, {
    method: "delete",
    path: "/{group}",
    operationId: "deleteQueue",
    summary: "Forget a queue without members, and how far it had got",
    params: { group: groupParam },
    responses: { 204: { description: "It is forgotten; the topics stay" } },
    problems: [404, 409, 504],
    async handle({ params }) {
      const error = await broker.shareGroup(params.group).ask({ type: "delete" });
      if (error !== "NONE") throw groupProblem(error, params.group);
      return new Response(null, { status: 204 });
    },
  });

  addEndpoint(app, {
    method: "post",
    path: "/{group}/topics/{topic}/take",
    operationId: "takeRecords",
    summary: "Take records of a queue, with long poll",
    description:
      "The records are locked: nobody else is given them until they are acknowledged, released or rejected by " +
      "the lock in the answer, or its time is over. A record that was delivered too often " +
      "(share.delivery.count.limit) is not delivered again. The queue is made when it is first taken from.",
    params: { group: groupParam, topic: topicParam },
    body: { "application/json": { schema: takeSchema } },
    responses: { 200: { description: "Records", content: { "application/json": { schema: takenSchema } } } },
    problems: [404, 408, 409, 413, 415, 429, 504],
    async handle({ params, request }) {
      const topic = findTopic(broker, params.topic);
      const wish = parse(takeSchema, await readJson(request, broker.env));
      return await take(broker, params.group, topic, wish, request.signal);
    },
  });

  for (const [action, type, summary] of ACTIONS) {
    addEndpoint(app, {
      method: "post",
      path: `/{group}/topics/{topic}/${action}`,
      operationId: `${action}Records`,
      summary,
      description:
        "Answered when it is stored. Of each partition all of the request's records are settled, or none: 409 tells " +
        "which partitions failed, because records were settled before or their lock ran out.",
      params: { group: groupParam, topic: topicParam },
      body: { "application/json": { schema: settleSchema } },
      responses: {
        200: {
          description: "All of them are settled",
          content: { "application/json": { schema: settledSchema } },
        },
      },
      problems: [404, 408, 409, 413, 415, 504],
      async handle({ params, request }) {
        const topic = findTopic(broker, params.topic);
        const settlement = parse(settleSchema, await readJson(request, broker.env));
        return await settle(broker, params.group, topic, settlement, type);
      },
    });
  }

  return app;
}

async function describeQueue(broker: Broker, groupId: string) {
  const group = broker.shareGroup(groupId);
  const description = await group.ask({ type: "describe" });
  const known = await group.ask({ type: "listPartitions" });
  if (description === null || known === null) throw groupProblem("GROUP_ID_NOT_FOUND", groupId);
  const partitions = [];
  for (const { topicId, partition } of known) {
    const topic = broker.metadata.topicsById.get(topicId);
    if (topic === undefined) continue;
    const { startOffset, lag } = await broker.sharePartition(groupId, topicId, partition).ask({
      type: "describe",
    });
    partitions.push({ topic: topic.name, partition, startOffset, lag });
  }
  const members = description.members.map(({ memberId, clientId, clientHost }) => ({
    memberId,
    clientId,
    host: clientHost,
  }));
  return { name: groupId, state: description.state, members, partitions };
}

async function take(
  broker: Broker,
  groupId: string,
  topic: TopicImage,
  wish: z.output<typeof takeSchema>,
  signal: AbortSignal,
): Promise<Response> {
  const error = await broker.shareGroup(groupId).ask({ type: "ensure" });
  if (error === "GROUP_ID_NOT_FOUND") {
    throw new Problem(409, { detail: "The name is a consumer group's", kafkaError: error });
  }
  if (error !== "NONE") throw groupProblem(error, groupId);
  const { env } = broker;
  const lock = env.uuid();
  const first = Math.floor(env.random() * topic.partitions.length);
  const partitions = topic.partitions.map((_, index) => ({
    topicId: topic.topicId,
    partition: (first + index) % topic.partitions.length,
  }));
  const deadlineMs = env.mono() + Math.min(wish.waitMs ?? 0, limits.longPollMsMax);
  const options = {
    groupId,
    memberId: lock,
    partitions,
    maxRecords: wish.maxRecords ?? 10,
    maxBytes: wish.maxBytes ?? 1_048_576,
    minBytes: 1,
    wholeBatches: false,
    lockDurationMs: lockMs(broker, wish.lockMs),
    offsetReset: wish.from === undefined ? null : { type: wish.from },
    deadlineMs,
    signal,
    failure,
  };
  for (;;) {
    const taken = await takeRecords(broker, options);
    const records: QueueRecord[] = [];
    let lockDurationMs = 0;
    for (const { topicId, partition, result } of taken) {
      if (result.error !== "NONE" && taken.every((each) => each.result.recordCount === 0)) {
        throw kafkaProblem(result.error, null);
      }
      lockDurationMs = Math.max(lockDurationMs, result.lockDurationMs);
      const { found, gaps } = takenRecords(partition, result);
      records.push(...found);
      if (gaps.length === 0) continue;
      // Offsets without a record: nobody can settle them.
      await broker.sharePartition(groupId, topicId, partition).ask({
        type: "acknowledge",
        memberId: lock,
        batches: gaps,
        isRenewal: false,
        lockDurationMs: null,
      });
    }
    if (signal.aborted) return await giveBack(broker, groupId, topic, lock);
    const isOver = taken.every(({ result }) => result.recordCount === 0);
    if (records.length > 0 || isOver) {
      return takenAnswer(lock, lockDurationMs, records, wish.format ?? "auto");
    }
  }
}

/** Nobody will read the answer. */
async function giveBack(broker: Broker, groupId: string, topic: TopicImage, lock: string): Promise<Response> {
  for (let partition = 0; partition < topic.partitions.length; partition++) {
    const ref = broker.sharePartition(groupId, topic.topicId, partition);
    await ref.ask({ type: "releaseMember", memberId: lock });
  }
  return new Response(null, { status: 499 });
}

function takenAnswer(
  lock: string,
  lockDurationMs: number,
  records: readonly QueueRecord[],
  format: typeof recordFormats[number],
): Response {
  if (records.length === 0) return jsonResponse(200, { lock: null, lockMs: 0, records: [] });
  const list = records.map(({ partition, deliveryCount, record }) =>
    `{"partition":${partition},"deliveryCount":${deliveryCount},${recordText(record, format).slice(1)}`
  );
  const text = `{"lock":"${lock}","lockMs":${lockDurationMs},"records":[${list.join(",")}]}`;
  return jsonTextResponse(200, text);
}

async function settle(
  broker: Broker,
  groupId: string,
  topic: TopicImage,
  { lock, records, lockMs: wishMs }: z.output<typeof settleSchema>,
  type: typeof ACKNOWLEDGE_TYPES[number],
): Promise<Response> {
  const byPartition = Map.groupBy(records, ({ partition }) => partition);
  for (const partition of byPartition.keys()) checkPartition(topic, partition);
  if (await broker.shareGroup(groupId).ask({ type: "describe" }) === null) {
    throw groupProblem("GROUP_ID_NOT_FOUND", groupId);
  }
  const acknowledgeTypes = [ACKNOWLEDGE_TYPES.indexOf(type)];
  const isRenewal = type === "renew";
  const results = await Promise.all(
    Array.from(byPartition, async ([partition, own]) => {
      const offsets = [...new Set(own.map(({ offset }) => offset))].sort((a, b) => a - b);
      const batches = offsets.map((offset) => ({
        firstOffset: offset,
        lastOffset: offset,
        acknowledgeTypes,
      }));
      const ref = broker.sharePartition(groupId, topic.topicId, partition);
      const lockDurationMs = isRenewal ? lockMs(broker, wishMs) : null;
      const answer = { type: "acknowledge", memberId: lock, batches, isRenewal, lockDurationMs } as const;
      return { partition, count: offsets.length, ...await ref.ask(answer) };
    }),
  );
  const failed = results.filter(({ error }) => error !== "NONE");
  const settled = results.reduce((sum, { error, count }) => sum + (error === "NONE" ? count : 0), 0);
  const [first] = failed;
  if (first === undefined) {
    return jsonResponse(200, { settled, lockMs: isRenewal ? results[0]?.lockDurationMs ?? null : null });
  }
  throw new Problem(409, {
    detail: `Partition ${first.partition}: ${first.errorMessage ?? first.error}`,
    kafkaError: first.error,
    members: {
      settled,
      failedPartitions: failed.map(({ partition, error, errorMessage }) => ({
        partition,
        kafkaError: error,
        detail: errorMessage,
      })),
    },
  });
}

/** Within what the server allows; null: as the group is configured. */
function lockMs(broker: Broker, wish: number | undefined): number | null {
  if (wish === undefined) return null;
  return Math.min(wish, Number(broker.config("group.share.max.record.lock.duration.ms")));
}

function groupProblem(error: ErrorName, groupId: string): Problem {
  const name = JSON.stringify(groupId.slice(0, 250));
  switch (error) {
    case "GROUP_ID_NOT_FOUND":
      return new Problem(404, { detail: `There is no queue ${name}`, kafkaError: error });
    case "NON_EMPTY_GROUP":
      return new Problem(409, { detail: `Queue ${name} has members`, kafkaError: error });
    default:
      return kafkaProblem(error, null);
  }
}

/** What Kafka calls the ways in which an actor does not answer. */
function failure(error: unknown): ErrorName {
  if (error instanceof OverloadedError || error instanceof AskDeadlineError) return "REQUEST_TIMED_OUT";
  return error instanceof ActorStoppedError ? "NOT_LEADER_OR_FOLLOWER" : "KAFKA_STORAGE_ERROR";
}
