/**
 * The API behind the HTTP door: the resources' apps put together, the OpenAPI document, and the one place where errors
 * become answers. `app.ts` loads it on demand, because zod and the document's generator take their time.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import { clusterApp } from "./cluster.ts";
import { v2App } from "./confluent/v2_app.ts";
import { v3App } from "./confluent/v3_app.ts";
import { streamsApp } from "./durable_streams/streams_app.ts";
import { jsonResponse, jsonTextResponse } from "./endpoint.ts";
import { liveRecordsApp } from "./live_records.ts";
import { Problem, problemResponse, weatherProblem } from "./problem.ts";
import { produceRecordsApp } from "./produce_records.ts";
import { readRecordsApp } from "./read_records.ts";
import { topicsApp } from "./topics.ts";

export interface ApiOptions {
  /** Kavka's version, for the document. */
  readonly version: string;
}

export interface Api {
  fetch(request: Request): Response | Promise<Response>;
}

export function createApi(broker: Broker, { version }: ApiOptions): Api {
  const app = new OpenAPIHono();

  app.use("/v1/*", async (_context, next) => {
    if (!broker.ready) throw new Problem(503, { detail: "The broker is not ready" });
    await next();
  });
  for (const resource of [topicsApp, produceRecordsApp, readRecordsApp, liveRecordsApp]) {
    app.route("/v1/topics", resource(broker));
  }
  app.route("/v1", clusterApp(broker));
  for (const contract of [streamsApp, v3App, v2App]) {
    app.route(
      "/",
      contract(broker, (error) => problemOf(error, broker)),
    );
  }

  app.get("/", () => jsonResponse(200, { name: "kavka", version, openapi: "/openapi.json", api: "/v1" }));
  let document: string | null = null;
  app.get("/openapi.json", () => jsonTextResponse(200, document ??= openApiDocument(app, version)));

  const allowed = allowedMethods(app);
  app.notFound(({ req }) => {
    const methods = allowed(req.path);
    if (methods.length === 0) {
      return problemResponse(new Problem(404, { detail: "There is nothing at this path" }));
    }
    const allow = methods.join(", ");
    if (req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    return problemResponse(
      new Problem(405, { detail: `Method ${req.method} does not apply here`, headers: { allow } }),
    );
  });
  app.onError((error) => problemResponse(problemOf(error, broker)));
  return { fetch: (request) => app.fetch(request) };
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
  return JSON.stringify(app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Kavka",
      version,
      description: "Topics, records and the state of a Kavka server.",
      license: { name: "Apache License 2.0" },
    },
    servers: [{ url: "/" }],
  }));
}
