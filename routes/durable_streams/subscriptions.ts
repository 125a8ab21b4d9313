/**
 * Subscriptions to streams at `/v1/stream/__ds`: create, read, delete, link; claim, acknowledge and release a wake; the key that
 * webhooks are signed with. Failures are `{"error": {"code": …, "message": …}}`, as the protocol shows them.
 *
 * Source: PROTOCOL.md §6 and §7.
 */
import { z } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import type { SubscriptionView } from "../../actors/messages/subscription.ts";
import { describeWokenStreams } from "../../actors/webhook_sender.ts";
import { limits } from "../../core/config/limits.ts";
import { formatStreamOffset, parseStreamOffset } from "../../core/stream/stream_offset.ts";
import type { SubscriptionConfig } from "../../core/stream/subscription.ts";
import { streamWebhookRanges } from "../../core/webhook/webhook_settings.ts";
import { webhookUrlFault } from "../../core/webhook/webhook_url.ts";
import { type ContractRequest, type ContractRoute, contractRouter } from "../confluent/contract_router.ts";
import { jsonResponse, parse } from "../endpoint.ts";
import { Problem } from "../problem.ts";
import { readJson } from "../request_body.ts";
import { pathFault, STREAM_ROOT } from "./stream_headers.ts";

export const CONTROL_ROOT = `${STREAM_ROOT}__ds`;

const LEASE_MS_DEFAULT = 30_000;
const KEY_CACHE = "public, max-age=300";

const pathSchema = z.string("expected a string").superRefine((path, context) => {
  const fault = pathFault(path);
  if (fault !== null) context.addIssue({ code: "custom", message: fault });
});

const pathsSchema = z.array(pathSchema, "expected an array")
  .max(limits.subscriptionStreamsMax, `expected at most ${limits.subscriptionStreamsMax} streams`);

const configSchema = z.object({
  type: z.enum(["webhook", "pull-wake"], 'expected "webhook" or "pull-wake"'),
  pattern: z.string("expected a string").min(1, "is empty")
    .max(limits.streamPathLengthMax, `expected at most ${limits.streamPathLengthMax} characters`).nullish(),
  streams: pathsSchema.nullish(),
  webhook: z.object({ url: z.string("expected a string").max(2_048, "expected at most 2048 characters") })
    .nullish(),
  wake_stream: pathSchema.nullish(),
  lease_ttl_ms: z.int("expected a whole number").min(1_000, "expected at least 1000")
    .max(600_000, "expected at most 600000").nullish(),
  description: z.string("expected a string").max(1_000, "expected at most 1000 characters").nullish(),
}, "expected an object");

const settleSchema = z.object({
  wake_id: z.string("expected a string"),
  generation: z.int("expected a whole number"),
  acks: z.array(z.object({
    stream: z.string("expected a string"),
    offset: z.string("expected a string"),
  })).max(limits.subscriptionStreamsMax, `expected at most ${limits.subscriptionStreamsMax} offsets`)
    .nullish(),
  done: z.boolean("expected true or false").nullish(),
}, "expected an object");

const claimSchema = z.object({ worker: z.string("expected a string").min(1).max(256) }, "expected an object");
const linkSchema = z.object({ streams: pathsSchema }, "expected an object");

