/**
 * The API behind the HTTP door: the resources' apps put together, the OpenAPI document, and the one place where errors
 * become answers. `app.ts` loads it on demand, because zod and the document's generator take their time.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { Broker } from "../actors/broker.ts";
import type { UpgradeWebSocket } from "../lib/server_socket.ts";
import { type AccessGuard, accessGuard } from "./access.ts";
import { apiKeysApp } from "./api_keys.ts";
import { quotaGuard } from "./client_quota.ts";
import { asyncApiDocument } from "./async_document.ts";
import { atomicRecordsApp } from "./atomic_records.ts";
import { backupApp } from "./backup.ts";
import { clusterApp } from "./cluster.ts";
import { clusterEventsApp } from "./cluster_events.ts";
import { v2App, v2Failure, v2Routes } from "./confluent/v2_app.ts";
import type { ContractRoute } from "./confluent/contract_router.ts";
import { v3App, v3Failure, v3RecordRoutes, v3Routes } from "./confluent/v3_app.ts";
import { securityHeaders, STREAM_ROOT } from "./durable_streams/stream_headers.ts";
import { streamsApp } from "./durable_streams/streams_app.ts";
import { CONTROL_ROOT, controlRoutes } from "./durable_streams/subscriptions.ts";
import {
  confluentV2,
  confluentV3,
  contractPaths,
  durableStreams,
  streamSubscriptions,
  upstash,
} from "./contract_document.ts";
import { docsPage } from "./docs_page.ts";
import { jsonResponse, jsonTextResponse } from "./endpoint.ts";
import { liveApp } from "./live/live_app.ts";
import { LiveTails } from "./live/live_tails.ts";
import { metricsResponse } from "./metrics.ts";
import { labelRoute } from "./route_label.ts";
import { Problem, problemResponse, weatherProblem } from "./problem.ts";
import { produceRecordsApp } from "./produce_records.ts";
import { queuesApp } from "./queues.ts";
import { readRecordsApp } from "./read_records.ts";
import { storageCheckApp } from "./storage_check.ts";
import { topicsApp } from "./topics.ts";
import { webhooksApp } from "./webhooks.ts";
import { wholeAnswers } from "./whole_answers.ts";
import { upstashApp, upstashFailure, upstashPaths, upstashRoutes } from "./upstash/upstash_app.ts";

export interface ApiOptions {
  /** Kavka's version, for the document. */
  readonly version: string;
  /** The key that is there before any other; null for none. */
  readonly adminKey: string | null;
  /** Left out where there are no WebSockets. */
  readonly upgradeWebSocket?: UpgradeWebSocket | null;
}

export interface Api {
  /** To HEAD the answer has the body of GET's. */
  fetch(request: Request): Response | Promise<Response>;
  /** Ends the live tails, and takes no more of them. Resolves when the last has been told; the caller brings the deadline. */
  endStreams(): Promise<void>;
  /** Every route that is there, contracts included; `{name}` is a segment, `{name*}` the rest. */
  routes(): { readonly method: string; readonly path: string }[];
}

