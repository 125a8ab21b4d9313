/** The cluster as it is now: brokers, live consumers, live actors. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import { limits } from "../core/config/limits.ts";
import { withLag } from "./consumer_lag.ts";
import { addEndpoint, integerParam, jsonResponse } from "./endpoint.ts";

const pageLengthDefault = 100;

const clusterSchema = z.object({
  clusterId: z.string(),
  controllerId: z.int().openapi({ description: "Broker id of the supervisor's host, -1 while unknown" }),
  brokers: z.array(z.object({
    brokerId: z.int(),
    host: z.string(),
    port: z.int(),
    rack: z.string().nullable(),
    alive: z.boolean(),
    sinceHeartbeatMs: z.number().nullable(),
  })),
}).openapi("Cluster");

const consumersSchema = z.object({
  consumers: z.array(z.object({
    groupId: z.string(),
    memberId: z.string(),
    clientId: z.string(),
    host: z.string(),
    lastHeartbeatMs: z.number(),
    assignment: z.array(z.object({ topic: z.string(), partitions: z.array(z.int()) })),
    partitions: z.array(z.object({
      topic: z.string(),
      partition: z.int(),
      committedOffset: z.number().nullable(),
      endOffset: z.number().nullable(),
      lag: z.number().nullable(),
    })),
    lag: z.number().nullable().openapi({
      description: "Records behind, in all partitions where that is known; null where it is in none",
    }),
  })),
  total: z.int().openapi({ description: "All that match, the page's included" }),
}).openapi("Consumers");

const actorsSchema = z.object({
  actors: z.array(z.object({
    kind: z.string(),
    key: z.string(),
    status: z.string(),
    mailboxLength: z.int(),
    stagedEffectCount: z.int(),
    parkedReplyCount: z.int(),
    ageMs: z.number(),
    idleMs: z.number(),
    restartCount: z.int(),
    lastError: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
  })),
  total: z.int().openapi({ description: "All that match, the page's included" }),
}).openapi("Actors");

const limitParam = integerParam({ min: 1, max: limits.pageLengthMax, description: "Entries, default 100" })
  .optional();

export function clusterApp(broker: Broker): OpenAPIHono {
  const app = new OpenAPIHono();

  addEndpoint(app, {
    method: "get",
    path: "/cluster",
    operationId: "describeCluster",
    summary: "The brokers and who is the controller",
    responses: {
      200: { description: "The cluster", content: { "application/json": { schema: clusterSchema } } },
    },
    problems: [504],
    async handle() {
      const { clusterId, controllerId, brokers } = broker.metadata;
      const description = await broker.supervisor.ask({ type: "describe" });
      const liveness = new Map(description.brokers.map((entry) => [entry.brokerId, entry]));
      return jsonResponse(200, {
        clusterId,
        controllerId,
        brokers: brokers.map(({ brokerId, host, port, rack }) => {
          const { alive = false, sinceHeartbeatMs = null } = liveness.get(brokerId) ?? {};
          return { brokerId, host, port, rack, alive, sinceHeartbeatMs };
        }),
      });
    },
  });

  addEndpoint(app, {
    method: "get",
    path: "/consumers",
    operationId: "listConsumers",
    summary: "The live members of consumer groups and share groups, with their lag",
    query: {
      group: z.string().optional().openapi({ description: "Only this group" }),
      limit: limitParam,
    },
    responses: {
      200: { description: "Consumers", content: { "application/json": { schema: consumersSchema } } },
    },
    problems: [504],
    async handle({ query: { group, limit = pageLengthDefault } }) {
      const { consumers } = await broker.supervisor.ask({ type: "describe" });
      const matching = consumers.filter(({ groupId }) => group === undefined || groupId === group);
      const page = await withLag(broker, matching.slice(0, limit));
      return jsonResponse(200, { consumers: page, total: matching.length });
    },
  });

  addEndpoint(app, {
    method: "get",
    path: "/actors",
    operationId: "listActors",
    summary: "The live actors of this broker",
    query: {
      kind: z.string().optional().openapi({ description: "Only this kind", example: "partition" }),
      limit: limitParam,
    },
    responses: { 200: { description: "Actors", content: { "application/json": { schema: actorsSchema } } } },
    problems: [],
    handle({ query: { kind, limit = pageLengthDefault } }) {
      const matching = broker.inspect().filter((actor) => kind === undefined || actor.kind === kind);
      return jsonResponse(200, { actors: matching.slice(0, limit), total: matching.length });
    },
  });

  return app;
}