/** A failure with the protocol's code. */
class ControlError extends Error {
  override readonly name = "ControlError";
  readonly status: number;
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    code: string,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

function errorResponse({ status, code, message, details }: ControlError): Response {
  return jsonResponse(status, { error: { code, message, ...details } });
}

function absent(): ControlError {
  return new ControlError(404, "SUBSCRIPTION_NOT_FOUND", "There is no such subscription");
}

function fenced(): ControlError {
  return new ControlError(409, "FENCED", "The wake is over, or was never this worker's");
}

function idOf({ params }: ContractRequest): string {
  const id = params["id"] ?? "";
  if (/^[\w.:~-]{1,128}$/.test(id)) return id;
  throw new ControlError(
    400,
    "INVALID_REQUEST",
    "The id of a subscription has 1 to 128 letters, digits, and . _ : ~ -",
  );
}

async function put(context: ContractRequest): Promise<Response> {
  const { broker, request, url } = context;
  const id = idOf(context);
  const body = parse(configSchema, await readJson(request, broker.env));
  const pattern = body.pattern ?? null;
  const streams = [...new Set(body.streams ?? [])].sort();
  if (pattern === null && streams.length === 0) {
    throw new ControlError(400, "INVALID_REQUEST", "pattern or streams must be there");
  }
  const webhookUrl = body.type === "webhook" ? body.webhook?.url ?? null : null;
  const wakeStream = body.type === "pull-wake" ? body.wake_stream ?? null : null;
  if (body.type === "webhook") {
    if (webhookUrl === null) throw new ControlError(400, "INVALID_REQUEST", "webhook.url is missing");
    const fault = webhookUrlFault(webhookUrl, streamWebhookRanges((name) => broker.config(name)));
    if (fault !== null) throw new ControlError(400, "WEBHOOK_URL_REJECTED", `The webhook's URL ${fault}`);
  } else if (wakeStream === null) throw new ControlError(400, "INVALID_REQUEST", "wake_stream is missing");
  const config: SubscriptionConfig = {
    type: body.type,
    pattern,
    streams,
    webhookUrl,
    wakeStream,
    leaseTtlMs: body.lease_ttl_ms ?? LEASE_MS_DEFAULT,
    description: body.description ?? null,
  };
  const view = await broker.subscriptions.ask({
    type: "put",
    id,
    config,
    streamRoot: `${url.origin}${STREAM_ROOT}`,
  });
  switch (view.outcome) {
    case "tooMany":
      throw new ControlError(
        429,
        "TOO_MANY_SUBSCRIPTIONS",
        "The server has as many subscriptions as it takes",
      );
    case "different":
      throw new ControlError(
        409,
        "SUBSCRIPTION_EXISTS",
        "The subscription exists with another configuration",
      );
    default:
      return jsonResponse(view.outcome === "created" ? 201 : 200, await describe(broker, view));
  }
}

async function describe(broker: Broker, { subscription, links }: SubscriptionView) {
  const { id, config, streamRoot, createdAtMs, wake } = subscription;
  let webhook: unknown = null;
  if (config.webhookUrl !== null) {
    const { kid } = await broker.subscriptions.ask({ type: "signingKey" });
    const signing = { alg: "ed25519", kid, jwks_url: `${streamRoot}__ds/jwks.json` };
    webhook = { url: config.webhookUrl, signing };
  }
  return {
    id,
    subscription_id: id,
    type: config.type,
    pattern: config.pattern,
    streams: [...links].map(([path, { explicit, ackedOffset }]) => ({
      path,
      link_type: explicit ? "explicit" : "glob",
      acked_offset: formatStreamOffset(ackedOffset),
    })),
    webhook,
    wake_stream: config.wakeStream,
    lease_ttl_ms: config.leaseTtlMs,
    created_at: new Date(createdAtMs).toISOString(),
    status: (wake?.failureCount ?? 0) > 0 ? "failed" : "active",
    description: config.description,
  };
}

async function get(context: ContractRequest): Promise<Response> {
  const view = await context.broker.subscriptions.ask({ type: "get", id: idOf(context) });
  if (view === null) throw absent();
  return jsonResponse(200, await describe(context.broker, view));
}

async function remove(context: ContractRequest): Promise<Response> {
  if (!await context.broker.subscriptions.ask({ type: "delete", id: idOf(context) })) throw absent();
  return new Response(null, { status: 204 });
}

async function link(
  context: ContractRequest,
  add: readonly string[],
  remove: readonly string[],
): Promise<Response> {
  const done = await context.broker.subscriptions.ask({
    type: "linkStreams",
    id: idOf(context),
    add,
    remove,
  });
  if (!done) throw absent();
  return new Response(null, { status: 204 });
}

async function claim(context: ContractRequest): Promise<Response> {
  const { broker, request } = context;
  const { worker } = parse(claimSchema, await readJson(request, broker.env));
  const claimed = await broker.subscriptions.ask({ type: "claim", id: idOf(context), worker });
  switch (claimed.type) {
    case "absent":
      throw absent();
    case "nothingPending":
      throw new ControlError(409, "NO_PENDING_WORK", "There is nothing to claim");
    case "held": {
      const { holder, generation } = claimed;
      throw new ControlError(409, "ALREADY_CLAIMED", "Another worker has it", {
        current_holder: holder,
        generation,
      });
    }
    case "claimed": {
      const { subscription, wake, links } = claimed.view;
      return jsonResponse(200, {
        wake_id: wake.wakeId,
        generation: subscription.generation,
        token: wake.token,
        streams: describeWokenStreams(wake.tails, links),
        lease_ttl_ms: subscription.config.leaseTtlMs,
      });
    }
  }
}

/** Acknowledges what the worker names, and ends the wake when it says so. */
async function settle(context: ContractRequest, release: boolean): Promise<Response> {
  const { broker, request } = context;
  const token = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (token === undefined) {
    throw new ControlError(401, "UNAUTHORIZED", "Authorization: Bearer with the wake's token is missing");
  }
  const body = parse(settleSchema, await readJson(request, broker.env));
  const acks = (release ? [] : body.acks ?? []).map(({ stream, offset }) => {
    const number = parseStreamOffset(offset);
    if (number === null) throw new ControlError(400, "INVALID_OFFSET", "An offset is not one of this server");
    return { path: stream, offset: number };
  });
  const settled = await broker.subscriptions.ask({
    type: "settle",
    id: idOf(context),
    wakeId: body.wake_id,
    generation: body.generation,
    token,
    acks,
    done: release || body.done === true,
  });
  if (settled.type === "absent") throw absent();
  if (settled.type === "fenced") throw fenced();
  return release
    ? new Response(null, { status: 204 })
    : jsonResponse(200, { ok: true, next_wake: settled.nextWake });
}

async function keys({ broker }: ContractRequest): Promise<Response> {
  const { kid, x } = await broker.subscriptions.ask({ type: "signingKey" });
  return jsonResponse(200, { keys: [{ kty: "OKP", crv: "Ed25519", kid, use: "sig", alg: "EdDSA", x }] }, {
    "content-type": "application/jwk-set+json",
    "cache-control": KEY_CACHE,
  });
}

/** Below `CONTROL_ROOT`. */
export const controlRoutes: readonly ContractRoute[] = [
  { method: "PUT", pattern: "/subscriptions/{id}", handle: put },
  { method: "GET", pattern: "/subscriptions/{id}", handle: get },
  { method: "DELETE", pattern: "/subscriptions/{id}", handle: remove },
  {
    method: "POST",
    pattern: "/subscriptions/{id}/streams",
    handle: async (context) =>
      await link(context, parse(linkSchema, await readJson(context.request, context.broker.env)).streams, []),
  },
  {
    method: "DELETE",
    pattern: "/subscriptions/{id}/streams/{path*}",
    handle: (context) => link(context, [], [context.params["path"] ?? ""]),
  },
  { method: "POST", pattern: "/subscriptions/{id}/claim", handle: claim },
  { method: "POST", pattern: "/subscriptions/{id}/callback", handle: (context) => settle(context, false) },
  { method: "POST", pattern: "/subscriptions/{id}/ack", handle: (context) => settle(context, false) },
  { method: "POST", pattern: "/subscriptions/{id}/release", handle: (context) => settle(context, true) },
  { method: "GET", pattern: "/jwks.json", handle: keys },
];

const router = contractRouter(controlRoutes);

/** Answers below `CONTROL_ROOT`. Throws what is not the request's fault, except as a problem. */
export async function answerControl(broker: Broker, request: Request): Promise<Response> {
  try {
    return await router(broker, request, CONTROL_ROOT);
  } catch (error) {
    if (error instanceof ControlError) return errorResponse(error);
    if (error instanceof Problem && error.status === 400) {
      return errorResponse(new ControlError(400, "INVALID_REQUEST", error.message));
    }
    throw error;
  }
}
