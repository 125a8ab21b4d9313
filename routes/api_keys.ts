/**
 * Keys of the HTTP door: made, listed, revoked. The key itself is in the answer to its creation and nowhere else.
 */
import { createHash } from "node:crypto";
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Broker } from "../actors/broker.ts";
import { type ApiKey, formatApiKey, scopeFault } from "../core/access/api_key.ts";
import { limits } from "../core/config/limits.ts";
import { addEndpoint, jsonResponse, parse } from "./endpoint.ts";
import { Problem } from "./problem.ts";
import { readJson } from "./request_body.ts";

const scopeSchema = z.string("expected a string").superRefine((scope, context) => {
  const fault = scopeFault(scope);
  if (fault !== null) context.addIssue({ code: "custom", message: fault });
}).openapi({
  description: "admin, produce, consume, or produce:TOPIC and consume:TOPIC, where TOPIC may end with *",
  pattern: "^(admin|(produce|consume)(:[^*]{1,511}\\*?|:\\*)?)$",
  example: "produce:orders",
});

const createSchema = z.strictObject({
  name: z.string("expected a string").min(1, "is empty").max(100, "expected at most 100 characters")
    .refine((name) => name.isWellFormed(), "has a lone surrogate"),
  scopes: z.array(scopeSchema, "expected an array").min(1, "expected at least one scope")
    .max(limits.apiKeyScopesMax, `expected at most ${limits.apiKeyScopesMax} scopes`),
  expiresInMs: z.int("expected milliseconds").min(1, "expected at least 1").max(
    3_155_760_000_000,
    "expected at most 100 years",
  )
    .optional().openapi({ description: "Default: the key never expires" }),
}, "expected an object").openapi("CreateApiKey");

const keySchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdMs: z.int(),
  expiresMs: z.int().nullable().openapi({ description: "null: never" }),
}).openapi("ApiKey");
const createdSchema = keySchema.extend({
  key: z.string().openapi({ description: "Shown here only: it is not stored" }),
}).openapi("CreatedApiKey");
const listSchema = z.object({
  required: z.boolean().openapi({ description: "Whether requests need a key" }),
  keys: z.array(keySchema),
}).openapi("ApiKeys");

export function apiKeysApp(broker: Broker, isRequired: boolean): OpenAPIHono {
  const app = new OpenAPIHono();

  addEndpoint(app, {
    method: "post",
    path: "/",
    operationId: "createApiKey",
    summary: "Make a key",
    body: { "application/json": { schema: createSchema } },
    responses: {
      201: { description: "Made", content: { "application/json": { schema: createdSchema } } },
    },
    problems: [408, 409, 413, 415, 504],
    async handle({ request }) {
      const { name, scopes, expiresInMs } = parse(createSchema, await readJson(request, broker.env));
      const { env } = broker;
      const id = env.uuid().replaceAll("-", "").slice(0, 12);
      // 244 random bits.
      const secret = `${env.uuid()}${env.uuid()}`.replaceAll("-", "");
      const createdMs = env.now();
      const key: ApiKey = {
        id,
        name,
        scopes: [...new Set(scopes)],
        secretHash: new Uint8Array(createHash("sha256").update(secret).digest()),
        createdMs,
        expiresMs: expiresInMs === undefined ? null : createdMs + expiresInMs,
      };
      if (!await broker.supervisor.ask({ type: "createApiKey", key })) {
        throw new Problem(409, { detail: `There are ${limits.apiKeysMax} keys: revoke some first` });
      }
      return jsonResponse(201, { ...view(key), key: formatApiKey(id, secret) }, {
        location: `/v1/api-keys/${id}`,
      });
    },
  });

  addEndpoint(app, {
    method: "get",
    path: "/",
    operationId: "listApiKeys",
    summary: "List the keys, without their secrets",
    responses: { 200: { description: "Keys", content: { "application/json": { schema: listSchema } } } },
    problems: [],
    handle() {
      const keys = [...broker.metadata.apiKeys.values()].sort((a, b) => a.createdMs - b.createdMs).map(view);
      return jsonResponse(200, { required: isRequired, keys });
    },
  });

  addEndpoint(app, {
    method: "delete",
    path: "/{id}",
    operationId: "revokeApiKey",
    summary: "Revoke a key; from the answer on it is worth nothing",
    params: { id: z.string().openapi({ description: "Id of the key" }) },
    responses: { 204: { description: "Revoked" } },
    problems: [404, 504],
    async handle({ params: { id } }) {
      if (!await broker.supervisor.ask({ type: "revokeApiKey", id })) {
        throw new Problem(404, { detail: "There is no key with this id" });
      }
      return new Response(null, { status: 204 });
    },
  });

  return app;
}

function view({ id, name, scopes, createdMs, expiresMs }: ApiKey) {
  return { id, name, scopes, createdMs, expiresMs };
}