export function createApi(broker: Broker, { version, adminKey, upgradeWebSocket = null }: ApiOptions): Api {
  const app = new OpenAPIHono();
  const tails = new LiveTails(broker);

  const access = accessGuard(broker, { adminKey });
  if (access.isRequired) app.use("*", requireAccess(access));
  app.use("/v1/*", async (_context, next) => {
    if (!broker.ready) throw new Problem(503, { detail: "The broker is not ready" });
    await next();
  });
  for (const resource of [topicsApp, produceRecordsApp, readRecordsApp]) {
    app.route("/v1/topics", resource(broker));
  }
  for (const resource of [clusterApp, backupApp, storageCheckApp]) {
    app.route("/v1", resource(broker));
  }
  app.route("/v1", clusterEventsApp(broker, tails));
  app.route("/v1", liveApp(broker, { tails, upgradeWebSocket }));
  app.route("/v1/queues", queuesApp(broker));
  app.route("/v1", atomicRecordsApp(broker));
  app.route("/v1/webhooks", webhooksApp(broker));
  app.route("/v1/api-keys", apiKeysApp(broker, access.isRequired));
  for (const contract of [streamsApp, v3App, upstashApp, v2App]) {
    app.route(
      "/",
      contract(broker, (error) => problemOf(error, broker)),
    );
  }

  app.get("/metrics", ({ req }) => {
    labelRoute(req.raw, "/metrics");
    return metricsResponse(broker, version);
  });
  app.get("/docs", () => docsPage());
  app.get(
    "/asyncapi.json",
    ({ req }) => jsonResponse(200, asyncApiDocument(broker, version, new URL(req.url).origin)),
  );
  app.get(
    "/",
    () => jsonResponse(200, { name: "kavka", version, openapi: "/openapi.json", docs: "/docs", api: "/v1" }),
  );
  let document: string | null = null;
  app.get("/openapi.json", () => jsonTextResponse(200, document ??= openApiDocument(app, version)));

  const allowed = allowedMethods(app);
  const notFound = ({ req }: Context): Response => {
    const methods = allowed(req.path);
    if (methods.length === 0) {
      return problemResponse(new Problem(404, { detail: "There is nothing at this path" }));
    }
    const allow = methods.join(", ");
    if (req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    return problemResponse(
      new Problem(405, { detail: `Method ${req.method} does not apply here`, headers: { allow } }),
    );
  };
  app.notFound(notFound);
  app.onError((error) => problemResponse(problemOf(error, broker)));
  let whole: ((request: Request) => Promise<Response>) | null = null;
  const answer = (request: Request) =>
    request.method === "HEAD" ? (whole ??= wholeAnswers(app, notFound))(request) : app.fetch(request);
  const limited = quotaGuard(broker, access, answer, refusalResponse);
  return {
    fetch: (request) => broker.quotas.isEmpty ? answer(request) : limited(request),
    endStreams: () => tails.end(),
    routes: () => routesOf(app),
  };
}

function routesOf(app: OpenAPIHono) {
  const own = app.routes.filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => ({ method, path: path.replaceAll(/:(\w+)/g, "{$1}") }));
  const under = (mount: string) => ({ method, pattern }: ContractRoute) => ({
    method,
    path: mount + pattern,
  });
  return [
    ...own,
    ...controlRoutes.map(under(CONTROL_ROOT)),
    ...["GET", "HEAD", "PUT", "POST", "DELETE"].map((method) => ({ method, path: `${STREAM_ROOT}{path*}` })),
    ...v2Routes.map(under("")),
    ...upstashRoutes.map(under("")),
    ...["/v3", "/kafka/v3"].flatMap((mount) => [...v3Routes, ...v3RecordRoutes].map(under(mount))),
  ];
}

function requireAccess(access: AccessGuard): MiddlewareHandler {
  return async ({ req }, next) => {
    const refusal = access.refusal(req.raw);
    if (refusal === null) {
      await next();
      return;
    }
    return refusalResponse(req.path, refusal);
  };
}

/** A refusal before the route, in the words of the contract that the path belongs to. */
function refusalResponse(path: string, refusal: Problem): Response {
  if (/^\/(kafka\/)?v3\//.test(path)) return v3Failure(refusal);
  if (/^\/(topics|brokers|consumers|status)\//.test(path)) return v2Failure(refusal);
  if (upstashPaths.test(path)) return upstashFailure(refusal);
  if (/^\/(topics|brokers)$/.test(path)) return v2Failure(refusal);
  const response = problemResponse(refusal);
  if (path.startsWith(STREAM_ROOT)) {
    for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value);
  }
  return response;
}

/** What a client may know of an error; a bug is logged, and only its number is told. */
function problemOf(error: unknown, { env, log }: Broker): Problem {
  if (error instanceof Problem) return error;
  const weather = weatherProblem(error);
  if (weather !== null) return weather;
  const requestId = env.uuid();
  log.error("an HTTP request failed unexpectedly", {
    requestId,
    error: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    stack: error instanceof Error ? error.stack ?? null : null,
  });
  return new Problem(500, { detail: "The server failed in an unforeseen way", members: { requestId } });
}

/** Which methods the registered routes have at a path. */
function allowedMethods(app: OpenAPIHono): (path: string) => string[] {
  const patterns = app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => ({ method, pattern: new RegExp(`^${path.replaceAll(/:\w+/g, "[^/]+")}$`) }));
  return (path) => {
    const methods = new Set(patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method));
    if (methods.has("GET")) methods.add("HEAD");
    return [...methods].sort();
  };
}

function openApiDocument(app: OpenAPIHono, version: string): string {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Kavka",
      version,
      description: "Topics, records and the state of a Kavka server.",
      license: { name: "Apache License 2.0" },
    },
    servers: [{ url: "/" }],
  });
  const bearer = { type: "http", scheme: "bearer", description: "A key, where the server requires one" };
  return JSON.stringify({
    ...document,
    components: { ...document.components, securitySchemes: { key: bearer } },
    security: [{}, { key: [] }],
    paths: {
      ...document.paths,
      ...contractPaths([
        { ...confluentV3, routes: [...v3Routes, ...v3RecordRoutes] },
        { ...confluentV2, routes: v2Routes },
        { ...upstash, routes: upstashRoutes },
        durableStreams,
        { ...streamSubscriptions, routes: controlRoutes },
      ]),
    },
  });
}
